"""kill -9 of either side of a migration at random points, with a fixed seed: the guest is never lost
and never free to run on both hosts, nothing stays locked or lies about, and the same command given
again brings it over with its storage. An argument says how many kills (default 20)."""
import hashlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import check
from hpvm_pair import Pair

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
SEED = 20261121
SIZE = 16 << 20


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def remote_pid(p):
    """The receiving process, if it runs."""
    try:
        with open(p.path("remote.pid")) as f:
            pid = int(f.read() or "0")
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return pid if b"--receive" in f.read() else 0
    except (OSError, ValueError):
        return 0


class Round:
    def __init__(self, p, n):
        self.p, self.n = p, n
        self.here, self.there = (p.a, p.b) if n % 2 == 0 else (p.b, p.a)
        self.old, self.new = p.path("disk%d.img" % n), p.path("disk%d.img" % (n + 1))
        self.line = ("hpvmmigrate", "-P", "guest", "-h", self.there.name, "-C", "-m",
                     "disk:scsi:0,0,0:file:" + self.new)

    def run(self, rng, longest):
        """Starts it, kills one side after a while; which."""
        what = rng.choice(("source", "target"))
        source = self.here.start(*self.line)
        time.sleep(rng.uniform(0, longest))
        pid = source.pid if what == "source" else remote_pid(self.p)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        source.communicate()
        self.p.a.until(lambda: not remote_pid(self.p), "the end of the receiver")
        return "%d: %s" % (self.n, what)

    def whole(self, what):
        here, there = self.here.guests(), self.there.guests()
        both = "guest" in here and "guest" in there
        check("guest" in here or "guest" in there, "%s: the guest is lost" % what)
        check("Invalid" not in list(here.values()) + list(there.values()), "%s: damaged" % what)
        if both:
            check(os.path.exists(self.here.file("guest", "migrating")), "%s: free on both" % what)
            self.here.run("hpvmstart", "-s", "-P", "guest", status=1)
        check(here.get("guest", "Off") == "Off" and there.get("guest", "Off") == "Off",
              "%s: locked: %s %s" % (what, here, there))
        return both

    def tidy(self, what):
        """The next command on each host clears away what was left."""
        for host in (self.here, self.there):
            host.run("hpvmmodify", "-F", "-P", "filler", "-l", "tidy")
        check(not self.p.leftovers(), "%s: %s" % (what, self.p.leftovers()))
        check(os.path.exists(self.new) == ("guest" in self.there.guests()), "%s: a copy" % what)

    def complete(self, what, wanted):
        if "guest" in self.here.guests():
            self.here.run(*self.line)
        check("guest" not in self.here.guests() and "guest" in self.there.guests(),
              "%s: not moved" % what)
        check(digest(self.new) == wanted, "%s: other contents" % what)
        os.remove(self.old)


def main():
    rng = random.Random(SEED)
    both = 0
    with Pair() as p:
        for host in (p.a, p.b):
            host.run("hpvmcreate", "-F", "-P", "filler", "-r", "512")
        p.a.run("hpvmcreate", "-F", "-P", "guest", "-r", "512", "-a", "disk:scsi:0,0,0:file:" +
                p.image("disk0.img", SIZE, rng.randbytes(SIZE // 2), at=4096))
        wanted = digest(p.path("disk0.img"))
        began = time.monotonic()
        for n in range(2):
            Round(p, n).complete("no kill", wanted)
        longest = (time.monotonic() - began) / 2
        for n in range(2, KILLS + 2):
            r = Round(p, n)
            what = r.run(rng, longest)
            both += r.whole(what)
            r.tidy(what)
            r.complete(what, wanted)
        print("%d kills, %d of them between the hosts" % (KILLS, both))


main()
