"""hpvmmigrate between two states on one computer: what moves and what stays, options, checks of the
target, refusals, roll-back, answers that are lost, and other sides that talk nonsense."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import BIN, check
from hpvm_pair import Pair, frame, read_frame

MAC = "0x020000000a0b"
MIGRATED = "hpvmmigrate: Guest migrated successfully.\n"


def migrate(h, *options, status=0, error=None, out=None):
    got = h.run("hpvmmigrate", *options, status=status)
    if error is not None:
        check(re.search(error, h.err), "%s: not %r in\n%s" % (options, error, h.err))
    if out is not None:
        check(got == out, "%s: output %r" % (options, got))
    return got


def config(h, name):
    return dict(line.split(" = ", 1) for line in h.read(name, "vmm_config.current").split("\n")
                if " = " in line)


def only_on(pair, here, there, name):
    check(name in here.guests() and name not in there.guests(), "%s: %s, %s" % (
        name, pair.a.guests(), pair.b.guests()))
    check(not pair.leftovers(), "left over: %s" % pair.leftovers())


def what_moves(p):
    disk = p.image("moves.img", data=b"contents", at=12345)
    p.a.run("hpvmcreate", "-F", "-P", "filler", "-r", "512")
    p.b.run("hpvmcreate", "-F", "-P", "other", "-r", "512", "-a",
            "network:lan:0,1:vswitch:localnet:portid:1")
    p.a.run("hpvmcreate", "-F", "-P", "vm1", "-r", "640", "-O", "linux:12", "-u", "daemon:admin",
            "-a", "disk:scsi:0,0,3:file:" + disk, "-a",
            "network:lan:0,2,%s:vswitch:localnet:portid:1" % MAC)
    os.mkdir(p.a.file("vm1", "app"), 0o700)
    with open(p.a.file("vm1", "app", "nvram"), "wb") as f:
        f.write(bytes(range(256)) * 16)
    before, uuid = config(p.a, "vm1"), p.a.uuid("vm1")
    migrate(p.a, "-P", "vm1", "-h", "hostb", "-s", out="")
    only_on(p, p.a, p.b, "vm1")
    migrate(p.a, "-p", "2", "-h", "hostb", out=MIGRATED)
    only_on(p, p.b, p.a, "vm1")
    after = config(p.b, "vm1")
    check(uuid == p.b.uuid("vm1"), "another UUID")
    lan = "lan(0,2).0x020000000A0B"
    check(after.pop(lan) == "switch(localnet).2" and before.pop(lan) == "switch(localnet).1",
          "the port that is taken there: %s" % after)
    check(after.pop("number") == "2" and before.pop("number") == "2", "numbers: %s" % after)
    check(before == after, "%s became %s" % (before, after))
    with open(p.b.file("vm1", "app", "nvram"), "rb") as f:
        check(f.read() == bytes(range(256)) * 16, "variables of the firmware")
    check("vm1 has been migrated to hostb" in open(p.a.root + "/common/command.log").read(), "log")
    check(os.path.exists(disk), "storage of the source is gone")


def options(p):
    """Back, under another name, with the storage in another place."""
    p.image("old.img", 8 << 20, os.urandom(300000), at=5 << 20)
    new = p.path("new.img")
    p.b.run("hpvmmodify", "-F", "-P", "vm1", "-m", "disk:scsi:0,0,3:file:" + p.path("old.img"))
    migrate(p.b, "-P", "vm1", "-h", "hosta", "-N", "vm2", "-l", "a label", "-E", "900M", "-C", "-m",
            "disk:scsi:0,0,3:file:" + new, out=MIGRATED)
    only_on(p, p.a, p.b, "vm2")
    got = config(p.a, "vm2")
    check(got["label"] == "a label" and got["cycles"] == "900", str(got))
    check(got["disk(0,0,3).scsi"] == "file(%s)" % new, str(got))
    with open(p.path("old.img"), "rb") as a, open(new, "rb") as b:
        check(a.read() == b.read(), "the copy differs")
    check(os.stat(new).st_blocks * 512 < 4 << 20, "the copy is not sparse")
    migrate(p.a, "-Pvm2", "-h", "hostb", "-e", "3", "-N", "vm1", out=MIGRATED)
    check(config(p.b, "vm1")["percent"] == "5", "entitlement")
    migrate(p.b, "-P", "vm1", "-h", "hosta", out=MIGRATED)


def refusals(p):
    a = p.a
    unable = "hpvmmigrate: Unable to continue.\n$"
    for line, text in (
            ((), "A virtual machine name or number is required|destination host is required"),
            (("-P", "vm1"), "The destination host is required"),
            (("-P", "vm1", "-h", "-oProxyCommand=x"), "Invalid host '-oProxyCommand=x'"),
            (("-P", "vm1", "-h", "a b"), "Invalid host 'a b'"),
            (("-P", "vm1", "-h", "hostb", "-C"), "Option '-C' needs '-m'"),
            (("-P", "vm1", "-h", "hostb", "-F", "-s"), "exclude each other"),
            (("-P", "vm1", "-h", "hostb", "-d", "-d"), "Option '-d' is repeated"),
            (("-P", "nobody", "-h", "hostb"), "Guest 'nobody' does not exist"),
            (("-P", "vm1", "-h", "hostb", "-N", "../x"), "Invalid virtual machine name"),
            (("-P", "vm1", "-h", "hostb", "-N", "x" * 256), "Invalid virtual machine name"),
            (("-P", "vm1", "-h", "hostb", "-l", "a/b"), "Invalid label"),
            (("-P", "vm1", "-h", "hostb", "-m", "disk:scsi:0,0,9:file:/x"), "not assigned"),
            (("-P", "vm1", "-h", "hostb", "-m", "disk:scsi::file:/x"), "Hardware address missing"),
            (("-P", "vm1", "-h", "hostb", "-C", "-m", "disk:scsi:0,0,3:file:" + p.path("old.img")),
             "Target VM Host error - '.*/old.img' exists already"),
            (("-P", "vm1", "-h", "hostb", "-N", "other"), "error - The guest already exists"),
            (("-P", "vm1", "-h", "hosta"), "error - The guest already exists"),
    ):
        migrate(a, *line, status=1, error=text)
        check(re.search(unable, a.err), "%s: %s" % (line, a.err))
    only_on(p, a, p.b, "vm1")
    shared = p.image("shared.img")
    a.run("hpvmcreate", "-F", "-P", "share", "-r", "512", "-a", "disk:scsi::file:" + shared)
    a.run("hpvmdevmgmt", "-m", "gdev:%s:attr:SHARE=YES" % shared)
    migrate(a, "-P", "share", "-h", "hostb", status=1, error="Device %s is shared.  Guest with "
            "shared storage devices cannot be migrated." % shared)
    migrate(a, "-P", "share", "-h", "hostb", "-F", out=MIGRATED)
    p.b.run("hpvmremove", "-F", "-P", "share")
    a.run("hpvmcreate", "-F", "-P", "pack", "-i", "SG_pack", "-j", "1")
    for more in ((), ("-F",)):
        migrate(a, "-P", "pack", "-h", "hostb", *more, status=1, error="is a distributed guest")
    check(migrate(a, "-v").startswith("hpvmmigrate: Version A.03.00.00"), "version")
    check(migrate(a, "-H") == migrate(a, "--help") and "usage:" in migrate(a, "-H"), "usage")


def connections(p):
    ssh, remote = ("Error: hpvmmigrate: SSH execution error.\n",
                   "Error: hpvmmigrate: Remote execution error on %s.\n")
    migrate(p.a, "-P", "vm1", "-h", "nowhere", status=1, error=ssh)
    p.fault("exit:127")
    migrate(p.a, "-P", "vm1", "-h", "hostb", status=1, error=remote % "hostb")
    p.fault("noise")
    migrate(p.a, "-P", "vm1", "-h", "hostb", status=1, error=remote % "hostb")
    keep, p.a.env["HPVM_SSH"] = p.a.env["HPVM_SSH"], "/does/not/exist"
    migrate(p.a, "-P", "vm1", "-h", "hostb", status=1, error=ssh)
    del p.a.env["HPVM_SSH"]  # hpvmconf says the same, and which program there
    with open(p.a.conf, "a") as f:
        f.write("HPVM_SSH=%s\nHPVM_REMOTE=/does/not/exist\n" % keep)
    migrate(p.a, "-P", "vm1", "-h", "hostb", status=1, error=remote % "hostb")
    p.a.env["HPVM_SSH"] = keep
    p.a.env["HPVM_REMOTE"] = os.path.join(BIN, "hpvmmigrate")
    migrate(p.a, "-P", "vm1", "-h", "hostb", "-s", out="")
    only_on(p, p.a, p.b, "vm1")


def validation(p):
    """What the target lacks is told there and here; -F goes on without a word."""
    p.a.run("hpvmnet", "-c", "-S", "clan1")
    p.a.run("hpvmcreate", "-F", "-P", "needy", "-r", "64G", "-a", "network:lan:0,1:vswitch:clan1",
            "-a", "dvd:scsi:0,0,0:null:/does/not/exist", "-a", "disk:scsi:0,0,1:file:" +
            p.image("here.img"))
    elsewhere = "disk:scsi:0,0,1:file:/does/not/exist/either"
    migrate(p.a, "-P", "needy", "-h", "hostb", "-m", elsewhere, status=1)
    for text in ("HPVM guest needy configuration problems:\n", "Insufficient free memory",
                 "on item /does/not/exist backing device does not exist", "'clan1' backing device",
                 "will prevent HPVM guest needy from booting",
                 "hpvmmigrate: Target VM Host error - Device does not exist.\n",
                 "hpvmmigrate: Target VM Host error - vswitch validation failed.\n",
                 "hpvmmigrate: See HPVM command log file on target VM Host for more detail.\n"):
        check(text in p.a.err, "%r is not in\n%s" % (text, p.a.err))
    with open(p.b.root + "/common/command.log") as f:
        check("vswitch validation failed" in f.read(), "the command log of the target")
    p.image("shorter.img", 1 << 20)
    migrate(p.a, "-P", "needy", "-h", "hostb", "-m", "disk:scsi:0,0,1:file:" + p.path("shorter.img"),
            "-s", status=1, error="hpvmmigrate: Device WWID does not match.\n")
    only_on(p, p.a, p.b, "needy")
    migrate(p.a, "-P", "needy", "-h", "hostb", "-m", elsewhere, "-F", out=MIGRATED)
    check(p.a.err == "", p.a.err)
    only_on(p, p.b, p.a, "needy")
    p.b.run("hpvmremove", "-F", "-P", "needy")


def same_contents(p):
    """A file that is there under the same name must be the same file."""
    p.a.run("hpvmcreate", "-F", "-P", "cmp", "-r", "512", "-a",
            "disk:scsi:0,0,1:file:" + p.image("one.img", data=b"one", at=777))
    p.image("two.img", data=b"two", at=777)
    two = "disk:scsi:0,0,1:file:" + p.path("two.img")
    migrate(p.a, "-P", "cmp", "-h", "hostb", "-m", two, status=1,
            error="error - '.*/two.img' is not the same file on both hosts")
    only_on(p, p.a, p.b, "cmp")
    with open(p.path("two.img"), "r+b") as f:  # holes do not matter
        f.seek(777)
        f.write(b"one")
        f.seek(2 << 20)
        f.write(bytes(1 << 20))
    migrate(p.a, "-P", "cmp", "-h", "hostb", "-m", two, out=MIGRATED)
    p.b.run("hpvmremove", "-F", "-P", "cmp")


def running(p):
    """-d shuts it down after the checks, -b starts it there; nothing else moves a running guest."""
    p.a.run("hpvmcreate", "-F", "-P", "run", "-r", "512")
    p.a.run("hpvmstart", "-F", "-Q", "-P", "run")
    migrate(p.a, "-P", "run", "-h", "hostb", status=1, error="The guest is running")
    migrate(p.a, "-P", "run", "-h", "hostb", "-d", "-m", "network:lan:0,0:vswitch:x", status=1)
    check(p.a.states()["run"].startswith("On"), "shut down before the checks")
    migrate(p.a, "-P", "run", "-h", "hostb", "-d", "-b", out=MIGRATED)
    only_on(p, p.b, p.a, "run")
    check(p.b.states()["run"].startswith("On"), str(p.b.states()))
    check(os.path.exists(p.b.file("run", "app", "nvram")), "no variables")
    p.b.run("hpvmstop", "-h", "-F", "-P", "run")
    p.b.run("hpvmmodify", "-F", "-P", "run", "-c", "5")  # more than may be: it will not start
    migrate(p.b, "-P", "run", "-h", "hosta", "-F", out=MIGRATED)
    p.a.run("hpvmmodify", "-F", "-P", "run", "-c", "1", "-a",
            "disk:scsi:0,0,0:file:" + p.image("odd.img", 1000))
    migrate(p.a, "-P", "run", "-h", "hostb", "-b", status=1,
            error="error - Configuration error: Device does not show up in guest")
    migrate(p.a, "-P", "run", "-h", "hostb", "-b", "-C", "-m", "disk:scsi:0,0,0:file:" +
            p.path("odd2.img"), status=1,
            error="Device does not show up in guest\n(.*\n)*.*but was not started there")
    only_on(p, p.b, p.a, "run")
    p.b.run("hpvmremove", "-F", "-P", "run")


def roll_back(p):
    """Damage on the way: the guest stays, its copy does not."""
    p.a.run("hpvmcreate", "-F", "-P", "roll", "-r", "512", "-a",
            "disk:scsi:0,0,1:file:" + p.image("roll.img", data=os.urandom(600000)))
    copy = ("-C", "-m", "disk:scsi:0,0,1:file:" + p.path("rolled.img"))
    for kind in "GODE":
        p.fault("flip-bit " + kind)
        migrate(p.a, "-P", "roll", "-h", "hostb", *copy, status=1, error="cannot be understood")
        only_on(p, p.a, p.b, "roll")
        check(not os.path.exists(p.path("rolled.img")), "a copy of the flip in " + kind)
    p.image("rolled.img.hpvmmigrate")
    migrate(p.a, "-P", "roll", "-h", "hostb", *copy, status=1, error="hpvmmigrate' exists already")
    check(os.path.exists(p.path("rolled.img.hpvmmigrate")), "a file of somebody else is gone")
    os.remove(p.path("rolled.img.hpvmmigrate"))


def lost_answers(p):
    """The guest is there, but nobody here heard of it."""
    p.fault("lose-answer")
    migrate(p.a, "-P", "roll", "-h", "hostb", out=MIGRATED)  # asks again
    only_on(p, p.b, p.a, "roll")
    with open(p.path("broken-ssh"), "w") as f:
        f.write("#!/bin/sh\n'%s' \"$@\"; s=$?; : > '%s'; exit $s\n" % (p.ssh, p.path("broken")))
    os.chmod(p.path("broken-ssh"), 0o755)
    p.b.env["HPVM_SSH"] = p.path("broken-ssh")
    p.fault("lose-answer")
    migrate(p.b, "-P", "roll", "-h", "hosta", status=1, error="is not known: repeat hpvmmigrate")
    check("roll" in p.a.guests() and "roll" in p.b.guests(), "it should be on both now")
    for options in ((), ("-s",)):
        p.b.run("hpvmstart", "-Q", "-P", "roll", *options, status=1)
        check("may be on host 'hosta' already" in p.b.err, p.b.err)
    migrate(p.b, "-P", "roll", "-h", "hostc", status=1, error="The guest may be on hosta already")
    migrate(p.b, "-P", "roll", "-h", "hosta", status=1, error="is not known")
    os.remove(p.path("broken"))
    p.b.env["HPVM_SSH"] = p.ssh
    migrate(p.b, "-P", "roll", "-h", "hosta", "-s", status=1, error="on the destination host already")
    migrate(p.b, "-P", "roll", "-h", "hosta", out=MIGRATED)
    only_on(p, p.a, p.b, "roll")


class Receiver:
    """hpvmmigrate --receive with a peer that may say anything."""

    def __init__(self, p):
        self.p = subprocess.Popen([os.path.join(BIN, "hpvmmigrate"), "--receive"], env=p.b.env,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, *frames):
        for f in frames:
            try:
                self.p.stdin.write(f)
                self.p.stdin.flush()
            except BrokenPipeError:
                break

    def end(self):
        try:
            self.p.stdin.close()
        except BrokenPipeError:
            pass
        out = []
        while True:
            f = read_frame(self.p.stdout)
            if f is None:
                break
            out.append(f)
        return self.p.wait(), out


def hostile_source(p):
    version = p.a.run("hpvmmigrate", "-v").split()[-1].rstrip(")")
    hello = frame("H", "hpvmmigrate 1 " + version)
    disk, target = p.path("h.img"), p.path("h-there.img")
    p.a.run("hpvmcreate", "-F", "-P", "host", "-r", "512", "-a",
            "disk:scsi:0,0,1:file:" + p.image("h.img"))
    text = p.a.read("host", "vmm_config.current").replace(disk, target)
    guest = frame("G", text)
    offer = "token %s\nforce 0\n" % ("0" * 32)
    copies = frame("O", offer + "copy 4194304 4096\n")
    piece = (0).to_bytes(8, "little") + b"data"
    cases = [
        b"", b"SSH-2.0 noise" * 100, frame("H", "hpvmmigrate 2 9.9"), hello[:7],
        hello + frame("Z"), hello + guest[:-1], hello + frame("G", text, crc=1),
        hello + frame("G", b"", length=1 << 31), hello + frame("G", "name = x\n" * 40000),
        hello + frame("G", text.replace("name = host", "name = ../x")) + copies,
        hello + frame("Q", "x y"), hello + frame("Q", "../../etc " + "0" * 32), hello + frame("B"),
        hello + frame("C"), hello + guest + frame("P"), hello + guest + frame("O", b"\0" * 100),
        hello + guest + frame("O", offer), hello + guest + frame("O", offer + "copy -1 0\n"),
        hello + guest + frame("O", offer + "copy 1 2\n"),
        hello + guest + frame("O", offer + "copy 99999999999999999999 0\n"),
        hello + guest + frame("O", offer + "copy 4000000000000 4000000000000\n"),
        hello + guest + frame("O", offer + "wwid /../../x\n"),
        hello + guest + frame("O", offer.replace("0" * 32, "z" * 32) + "copy 1 1\n"),
    ]
    started = hello + guest + copies
    cases += [started + more for more in (
        b"", frame("N", bytes(2 << 20)), frame("S", "1"), frame("S", "-1"), frame("S", "0x"),
        frame("S", "99999999999999999999999"), frame("V", "0"), frame("P"), frame("C"),
        frame("S", "0") + frame("D", piece[:8]), frame("S", "0") + frame("D", b"x"),
        frame("S", "0") + frame("D", (4194303).to_bytes(8, "little") + b"xy"),
        frame("S", "0") + frame("D", b"\xff" * 8 + b"xy"),
        frame("S", "0") + frame("D", piece) + frame("D", piece),
        frame("S", "0") + frame("D", piece) + frame("E", "0" * 64),
        frame("S", "0") + frame("D", piece) + frame("P"), frame("S", "0") + frame("D", piece)[:-2],
        frame("S", "0") + frame("S", "0"))]
    before = p.b.guests()
    for n, case in enumerate(cases):
        r = Receiver(p)
        r.say(case)
        status, out = r.end()
        check(status in (0, 1) and all(k in "HARX" for k, _ in out), "case %d: %s" % (n, out))
        check(p.b.guests() == before and not p.leftovers() and not os.path.exists(target),
              "case %d: %s %s" % (n, p.b.guests(), p.leftovers()))
    check(sum(1 for c in cases if c) > 30, "cases")


HOSTILE = """#!/usr/bin/env python3
import sys
sys.path.insert(0, %r)
from hpvm_pair import frame, read_frame
out = sys.stdout.buffer
say = lambda f: (out.write(f), out.flush())
hello = read_frame(sys.stdin.buffer)
%s
"""


def hostile_target(p):
    """Answers that make no sense: the guest stays, and nothing odd reaches the terminal."""
    tests = os.path.dirname(os.path.abspath(__file__))
    cases = (
        "say(frame('H', b'x' * 1000))", "say(frame('H', hello[1], crc=7))",
        "say(frame('H', b'', length=1 << 31))", "say(frame('A', 'yes'))",
        "say(frame(*hello)); say(frame('X', b'\\x1b[2J gone'))",
        "say(frame(*hello)); say(frame('R', b'\\x1b[2J\\r\\nodd\\n')); say(frame('A', 'no'))",
        "say(frame(*hello)); [say(frame('R', b'x' * 70000))]",
        "say(frame(*hello)); say(frame('A', 'maybe'))",
        "say(frame(*hello)); say(frame('A', 'yes')); say(frame('A', 'no'))",
        "say(frame(*hello)); say(frame('A', 'yes')); say(frame('X', 'no room'))",
        "say(frame(*hello)); say(frame('D', b'x' * 20))",
    )
    script = p.path("hostile")
    keep, p.a.env["HPVM_SSH"] = p.a.env["HPVM_SSH"], script
    for body in cases:
        with open(script, "w") as f:
            f.write(HOSTILE % (tests, body))
        os.chmod(script, 0o755)
        migrate(p.a, "-P", "host", "-h", "hostb", status=1)
        check(not re.search(r"[^\n -~]", p.a.err), "%s: %r" % (body, p.a.err))
        check(p.a.states()["host"] == "Off", "%s: %s" % (body, p.a.states()))
    p.a.env["HPVM_SSH"] = keep
    p.a.run("hpvmmodify", "-F", "-P", "host", "-l", "fine")
    p.a.run("hpvmremove", "-F", "-P", "host")


def main():
    with Pair() as p:
        for part in (what_moves, options, refusals, connections, validation, same_contents, running,
                     roll_back, lost_answers, hostile_source, hostile_target):
            part(p)
            print("%s: fine" % part.__name__)


main()
