"""Two --deterministic boots of the Linux guest with two processors print exactly the same, time
stamps included, and execute the same number of instructions."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")


CPU = os.environ.get("KITTSON_TEST_CPU")


def boot(directory, number):
    console = os.path.join(directory, "console%d" % number)
    run = subprocess.run(
        [guest.PROGRAM, "run", *(["--cpu", CPU] if CPU else []), "--deterministic", "-c", "2", "--stats", "--kernel", KERNEL,
         "--initrd", INITRD, "--console", "file:" + console, "--append",
         "console=ttyS0,115200n8 autorun=lua+-e+'print(os.time())';+/bench/fib.ia64 poweroff=1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=600)
    if run.returncode != 0:
        raise guest.GuestError("status %d: %s" % (run.returncode, run.stderr))
    with open(console, errors="replace") as f:
        # The last line has the host's speed, the translator's line its time.
        stats = re.sub(r"[\d.]+ s \([\d.]+ % of all\)", "", run.stderr.rsplit("all: ", 1)[0])
        return f.read().split("\n"), stats


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as directory:
        first, first_stats = boot(directory, 1)
        second, second_stats = boot(directory, 2)
    if not any("AUTORUN-DONE rc=0" in x for x in first):
        raise guest.GuestError("the programs did not run:\n" + "\n".join(first[-20:]))
    for a, b in zip(first, second):
        if a != b:
            raise guest.GuestError("runs differ:\n%s\n%s" % (a, b))
    if len(first) != len(second) or first_stats != second_stats:
        raise guest.GuestError("runs differ:\n%s\n%s" % (first_stats, second_stats))


guest.main(test)
