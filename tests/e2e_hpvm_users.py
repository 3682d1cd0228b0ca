"""Who may do what: guests of root whose process becomes user hpvm and still reaches its files through
the keeper; other users on the sockets. Needs root, and a mount name space of its own for the accounts."""
import os
import re
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import BIN, Console, Host, check

HPVM, OTHER, FRIEND = 64001, 64002, 64003


def enter():
    """Runs this test again where there are accounts hpvm, other and friend."""
    if os.geteuid() != 0:
        print("skipped: this test needs root")
        sys.exit(guest.SKIPPED)
    script = ('for f in passwd group; do cp /etc/$f "$1/$f" || exit 77; done\n'
              'for n in hpvm:%d other:%d friend:%d; do\n'
              '  echo "${n%%:*}:x:${n#*:}:${n#*:}::/:/bin/sh" >>"$1/passwd"\n'
              '  echo "${n%%:*}:x:${n#*:}:" >>"$1/group"\n'
              'done\n'
              'for f in passwd group; do mount --bind "$1/$f" /etc/$f || exit 77; done\n'
              'exec python3 "$2" inside\n') % (HPVM, OTHER, FRIEND)
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        r = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", d,
                            os.path.abspath(__file__)])
        if r.returncode == guest.SKIPPED:
            print("skipped: no mount name space of our own")
        sys.exit(r.returncode)


def status(h, name, field):
    with open("/proc/%d/status" % h.pid(name)) as f:
        return re.search(r"^%s:[ \t]*(.*)$" % field, f.read(), re.M).group(1).split()


def as_user(uid, function):
    """What function returns (a text) in a process of that user."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "?"
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            text = function()
        except BaseException as e:
            text = type(e).__name__
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return text


def console(h, name):
    """Welcome or refusal of a viewer."""
    path = os.path.join(h.runtime, "name", name)
    c = Console(h, name, path=os.path.realpath(path))
    return c.frame("WX")


def control(h, name):
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.path.join(h.runtime, "name", name, "control"))
    return "connected"


def dropped(h):
    """Files of root only, in a directory of root only, are reached through the keeper."""
    secret = os.path.join(h.dir, "secret")
    os.mkdir(secret, 0o700)
    for name in ("disk", "second"):
        path = os.path.join(secret, name)
        with open(path, "wb") as f:
            f.truncate(1 << 20)
        os.chmod(path, 0o600)
    h.run("hpvmcreate", "-F", "-P", "g", "-r", "512", "-u", "friend:oper", "-a", "network:lan:0,2:vswitch:localnet",
          "-a", "disk:scsi:0,0,0:file:" + os.path.join(secret, "disk"))
    h.run("hpvmstart", "-F", "-Q", "-P", "g")
    check(status(h, "g", "Uid") == [str(HPVM)] * 4, "Uid %s" % status(h, "g", "Uid"))
    check(status(h, "g", "Gid") == [str(HPVM)] * 4, "Gid %s" % status(h, "g", "Gid"))
    check(status(h, "g", "Groups") == [], "groups")
    check(status(h, "g", "NoNewPrivs") == ["1"] and status(h, "g", "Seccomp") == ["2"], "confined")
    check(status(h, "g", "CapEff") == ["0" * 16], "capabilities")
    check(os.stat(h.file("g", "app")).st_uid == HPVM, "owner of the process's directory")
    check(os.stat(h.file("g", "vmm_config.current")).st_uid == 0, "owner of the configuration")
    # a changed configuration at a reset, asked for by the confined process
    h.run("hpvmmodify", "-F", "-P", "g", "-r", "1G",
          "-a", "disk:scsi:1,0,0:file:" + os.path.join(secret, "second"))
    c = Console(h, "g")
    c.expect("vMP> ")
    c.type("rs\r")
    c.expect(r"Confirm\? ")
    c.type("y\r")
    h.until(lambda: "restarted" in h.read("g", "app", "events"), "the reset")
    c.close()
    check("second" in h.run("hpvmstatus", "-P", "g"), "the changed configuration")
    check(h.states()["g"] == "On (EFI)", str(h.states()))
    check(status(h, "g", "Uid") == [str(HPVM)] * 4, "after the reset")


def switched(h):
    """The adapter is plugged into the switch that hpvmstart booted; only root reaches its socket."""
    program = [os.path.join(BIN, "hpvmnetd"), "--name", "localnet"]
    try:
        h.until(lambda: re.search(r"\bg\b", subprocess.run(
            program + ["--ask", "status"], env=h.env, capture_output=True, text=True).stdout),
            "the adapter's port")
    finally:
        h.run("hpvmnet", "-h", "-Q", "-S", "localnet")


def others(h):
    check("not authorized" in as_user(OTHER, lambda: console(h, "g")), "another user was let in")
    check(as_user(FRIEND, lambda: console(h, "g")).split()[1] == "oper", "an operator was refused")
    check("not authorized" in as_user(HPVM, lambda: console(h, "g")), "user hpvm was let in")
    h.run("hpvmmodify", "-F", "-P", "g", "-u", "friend:admin")
    check(as_user(FRIEND, lambda: console(h, "g")).split()[1] == "admin", "changed while it runs")
    h.run("hpvmmodify", "-F", "-P", "g", "-u", "-friend")
    check("not authorized" in as_user(FRIEND, lambda: console(h, "g")), "revoked while it runs")
    for uid in (OTHER, FRIEND):
        check(as_user(uid, lambda: control(h, "g")) == "PermissionError", "the control socket")
        check(as_user(uid, lambda: str(os.listdir(h.runtime))) == "PermissionError", "runtime")
    read = as_user(OTHER, lambda: subprocess.run(
        [os.path.join(os.path.dirname(guest.PROGRAM), "hpvmstatus")], env=h.env,
        capture_output=True, text=True).stderr)
    check(read == "hpvmstatus: Superuser privileges required.\n"
          "hpvmstatus: Unable to continue.\n", read)


def main():
    if sys.argv[1:] != ["inside"]:
        enter()
    with Host() as h:
        os.chmod(h.dir, 0o711)
        dropped(h)
        switched(h)
        others(h)
        h.run("hpvmstop", "-h", "-F", "-P", "g")
        h.until(lambda: not h.processes(), "the end of the process")
        check(not h.leftovers(), "left: %s" % h.leftovers())


main()
