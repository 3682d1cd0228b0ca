"""Records the regression corpus: tests/traces/*.trace, which e2e_traces.py replays. To be run, and
its result committed, when a change is meant to alter what machines do (tables of the firmware,
say): the old traces then differ at once.

usage: record_corpus.py                     the corpus of this tree
       record_corpus.py DIRECTORY NAME RUN-OPTION...
                                            one trace of a guest of your own, run by hand on this
                                            terminal, and checked; e2e_traces.py DIRECTORY replays
                                            all there. Images are not in it, only their digests."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

DEMO = os.path.join(os.environ.get("KITTSON_BUILD", os.path.join(guest.SOURCE, "build")),
                    "guests", "demo.elf")
TRACES = os.path.join(guest.SOURCE, "tests", "traces")


def call(*arguments):
    subprocess.run([guest.PROGRAM, *arguments], check=True, stdin=subprocess.DEVNULL)


def check(path):
    for cpu in ("interp", "jit"):
        call("replay", "--cpu", cpu, path)


def quiet(name, *options):
    path = os.path.join(TRACES, name + ".trace")
    call("record", "-o", path, "-m", "64M", "--console", "file:/dev/null", *options)
    return path


def typed(tmp):
    """Characters, a guest reset by the monitor, the end by the guest."""
    path, monitor = os.path.join(TRACES, "demo-typed.trace"), os.path.join(tmp, "monitor")
    raw = os.path.join(tmp, "typed")
    with guest.Guest("--record", raw, "-m", "64M", "--kernel", DEMO, "--append", "echo",
                     "--monitor", "unix:" + monitor) as g:
        g.connect()
        g.expect("Type", 60)
        g.send("before")
        g.expect("before", 20)
        assert guest.monitor(monitor, "reset").returncode == 0
        g.expect("Type", 60)
        g.send("afterq")
        assert g.wait(20) == 0, g.stderr()
    call("trace", "cut", "--self-contained", raw, path)
    return path


def firmware(tmp):
    """The boot manager, its menus, and the shell, with variables and an empty disk."""
    path, raw = os.path.join(TRACES, "firmware.trace"), os.path.join(tmp, "firmware")
    disk = os.path.join(tmp, "disk.img")
    with open(disk, "wb") as f:
        f.truncate(4 << 20)
    with guest.Guest("--record", raw, "-m", "64M", "--disk", disk + ",ro", "--nvram",
                     os.path.join(tmp, "variables")) as g:
        g.connect()
        g.expect("Shell>", 120)
        for line in ("ver", "map", "memmap", "set corpus recorded", "dh", "pci", "smbiosview"):
            g.send(line + "\r")
            g.expect("Shell>", 60)
        g.send("exit\r")
        g.expect("Boot Manager", 60)
        g.process.terminate()
        assert g.wait(20) == 1, g.stderr()
    call("trace", "cut", "--self-contained", raw, path)
    return path


def corpus():
    os.makedirs(TRACES, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        for path in (quiet("demo", "-c", "2"), quiet("demo-each", "--digest-every", "1"),
                     typed(tmp), firmware(tmp)):
            check(path)


def own(directory, name, *options):
    path = os.path.join(directory, name + ".trace")
    subprocess.run([guest.PROGRAM, "record", "-o", path, *options])
    check(path)


if len(sys.argv) == 1:
    corpus()
elif len(sys.argv) >= 4:
    own(*sys.argv[1:])
else:
    sys.exit(__doc__)
