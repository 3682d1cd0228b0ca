"""kill -9 at random moments while the guest writes and syncs: after each restart every record that
the guest reported as written is there. Once with the host's page cache surviving, once as if the host
had lost its power: writes without a later fdatasync are dropped; once on an overlay.

usage: e2e_disk_kill.py [ROUNDS [SEED]], 5 kills each without; the soak run makes 20."""
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, DISK_GZ = guest.need("guests/vmlinux.gz", "guests/disk.img.gz")
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1030
# Each record is a file of its own number, reported when it and its directory are on the disk.
WRITER = ("mkdir -p /k; while :; do echo rec $i > /k/$i; sync; echo 'DO''NE' $i; "
          "i=$((i+1)); done\n")


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def records(g, reported):
    """How many records the guest has; all reported ones must be among them."""
    out = g.command("i=0; while [ \"$(cat /k/$i 2>/dev/null)\" = \"rec $i\" ]; do i=$((i+1)); "
                    "done; echo have $i", 120)
    have = int(re.search(r"have (\d+)", out).group(1))
    check(have > reported, "record %d was reported, %d are there" % (reported, have))
    return have


def one_life(option, numbers, reported):
    with guest.Guest("--kernel", KERNEL, "--append", "console=ttyS0,115200n8 root=/dev/sda2 rw",
                     "--disk", option) as g:
        g.connect()
        g.expect("GUEST-UP", 240)
        g.expect("guest# ", 60)
        g.send("i=%d; %s" % (records(g, reported), WRITER))
        g.expect(r"DONE \d+\r", 60)
        end = time.monotonic() + numbers.uniform(0, 0.7)
        while time.monotonic() < end:
            g.pump(end - time.monotonic())
        g.process.kill()
        g.process.wait()
        while g.pump(0):  # what it had said before
            pass
        return max(int(x) for x in re.findall(r"DONE (\d+)\r", g.text))


def lives(what, option):
    numbers, reported = random.Random(SEED), -1
    for _ in range(ROUNDS):
        reported = one_life(option, numbers, reported)
    with guest.Guest("--kernel", KERNEL, "--append", "console=ttyS0,115200n8 root=/dev/sda2 rw",
                     "--disk", option) as g:
        g.connect()
        g.expect("GUEST-UP", 240)
        g.expect("guest# ", 60)
        have = records(g, reported)
    print("%s: killed %d times, %d records reported, %d there, seed %d" %
          (what, ROUNDS, reported + 1, have, SEED))


def build_shim(tmp):
    shim = os.path.join(tmp, "drop.so")
    source = os.path.join(guest.SOURCE, "tests", "preload", "drop_unsynced.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", source, "-o", shim],
                   check=True)
    return shim


def sanitized():
    symbols = subprocess.run(["nm", guest.PROGRAM], capture_output=True, text=True).stdout
    return "__asan_init" in symbols


def test():
    disk = guest.unpacked(DISK_GZ)
    with tempfile.TemporaryDirectory(prefix="kittson-", dir=guest.CACHE) as tmp:
        image = os.path.join(tmp, "disk.img")
        subprocess.run(["cp", "--sparse=always", disk, image], check=True)
        lives("file", image)
        lives("overlay", "%s,overlay=%s" % (disk, os.path.join(tmp, "over")))
        if sanitized():
            print("not run: lost power (the sanitizer's own library must come first)")
            return
        subprocess.run(["cp", "--sparse=always", disk, image], check=True)
        os.environ["KITTSON_DROP"] = image
        os.environ["LD_PRELOAD"] = build_shim(tmp)
        lives("file, power lost", image)


guest.main(test)
