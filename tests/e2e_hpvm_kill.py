"""kill -9 of commands, of guests' processes and of switches at random points, with a fixed seed: the state
can always be read, no guest, switch or device is lost, nothing stays locked. An argument says how many
kills (default 36)."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import Host, check, reap

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 36
SEED = 20261121
GUESTS = ["g%d" % i for i in range(4)]
SWITCH = "keep"


def make_guests(h):
    for name in GUESTS:
        path = os.path.join(h.dir, name + ".img")
        with open(path, "wb") as f:
            f.truncate(4 << 20)
            f.write(os.urandom(1 << 20))
        h.run("hpvmcreate", "-F", "-P", name, "-r", "512", "-a", "disk:scsi::file:" + path)
    h.run("hpvmnet", "-c", "-S", SWITCH)
    h.run("hpvmnet", "-S", SWITCH, "-u", "portid:1:vlanid:100")
    h.run("hpvmdevmgmt", "-a", "rdev:/dev/keep:attr:NOTE=kept")


def commands(h, rng, n):
    """One command line of each kind; what it makes may exist afterwards or not."""
    name, extra = rng.choice(GUESTS), "x%d" % n
    copy = os.path.join(h.dir, extra + ".img")
    return rng.choice([
        ("hpvmcreate", "-F", "-P", extra, "-r", "512"),
        ("hpvmmodify", "-F", "-P", name, "-l", "label-%d" % n),
        ("hpvmmodify", "-F", "-P", name, "-N", name, "-e", str(rng.randint(5, 100))),
        ("hpvmclone", "-F", "-P", name, "-N", extra),
        ("hpvmclone", "-F", "-P", name, "-N", extra, "-b", "disk:scsi:0,0,0:file:" + copy),
        ("hpvmstart", "-F", "-Q", "-P", name),
        ("hpvmstart", "-F", "-Q", "-P", name),
        ("hpvmstop", "-h", "-F", "-P", name),
        ("hpvmstatus", "-V"),
        ("hpvmremove", "-F", "-P", extra),
    ])


def shared(rng, n):
    """The same for what guests share; only SWITCH and the device /dev/keep are there for good."""
    name, other = "s%d" % (n // 3), rng.choice([SWITCH, "localnet"])
    return rng.choice([
        ("hpvmnet", "-c", "-S", name),
        ("hpvmnet", "-d", "-F", "-S", name),
        ("hpvmnet", "-b", "-S", other),
        ("hpvmnet", "-h", "-Q", "-S", other),
        ("hpvmnet", "-S", SWITCH, "-u", "portid:%d:vlanid:%d" % (rng.randint(2, 100), n)),
        ("hpvmnet", "-C", "-S", SWITCH, "-n", "user", "-N", name),
        ("hpvmdevmgmt", "-a", "rdev:/dev/x%d" % n),
        ("hpvmdevmgmt", "-m", "rdev:/dev/keep:attr:COUNT=%d" % n),
        ("hpvmdevmgmt", "-m", "gdev:localnet:attr:SHARE=YES"),
        ("hpvmdevmgmt", "-d", "rdev:/dev/x%d" % (n - 2)),
    ])


def kill_switch(h, rng):
    """The process of a switch, wherever it is."""
    name = rng.choice([SWITCH, "localnet"])
    h.run("hpvmnet", "-b", "-S", name, status=None)
    pid = [l.split()[2] for l in h.run("hpvmnet", "-S", name, "-V").split("\n")
           if l.startswith("PID ")][0]
    if pid != "0":
        os.kill(int(pid), signal.SIGKILL)
        h.until(lambda: down(h, name), "a switch that was killed")
    return "switch " + name


def down(h, name):
    return h.run("hpvmnet", "-S", name).split("\n")[2].split()[2] == "Down"


def kill_command(h, rng, n):
    line = shared(rng, n) if rng.random() < 0.4 else commands(h, rng, n)
    p = h.start(*line)
    time.sleep(rng.uniform(0, 0.03))
    p.kill()
    p.communicate()
    return " ".join(line)


def processes_of(h, name):
    found = []
    for pid in h.processes():
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if h.uuid(name).encode() in f.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def kill_process(h, rng, n):
    """The machine's process or the one that looks after it, perhaps while it starts."""
    name = rng.choice(GUESTS)
    starter = h.start("hpvmstart", "-F", "-Q", "-P", name)
    if rng.random() < 0.5:
        starter.communicate()
    else:
        time.sleep(rng.uniform(0, 0.03))
    pids = processes_of(h, name)
    if pids:
        try:
            os.kill(rng.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            pass
    starter.communicate()
    h.until(lambda: h.states()[name] == "Off" or len(processes_of(h, name)) > 1,
            "a process that was killed")
    return "process of " + name


def verify(h, what):
    states = h.states()
    for name in GUESTS:
        check(states.get(name) in ("Off", "On", "On (EFI)"), "%s: %s is %s after the kill of %s" %
              (SEED, name, states.get(name), what))
    check("Invalid" not in states.values(), "damaged guest after the kill of " + what)
    ports = h.run("hpvmnet", "-S", SWITCH, "-M").split(":")[-1]
    check("1;Available;100;0;" in ports, "%s after the kill of %s: %s" % (SWITCH, what, ports))
    check("localnet" in h.run("hpvmnet"), "localnet after the kill of " + what)
    check("NOTE=kept" in h.run("hpvmdevmgmt", "-l", "/dev/keep"), "/dev/keep after the kill of " + what)


def all_usable(h):
    """Every guest can be stopped, started, changed and stopped again."""
    h.run("hpvmstop", "-a", "-h", "-F")
    h.until(lambda: not h.processes(), "the end of all guests")
    check(any("ended by signal 9" in h.read(n, "app", "events") for n in GUESTS
              if os.path.exists(h.file(n, "app", "events"))), "no crash was noted")
    for name in GUESTS:
        h.run("hpvmmodify", "-F", "-P", name, "-l", "fine")
        h.run("hpvmstart", "-F", "-Q", "-P", name)
    check([h.states()[n] for n in GUESTS] == ["On (EFI)"] * len(GUESTS), str(h.states()))
    h.run("hpvmstop", "-a", "-h", "-F")
    h.until(lambda: not h.processes(), "the end of all guests")
    h.run("hpvmnet", "-r", "-Q", "-S", SWITCH, status=None)
    h.run("hpvmnet", "-b", "-S", SWITCH, status=None)
    check(not down(h, SWITCH), "a switch that cannot be booted")
    h.run("hpvmnet", "-h", "-Q")
    h.run("hpvmdevmgmt", "-m", "rdev:/dev/keep:attr:NOTE=kept")
    left = [p for p in h.leftovers()]
    check(not left, "left over: %s" % left)


def kill_something(h, rng, n):
    kind = rng.random()
    if kind < 0.15:
        return kill_switch(h, rng)
    return (kill_process if kind < 0.4 else kill_command)(h, rng, n)


def main():
    rng = random.Random(SEED)
    with Host() as h:
        try:
            make_guests(h)
            for n in range(KILLS):
                what = kill_something(h, rng, n)
                verify(h, what)
                if n % 20 == 19:
                    all_usable(h)
                reap()
            all_usable(h)
        finally:
            h.run("hpvmnet", "-h", "-Q", status=None)
        print("%d kills" % KILLS)


main()
