"""Hostile names in every command that takes one, and hostile clients of a switch: refused in lines of the
command's own, nothing made, changed or left anywhere, everybody else served."""
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import BIN, Host, check

NAMES = ["", "/", "..", "../../../../tmp/x", "a\nb", "x" * 300, "x" * 5000, "-x", "a b", "a:b", "a,b",
         "$(id)", "%s%n%n", "\x1b[31m", "\udcff\udcfe", "~new", "*"]
ROWS = [  # what takes a name, and whether the name is one of a thing that must be there
    ("hpvmcreate", "-F", "-P", "{}"),
    ("hpvmcreate", "-s", "-P", "{}"),
    ("hpvmclone", "-F", "-P", "good", "-N", "{}"),
    ("hpvmclone", "-F", "-P", "{}", "-N", "other"),
    ("hpvmmodify", "-F", "-P", "good", "-N", "{}"),
    ("hpvmmodify", "-F", "-P", "{}", "-l", "label"),
    ("hpvmremove", "-F", "-P", "{}"),
    ("hpvmstart", "-F", "-Q", "-P", "{}"),
    ("hpvmstop", "-F", "-P", "{}"),
    ("hpvmstatus", "-P", "{}"),
    ("hpvmstatus", "-e", "-P", "{}"),
    ("hpvmconsole", "-P", "{}", "-c", "ps"),
    ("hpvmcollect", "-P", "{}"),
    ("hpvmcollect", "-P", "good", "-b", "{}"),
    ("hpvmmigrate", "-P", "{}", "-h", "localhost"),
    ("hpvmnet", "-c", "-S", "{}"),
    ("hpvmnet", "-S", "{}"),
    ("hpvmnet", "-b", "-S", "{}"),
    ("hpvmnet", "-h", "-Q", "-S", "{}"),
    ("hpvmnet", "-r", "-Q", "-S", "{}"),
    ("hpvmnet", "-d", "-F", "-S", "{}"),
    ("hpvmnet", "-S", "{}", "-u", "portid:1:vlanid:7"),
    ("hpvmnet", "-C", "-S", "keep", "-n", "user", "-N", "{}"),
    ("hpvmnet", "-C", "-S", "keep", "-n", "{}"),
    ("hpvmnet", "-c", "-S", "new", "-n", "{}"),
    ("hpvmnet", "-S", "keep", "--hostfwd", "{}"),
    ("hpvmnetd", "--name", "{}"),
    ("hpvmnetd", "--name", "{}", "--ask", "status"),
]
RECORDS = [  # names of devices are paths: they may be taken, but must not break the database
    ("hpvmdevmgmt", "-a", "rdev:{}"),
    ("hpvmdevmgmt", "-a", "gdev:{}"),
    ("hpvmdevmgmt", "-a", "server:{}"),
    ("hpvmdevmgmt", "-m", "server:keep:attr:SERVERADDR={}"),
    ("hpvmdevmgmt", "-m", "rdev:/dev/keep:attr:NOTE={}"),
    ("hpvmdevmgmt", "-m", "rdev:/dev/keep:attr:{}=1"),
    ("hpvmdevmgmt", "-d", "gdev:{}:depend:good"),
    ("hpvmdevmgmt", "-n", "gdev:/dev/keep:{}"),
    ("hpvmdevmgmt", "-l", "{}"),
    ("hpvmmodify", "-F", "-P", "good", "-l", "{}"),
    ("hpvmmodify", "-F", "-P", "good", "-u", "{}"),
    ("hpvmmodify", "-F", "-P", "good", "-g", "{}:admin"),
    ("hpvmmodify", "-F", "-P", "good", "-O", "linux:{}"),
    ("hpvmmodify", "-F", "-P", "good", "-i", "{}"),
    ("hpvmmodify", "-F", "-P", "good", "-a", "disk:scsi::file:{}"),
    ("hpvmmodify", "-F", "-P", "good", "-a", "network:lan::vswitch:{}"),
]


def snapshot(h):
    """Everything there is, with contents; the log of commands grows."""
    found = {}
    for top, dirs, files in os.walk(h.dir):
        for name in dirs:
            found[os.path.join(top, name)] = None
        for name in files:
            path = os.path.join(top, name)
            if name not in ("command.log", "lock"):
                with open(path, "rb") as f:
                    found[path] = f.read()
    return found


