"""The virtual console of a real guest: power-on by a script, Linux watched in hpvmconsole, viewers
that look on and take over, discs ejected and inserted, logs, power-off and the next start, other
users. The guest is started from a disc."""
import itertools
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from terminal import Terminal, TerminalError

(CD_GZ,) = guest.need("guests/cd.iso.gz")
BIN = os.path.dirname(os.path.abspath(guest.PROGRAM))
BOOT = 400  # seconds until Linux is up
NAME = "compass1"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def run(env, *command, status=0, **more):
    r = subprocess.run([os.path.join(BIN, command[0]), *command[1:]], capture_output=True,
                       text=True, env=env, stdin=subprocess.DEVNULL, timeout=300, **more)
    check(r.returncode == status, "%s: status %d\n%s%s" % (command, r.returncode, r.stdout,
                                                           r.stderr))
    return r.stdout


def script(env, *commands, status=0):
    options = [x for c in commands for x in ("-c", c)]
    return run(env, "hpvmconsole", "-P", NAME, "-q", *options, status=status)


def viewer(env):
    t = Terminal(os.path.join(BIN, "hpvmconsole"), "-P", NAME, env=env)
    t.expect("[%s] vMP> " % NAME)
    return t


def enter(t):
    t.type("co\r")
    t.expect("Prior Console Output - - - - - - - - - -\r\n")


def shell(t, line, marks=itertools.count()):
    """What the guest's shell prints for a command. Prior output has the marks of others."""
    mark = next(marks)
    t.type("echo BEG''IN-%d; %s; echo E''ND-%d\r" % (mark, line, mark))
    t.expect("BEGIN-%d\r\n" % mark)
    return t.expect("END-%d\r\n" % mark).replace("\r", "")


def menu(t):
    t.type("\x02")
    check("\r\n   vMP MAIN MENU\r\n" in t.expect("[%s] vMP> " % NAME), "no main menu")


def dialogue(t, command, answers):
    """Answers what is asked; returns all that was shown, up to the next prompt."""
    t.type(command + "\r")
    text = ""
    for answer in answers:
        text += t.expect("to Quit: ")
        t.type(answer + "\r")
    return (text + t.expect("[%s] vMP> " % NAME)).replace("\r", "")


def power_on(env):
    out = script(env, "pc -on")
    check(out.startswith("\nSystem will be powered on.\n\n-> System is being powered on.\n"
                         "Please wait for the guest start sequence to complete. Use of the "
                         "attention\ncharacter can prevent the guest from running.\n\n(C) Copyr"),
          "pc -on:\n" + out)
    check(out.endswith("Daemonizing....\nhpvmstart: Successful start initiation of guest '%s'\n\n"
                       "-> Command successful.\n\n" % NAME), "pc -on:\n" + out)
    check("is already on" in script(env, "pc -on", status=2), "pc -on twice")


def two_viewers(one, env):
    """The second looks on until it takes the right to type, which the first takes back."""
    two = viewer(env)
    two.type("co\r")
    two.expect("(Read only: ")
    two.expect("guest# ")
    two.type("echo no''body\r")
    check("somebody" in shell(one, "echo some''body"), "the first viewer's command")
    check("nobody" not in two.expect("somebody"), "who looks on has typed")
    two.type("\x05cf")
    two.expect("[You have write access to the console]")
    one.expect("types now")
    check("taken" in shell(two, "echo ta''ken"), "the second viewer's command")
    one.type("\x05cf")
    one.expect("[You have write access to the console]")
    return two


def media(t, directory):
    """Out with one, in with another, from a directory that is read each time."""
    menu(t)
    out = dialogue(t, "ej", ["1", "G"])
    check("[1]     0/0/0/0.0.0     (0,0,0)         dvd     file    " in out, out)
    check("->" not in out, out)
    shutil.copy(os.path.join(directory, "cd.iso"), os.path.join(directory, "second.iso"))
    open_to_all = os.path.join(directory, "worldwritable.iso")
    with open(open_to_all, "wb") as f:
        f.write(b"\0" * 4096)
    os.chmod(open_to_all, 0o666)
    out = dialogue(t, "in", ["2", "2", "G"])
    check("[2]     0/0/0/0.1.0     (0,0,1)         dvd\n" in out, out)
    check("Num     File\n---------------------\n[1]     cd.iso\n[2]     second.iso\n\n" in out, out)
    check("->" not in out, out)
    enter(t)
    t.type("\x05cf")  # who leaves the console leaves it to the other viewer
    t.expect("[You have write access to the console]")
    out = shell(t, "mkdir -p /mnt; mount -r -t iso9660 /dev/sr1 /mnt && ls /mnt; "
                   "dd if=/dev/sr0 of=/dev/null bs=2k count=1")
    check("boot" in out.lower(), "the guest does not see the new disc:\n" + out)
    check("No medium" in out, "the guest still sees the old disc:\n" + out)
    menu(t)
    out = dialogue(t, "ej", ["1", "G"])
    check("-> Command failed: " in out, "a mounted disc is locked:\n" + out)
    out = dialogue(t, "ej", ["1", "F"])
    check("->" not in out, out)
    script(t.env_of_test, "in 1 cd.iso -nc")
    check("cd.iso" in dialogue(t, "dl", []), "in from a script")


