"""Who may use one image at the same time: overlays and read-only users share it, a writer has it
alone, an overlay has one user. Needs nothing outside the tree."""
import os
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

WRITER = "cannot have a second writer"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def kittson(*arguments):
    p = subprocess.run([guest.PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=60)
    return p.returncode, p.stderr


def refused(words, *arguments):
    status, said = kittson(*arguments)
    check(status == 2 and words in said, "%s: status %d, %s" % (arguments, status, said))


def up(disk, option="--disk"):
    """A machine with this disk, in its boot manager."""
    g = guest.Guest("-m", "64M", option, disk)
    g.connect()
    g.expect(r"EFI Boot Manager", 60)
    return g


def end(g):
    g.process.send_signal(signal.SIGTERM)
    check(g.wait(60) == 1, "status after SIGTERM\n" + g.stderr())


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        base, a, b = (os.path.join(tmp, x) for x in ("base", "a", "b"))
        with open(base, "wb") as f:
            f.truncate(1 << 20)
        over_a, over_b = "%s,overlay=%s" % (base, a), "%s,overlay=%s" % (base, b)
        with up(over_a) as one, up(over_b) as two, up(base + ",ro") as three, \
                up(base, "--cdrom") as four:
            refused(WRITER, "run", "--disk", base)
            refused(WRITER, "run", "--disk", over_a)
            refused(WRITER, "overlay", "commit", a)
            for g in (one, two, three, four):
                end(g)
        with up(base) as writer:
            refused(WRITER, "run", "--disk", base)
            refused("writes to it", "run", "--disk", base + ",ro")
            refused("writes to it", "run", "--cdrom", base)
            refused("writes to it", "run", "--disk", over_a)
            refused(WRITER, "overlay", "commit", a)
            writer.process.kill()  # the lock goes with the process
            writer.process.wait()
        with up(over_a) as again:
            end(again)
        status, said = kittson("overlay", "commit", a)
        check(status == 0, "overlay commit: " + said)


guest.main(test)