def run(h, command):
    p = subprocess.run([os.path.join(BIN, command[0]), *command[1:]], env=h.env, cwd=h.cwd,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    what = " ".join(command)[:100].encode("utf-8", "backslashreplace").decode()
    check(p.returncode in (0, 1, 2), "%r: status %d" % (what, p.returncode))
    return p, what


def clean(p, what, name):
    """What is said is lines of the command, without control characters."""
    for line in p.stderr.decode("utf-8", "replace").split("\n")[:-1]:
        check(line.startswith(name + ": "), "%r says %r" % (what, line))
        check(all(c >= " " and c != "\x7f" for c in line), "%r says %r" % (what, line))


def refused(h):
    before = snapshot(h)
    for row in ROWS:
        for name in NAMES:
            if "\n" in name and row[0] == "hpvmnetd":
                continue  # its messages quote what was given
            p, what = run(h, [word.replace("{}", name) for word in row])
            check(p.returncode != 0, "%r was accepted" % what)
            if row[0] != "hpvmnetd":
                clean(p, what, row[0])
            after = snapshot(h)
            check(after == before, "%r changed %s" % (what, sorted(
                k for k in set(before) | set(after) if before.get(k, 0) != after.get(k, 0))))
    return before


def listing(h, *command):
    """The output of a command that succeeds: lines without control characters."""
    p, what = run(h, command)
    out = p.stdout.decode("utf-8", "surrogateescape")
    check(p.returncode == 0, "%r: %r" % (what, p.stderr))
    check(all(c in "\n\t" or (c >= " " and c != "\x7f") for c in out), "%r shows %r" % (what, out))
    return out


def recorded(h):
    for row in RECORDS:
        for name in NAMES:
            p, what = run(h, [word.replace("{}", name) for word in row])
            if p.returncode != 0:
                clean(p, what, row[0])
        out = listing(h, "hpvmdevmgmt", "-l", "all")
        check(all(l.count(":") >= 3 for l in out.split("\n")[:-1]), "records:\n" + out)
        check("/dev/keep:CONFIG=" in out and "keep:CONFIG=server" in out, "lost:\n" + out)
        out = listing(h, "hpvmstatus")
        check(re.search(r"^good +1 \S+ +Off ", out, re.M) and out.count("\n") == 4, "guests:\n" + out)
        listing(h, "hpvmstatus", "-V", "-P", "good")
        listing(h, "hpvmstatus", "-P", "good", "-d")
        out = listing(h, "hpvmstatus", "-M", "-P", "good")
        check(out.count("\n") == 1, "more than one line: " + out)
    outside = [d for d in os.listdir(h.dir) if d not in ("state", "hpvmconf", "run", "cwd")]
    check(not outside and os.listdir(h.cwd) == [], "made elsewhere: %s" % outside)


def switch_answers(h):
    return "switch name=keep" in h.run("hpvmnetd", "--name", "keep", "--ask", "status")


def switch_clients(h):
    """Nonsense, lines without an end, answers that nobody reads, more connections than are taken."""
    h.run("hpvmnet", "-b", "-S", "keep")
    where = os.path.join(h.runtime, "switch", "keep")
    paths = {}
    for top, _, files in os.walk(h.runtime):
        for name in files:
            if os.path.join(top, name).count("keep"):
                paths["control" if "control" in name else "port" if "port" in name else name] = \
                    os.path.join(top, name)
    check("control" in paths and "port" in paths, "sockets below %s: %s" % (where, paths))
    held = []

    def connect(kind, what):
        s = socket.socket(socket.AF_UNIX, kind)
        s.settimeout(5)
        s.connect(paths[what])
        held.append(s)
        return s

    for data in (b"\0" * 3000, b"x" * 100000, b"\xff\n" * 2000, b"status", b"port 1 vlan %n\n", b"\n" * 4000):
        s = connect(socket.SOCK_STREAM, "control")
        try:
            s.sendall(data)
        except OSError:
            pass  # cut off
        held.remove(s)
        s.close()
        check(switch_answers(h), "after %r" % data[:20])
    silent = connect(socket.SOCK_STREAM, "control")
    silent.setblocking(False)
    try:
        while True:
            silent.send(b"status\n" * 100)
    except OSError:
        pass  # full, or cut off
    check(switch_answers(h), "beside one who does not read")
    for data in (b"", b"\0", os.urandom(100), os.urandom(60000)):
        s = connect(socket.SOCK_SEQPACKET, "port")
        try:
            s.send(data)
            s.recv(100)
        except OSError:
            pass
    check(switch_answers(h), "after messages that are none")
    for _ in range(200):
        try:
            connect(socket.SOCK_SEQPACKET, "port")
        except BlockingIOError:
            pass  # it has not come to them yet
    check(switch_answers(h), "with more connections than there are ports")
    for s in held:
        s.close()
    h.run("hpvmnet", "-h", "-Q", "-S", "keep")


def test():
    with Host() as h:
        h.cwd = os.path.join(h.dir, "cwd")
        os.mkdir(h.cwd)
        h.run("hpvmcreate", "-F", "-P", "good", "-r", "512")
        h.run("hpvmnet", "-c", "-S", "keep", "-n", "user")
        h.run("hpvmdevmgmt", "-a", "rdev:/dev/keep")
        h.run("hpvmdevmgmt", "-a", "server:keep")
        try:
            refused(h)
            recorded(h)
            switch_clients(h)
        finally:
            h.run("hpvmnet", "-h", "-Q", status=None)


guest.main(test)