def other_users(env):
    """An operator, and somebody who is nothing here."""
    if os.geteuid() != 0:
        print("other users not tested: this needs root")
        return
    foreign = {k: v for k, v in env.items() if k not in ("HPVM_ROOT", "HOME")}
    foreign.update(HOME="/nonexistent")
    out = run(foreign, "hpvmconsole", "-P", NAME, "-q", "-c", "he -nc", "-c", "say hello",
              status=2, user="nobody", group="nogroup", extra_groups=[])
    check(" (Oper) ============\n" in out, out)
    check("-> Permission denied: administrators only.\n" in out, out)
    r = subprocess.run([os.path.join(BIN, "hpvmconsole"), "-P", NAME, "-c", "ps"], env=foreign,
                       capture_output=True, text=True, timeout=300, user="daemon", group="daemon",
                       extra_groups=[])
    check(r.returncode == 2 and "not authorized" in r.stderr and "Power" not in r.stdout,
          "a stranger: %r" % r)


def power_off(one, two, env):
    """The second viewer's console stays and shows the next start."""
    one.type("pc -off\r")
    one.expect("System will be powered off.")
    one.expect("Confirm? (Y/[N]): ")
    one.type("y\r")
    one.expect("-> Command successful.")
    for t in (one, two):
        t.expect("[The virtual machine is off]")
    one.type("ps\r")
    one.expect("Virtual Machine State   : Off")
    check(" Off " in run(env, "hpvmstatus"), "hpvmstatus")  # ps has waited for that
    log = script(env, "cl")
    check(log.count("GUEST-UP") == 1, "console log of a guest that is off:\n" + log[-2000:])
    check("guest# " in log, "console log")
    one.type("pc -on\r")
    one.expect("-> Command successful.")
    two.expect("EFI Boot Manager")
    one.type("co\r")
    one.expect("EFI Boot Manager")
    menu(one)
    out = dialogue(one, "ej", ["Q"])  # other discs than those of the start before
    check("[1]     0/0/0/0.0.0     (0,0,0)         dvd     file    " in out and
          "(0,0,1)" not in out, "discs are not as configured:\n" + out)
    log = script(env, "cl")
    check(0 < log.find("GUEST-UP") < log.rfind("EFI Boot Manager"), "console log over restarts")
    events = script(env, "sl -e")
    check(events.count("started") >= 2, events)
    check("firmware started" in script(env, "rec -view"), "forward progress")
    script(env, "pc -off -nc")
    script(env, "rs -nc", status=2)


def session(env, directory):
    power_on(env)
    one = viewer(env)
    one.env_of_test = env
    enter(one)
    one.expect("GUEST-UP Linux", BOOT)
    one.expect("guest# ", BOOT)
    two = two_viewers(one, env)
    media(one, directory)
    who = dialogue(one, "who", [])
    check(who.count("types") == 1 and who.count("(Admin)") == 2, who)
    other_users(env)
    power_off(one, two, env)
    for t in (one, two):
        t.expect("[The virtual machine is off]")
    menu(two)
    for t in (one, two):
        t.type("x\r")
        t.end(0)


def test():
    with tempfile.TemporaryDirectory(prefix="hpvm-") as tmp:
        os.chmod(tmp, 0o711)
        directory = os.path.join(tmp, "iso")
        os.mkdir(directory)
        disc = os.path.join(directory, "cd.iso")
        shutil.copyfile(guest.unpacked(CD_GZ), disc)
        os.chmod(disc, 0o644)
        env = dict(os.environ, HPVM_ROOT=os.path.join(tmp, "state"),
                   HPVM_RUNTIME=os.path.join(tmp, "run"))
        run(env, "hpvmcreate", "-F", "-P", NAME, "-r", "512", "-u", "nobody:oper",
            "-a", "dvd:scsi:0,0,0:file:" + disc, "-a", "dvd:scsi:0,0,1:null:" + directory)
        try:
            session(env, directory)
        except TerminalError as e:
            raise guest.GuestError(str(e))
        finally:
            subprocess.run([os.path.join(BIN, "hpvmstop"), "-P", NAME, "-h", "-F"], env=env,
                           capture_output=True, timeout=300)


guest.main(test)
