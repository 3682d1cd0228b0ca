"""A host that cannot take what the guest writes: a limit on file sizes, and a full file system (a
small tmpfs in a namespace of its own) under a file and under an overlay. The guest sees a medium
error, what it wrote before is there, and both go on."""
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
MEGABYTE = 1 << 20
SIZE, ROOM = 64, 16  # megabytes of the disk, and what the host takes of it


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def fill(what, *options, reason):
    """Fills the guest's disk until the host refuses."""
    with guest.Guest("-m", "256M", "--kernel", KERNEL, "--initrd", INITRD, "--append",
                     "console=ttyS0,115200n8", *options) as g:
        g.connect()
        g.expect(r"GUEST-UP", 240)
        g.expect(r"guest# ", 60)
        out = g.command("(echo first; yes | head -c 1000000) >/tmp/a; dd if=/tmp/a of=/dev/sda "
                        "bs=4k conv=fsync; echo rc=$?; md5sum </tmp/a", 120)
        check("rc=0" in out, "%s: the first megabyte:\n%s" % (what, out))
        digest = out.split()[-2]
        out = g.command("dd if=/dev/zero of=/dev/sda bs=1M seek=1 count=40 conv=fsync; echo rc=$?",
                        240)
        check("rc=1" in out and "error" in out.lower(), "%s: filling it:\n%s" % (what, out))
        log = g.command("dmesg", 60)
        check("Medium Error" in log, "%s: no medium error:\n%s" % (what, log[-3000:]))
        check(reason in g.stderr() and "medium error" in g.stderr(),
              "%s: no word to the user: %s" % (what, g.stderr()))
        out = g.command("echo 3 >/proc/sys/vm/drop_caches; head -c 1000006 /dev/sda | md5sum", 120)
        check(digest in out, "%s: the first megabyte has changed: %s" % (what, out))
        g.send("poweroff -f\n")
        check(g.wait(60) == 0, "%s: status after poweroff -f\n%s" % (what, g.stderr()))
    print("%s: a medium error, nothing lost" % what)


def limited(tmp):
    image = os.path.join(tmp, "limited")
    with open(image, "wb") as f:
        f.truncate(SIZE * MEGABYTE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM * MEGABYTE, before[1]))
    try:
        fill("a limit on file sizes", "--disk", image, reason="File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wrapper(tmp, place):
    """A program that runs kittson in a name space with a small tmpfs at this place."""
    path = os.path.join(tmp, "kittson")
    with open(path, "w") as f:
        f.write("#!/bin/sh\nexec unshare -rm sh -c 'mount -t tmpfs -o size=%dm full %s && "
                "truncate -s %dM %s/disk && exec %s \"$@\"' kittson \"$@\"\n" %
                (ROOM, place, SIZE, place, guest.PROGRAM))
    os.chmod(path, 0o755)
    return path


def full(tmp):
    place, base = os.path.join(tmp, "full"), os.path.join(tmp, "base")
    probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "full", "/mnt"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if probe.returncode != 0:
        print("not run: a full file system (no user name spaces here)")
        return
    os.mkdir(place)
    with open(base, "wb") as f:
        f.truncate(SIZE * MEGABYTE)
    guest.PROGRAM = wrapper(tmp, place)
    reason = "No space left on device"
    fill("a full file system", "--disk", os.path.join(place, "disk"), reason=reason)
    fill("a full file system under an overlay", "--disk",
         "%s,overlay=%s/over" % (base, place), reason=reason)
    with open(base, "rb") as f:
        check(not any(f.read()), "the overlay's base has changed")


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        limited(tmp)
        full(tmp)


guest.main(test)
