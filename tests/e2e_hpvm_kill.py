"""kill -9 of commands and of guests' processes at random points, with a fixed seed: the state can
always be read, no guest is lost, nothing stays locked. An argument says how many kills (default 24)."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import Host, check, reap

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 24
SEED = 20261121
GUESTS = ["g%d" % i for i in range(4)]


def make_guests(h):
    for name in GUESTS:
        path = os.path.join(h.dir, name + ".img")
        with open(path, "wb") as f:
            f.truncate(4 << 20)
            f.write(os.urandom(1 << 20))
        h.run("hpvmcreate", "-F", "-P", name, "-r", "512", "-a", "disk:scsi::file:" + path)


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


def kill_command(h, rng, n):
    line = commands(h, rng, n)
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
    left = [p for p in h.leftovers()]
    check(not left, "left over: %s" % left)


def main():
    rng = random.Random(SEED)
    with Host() as h:
        make_guests(h)
        for n in range(KILLS):
            what = (kill_process if rng.random() < 0.4 else kill_command)(h, rng, n)
            verify(h, what)
            if n % 20 == 19:
                all_usable(h)
            reap()
        all_usable(h)
        print("%d kills" % KILLS)


main()
