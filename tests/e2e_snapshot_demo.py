"""Snapshots of the demo guest: saved here and restored with either kind of execution, and the
sample of each format in tests/snapshots/, made by the release that began it. Needs nothing outside
the tree. With --make it writes the sample of the present format."""
import glob
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

DEMO = os.path.join(os.environ.get("KITTSON_BUILD", os.path.join(guest.SOURCE, "build")),
                    "guests", "demo.elf")
SAMPLES = os.path.join(guest.SOURCE, "tests", "snapshots")
MACHINE = ("-m", "64M", "-c", "2", "--kernel", DEMO, "--append", "echo", "--deterministic")


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def make(path, tmp):
    monitor = os.path.join(tmp, "monitor")
    with guest.Guest(*MACHINE, "--monitor", "unix:" + monitor) as g:
        g.connect()
        g.expect("[Tt]ype", 60)
        g.send("abc")
        g.expect("abc", 20)
        out = guest.monitor(monitor, "snapshot", "save", path)
        check(out.returncode == 0, out.stderr)
        out = guest.monitor(monitor, "snapshot", "save", "/proc/none/file")
        check(out.returncode != 0 and "/proc/none/file" in out.stderr, out.stderr)
        out = guest.monitor(monitor, "snapshot", "away", path)
        check(out.returncode != 0 and "usage" in out.stderr, out.stderr)


def goes_on(path, cpu):
    with guest.Guest(*MACHINE, "--restore", path, "--cpu", cpu) as g:
        g.connect()
        g.send("xyz")
        g.expect("xyz", 20)
        g.send("q")
        check(g.wait(20) == 0, "status %s\n%s" % (g.process.returncode, g.stderr()))
        check("abc" not in g.text, "it began anew:\n" + g.text)


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        path = os.path.join(tmp, "snapshot")
        make(path, tmp)
        if "--make" in sys.argv:
            os.makedirs(SAMPLES, exist_ok=True)
            os.replace(path, os.path.join(SAMPLES, "demo-1"))
            return
        samples = sorted(glob.glob(os.path.join(SAMPLES, "demo-*")))
        check(samples, "there are no samples in " + SAMPLES)
        for each in [path, *samples]:
            for cpu in ("interp", "jit"):
                goes_on(each, cpu)


guest.main(test)
