"""Recordings of the demo guest: replayed alike by both kinds of execution; input, a signal and a
reset; a build with one wrong instruction is found at that instruction; damaged traces. Needs
nothing outside the tree."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

BUILD = os.environ.get("KITTSON_BUILD", os.path.join(guest.SOURCE, "build"))
PLANTED = os.path.join(BUILD, "bin", "kittson_planted")
DEMO = os.path.join(BUILD, "guests", "demo.elf")


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def call(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL)


def record(trace, *options):
    out = call(guest.PROGRAM, "record", "-o", trace, "-m", "64M", "--console", "file:/dev/null",
               *options)
    check(out.returncode == 0, "record: " + out.stderr)


def alike(trace, *options):
    for cpu in ("interp", "jit"):
        out = call(guest.PROGRAM, "replay", "--cpu", cpu, *options, trace)
        check(out.returncode == 0 and "replayed alike" in out.stdout,
              "replay: %s%s" % (out.stdout, out.stderr))


def short(tmp, trace):
    """A part of a trace, and what is whole of one that was cut off."""
    part, broken = os.path.join(tmp, "part"), os.path.join(tmp, "broken")
    out = call(guest.PROGRAM, "trace", "cut", "--until=7", trace, part)
    check(out.returncode == 0, out.stderr)
    alike(part)
    out = call(guest.PROGRAM, "trace", "info", part)
    check("\n7 digests of registers\n" in out.stdout and "; cut\n" in out.stdout, out.stdout)
    out = call(guest.PROGRAM, "trace", "diff", trace, part)
    check(out.returncode == 1 and "different after 7 digests" in out.stdout, out.stdout)
    check(call(guest.PROGRAM, "trace", "diff", trace, trace).returncode == 0, "diff with itself")
    with open(trace, "rb") as f, open(broken, "wb") as g:
        g.write(f.read()[:-400])
    out = call(guest.PROGRAM, "trace", "cut", broken, part)
    check(out.returncode == 0 and "what comes before is kept" in out.stderr, out.stderr)
    alike(part)


def typed(tmp):
    """Characters come at the same instructions again."""
    trace, shown = os.path.join(tmp, "typed"), os.path.join(tmp, "shown")
    with guest.Guest("--record", trace, "-m", "64M", "--kernel", DEMO, "--append", "echo") as g:
        g.connect()
        g.expect("Type", 60)
        g.send("hello")
        g.expect("hello", 20)
        g.send("q")
        check(g.wait(20) == 0, g.stderr())
    alike(trace, "--console", "file:" + shown)
    with open(shown) as f:
        check("hello" in f.read(), "the replay does not show what was typed")


def killed(tmp):
    """A signal ends the recording in order."""
    trace = os.path.join(tmp, "ended")
    with guest.Guest("--record", trace, "-m", "64M", "--kernel", DEMO, "--append", "echo") as g:
        g.connect()
        g.expect("Type", 60)
        g.process.terminate()
        check(g.wait(20) == 1 and "signal 15" in g.stderr(), g.stderr())
    alike(trace)


def planted(tmp, trace):
    """The reference leads to the instruction, as does a trace with a digest for each."""
    out = call(PLANTED, "replay", "--reference", guest.PROGRAM, trace)
    check(out.returncode == 1 and "differ after" in out.stderr, out.stdout + out.stderr)
    check(re.search(r"instruction [0-9a-f]{16}\.[012]  (\(p\d+\) )?shladd ", out.stdout) and
          re.search(r"\n  r\d+: reference [0-9a-f]{16}, here [0-9a-f]{16}\n", out.stdout),
          "the report:\n" + out.stdout)
    where = re.search(r"instruction ([0-9a-f.]+)", out.stdout).group(1)
    out = call(PLANTED, "replay", trace)
    check(out.returncode == 1 and "--reference" in out.stderr, out.stdout + out.stderr)
    fine = os.path.join(tmp, "fine")
    record(fine, "--digest-every", "1")
    out = call(PLANTED, "replay", fine)
    check(out.returncode == 1 and "behind instruction %s  " % where in out.stdout,
          out.stdout + out.stderr)


def damaged(tmp, trace):
    with open(trace, "rb") as f:
        whole = f.read()
    bad = os.path.join(tmp, "bad")
    middle = len(whole) // 2
    for data, what in ((whole[:middle], "cut off"), (b"KITTRACE" + whole[:8], "damaged"),
                       (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:], "damaged"),
                       (b"", "not a Kittson trace")):
        with open(bad, "wb") as f:
            f.write(data)
        for command in (["replay", bad], ["trace", "verify", bad]):
            out = call(guest.PROGRAM, *command)
            check(out.returncode != 0 and what in out.stderr and out.stderr.count("\n") == 1,
                  "%s of %r: status %d, %s" % (command[0], what, out.returncode, out.stderr))


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        trace = os.path.join(tmp, "trace")
        record(trace, "-c", "2")
        alike(trace)
        alike(trace, "--until", "5")
        short(tmp, trace)
        typed(tmp)
        killed(tmp)
        record(trace)
        planted(tmp, trace)
        damaged(tmp, trace)


guest.main(test)
