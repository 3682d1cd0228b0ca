"""Fifty guests, eight of them running at once: status is quick to get, and starting and stopping them
side by side leaves nothing behind. Hostile names. An argument says how many rounds (default 2)."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import Host, check

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
DEFINED, RUNNING = 50, 8


def together(h, command, names):
    """The same command for several guests at once."""
    running = [h.start(command[0], "-P", n, *command[1:]) for n in names]
    for n, p in zip(names, running):
        out, err = p.communicate(timeout=600)
        check(p.returncode == 0, "%s %s: status %d\n%s%s" % (command, n, p.returncode, out, err))


def once(h, names, n):
    together(h, ("hpvmstart", "-F", "-Q"), names)
    states = h.states()
    check(len(states) == DEFINED, "%d guests" % len(states))
    check([states[x] for x in names] == ["On (EFI)"] * RUNNING, str(states))
    times = []
    for _ in range(5):
        begun = time.monotonic()
        h.run("hpvmstatus")
        times.append(time.monotonic() - begun)
    print("hpvmstatus with %d guests, %d running: %.3f s" % (DEFINED, RUNNING, min(times)))
    if n % 2:
        h.run("hpvmstop", "-a", "-F")
    else:
        together(h, ("hpvmstop", "-F"), names)
    check(set(h.states().values()) == {"Off"}, str(h.states()))
    h.until(lambda: not h.processes(), "the end of all processes")
    check(not h.leftovers(), "left: %s" % h.leftovers())


def hostile_names(h):
    names = ["a/b", "../escape", "..", ".", "", "a\nb", "-x", "x" * 300, "x" * 256, "a b", "a;b",
             "a:b", "\x1b[2J", "\xff", "é"]
    for name in names:
        h.run("hpvmcreate", "-F", "-P" + name, status=1)
        for command in ("hpvmstart", "hpvmstop", "hpvmremove", "hpvmmodify", "hpvmstatus"):
            more = ("-F",) if command != "hpvmstatus" else ()
            h.run(command, "-P" + name, *more, status=1)
            check("\x1b" not in h.err and h.err.endswith("\n"), repr(h.err))
        h.run("hpvmclone", "-F", "-P", "g00", "-N" + name, status=1)
        h.run("hpvmmodify", "-F", "-P", "g00", "-N" + name, status=1)
    check(sorted(os.listdir(h.dir)) == ["disks", "hpvmconf", "run", "state"],
          str(os.listdir(h.dir)))
    longest = "n" * 255
    h.run("hpvmcreate", "-F", "-P", longest, "-r", "512")
    h.run("hpvmstart", "-F", "-Q", "-P", longest)
    check(h.states()["n" * 20] == "On (EFI)", "a name of 255 characters")
    h.run("hpvmstop", "-h", "-F", "-P", longest)
    h.run("hpvmremove", "-F", "-P", longest)


def automatic(h):
    """What the system's service does: all guests with the start attribute auto."""
    for n in range(DEFINED):
        if n not in (3, 5):
            h.run("hpvmmodify", "-F", "-P", "g%02d" % n, "-B", "manual")
    h.run("hpvm", "start", "-F")
    on = sorted(n for n, s in h.states().items() if s != "Off")
    check(on == ["g03", "g05"], str(on))
    h.run("hpvm", "start", "-F")  # again: they run already
    h.run("hpvm", "stop")
    check(set(h.states().values()) == {"Off"}, str(h.states()))


def main():
    with Host() as h:
        disks = os.path.join(h.dir, "disks")
        os.mkdir(disks)
        names = ["g%02d" % i for i in range(DEFINED)]
        for n in names:
            path = os.path.join(disks, n)
            with open(path, "wb") as f:
                f.truncate(1 << 20)
            h.run("hpvmcreate", "-F", "-P", n, "-r", "512", "-a", "disk:scsi::file:" + path)
        for i in range(ROUNDS):
            once(h, names[i % 3::5][:RUNNING], i)
        hostile_names(h)
        automatic(h)


main()
