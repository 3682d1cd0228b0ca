"""What a Linux guest gets to find out where it runs and to tell about it: hpvminfo and hpvmcollect of
dist/guest, from a disc."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
import isoimage

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
KIT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dist", "guest")
SCRIPT = os.path.join(KIT, "hpvminfo")
UUID = "12345678-9abc-def0-1234-56789abcdef0"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def inside(disc):
    with guest.Guest("--kernel", KERNEL, "--initrd", INITRD, "--append",
                     "console=ttyS0,115200n8 quiet", "--cdrom", disc, "--serial", "VM00000042",
                     "--uuid", UUID) as g:
        g.connect()
        g.expect(r"guest# ", 300)
        g.command("mkdir -p /mnt; mount -t iso9660 /dev/sr0 /mnt; cp /mnt/hpvminfo* /tmp/hpvminfo; "
                  "cp /mnt/hpvmcoll* /tmp/hpvmcollect", 60)

        def info(*options):
            return g.command("sh /tmp/hpvminfo %s; echo status $?" % " ".join(options), 60).split(
                "\n")

        check(info() == ["hpvminfo: Running inside an HPVM guest.", "status 0"], str(info()))
        check(info("-M") == ["guest", "status 0"], str(info("-M")))
        check(info("-X", "-v")[4:] == ["</hpvminfo>", "status 0"], str(info("-X", "-v")))
        out = info("-V")
        for line in ("hpvminfo: Running inside an HPVM guest.",
                     "  Guest model string            : hp server Integrity Virtual Machine",
                     "  Guest serial number           : VM00000042",
                     "  Guest machine ident           : " + UUID):
            check(line in out, "%s is not in %s" % (line, out))
        check(info("-V", "-M")[-1] == "status 1", "options that exclude each other")
        collect(g)


def collect(g):
    out = g.command("cd /tmp; sh /tmp/hpvmcollect -b kit; echo status $?", 120).split("\n")
    for line in ("Collecting system info ".ljust(69, ".") + " OK",
                 "Collecting system message buffer ".ljust(69, ".") + " OK",
                 "Tar archiving and compressing ".ljust(69, ".") + " TGZ", "status 0"):
        check(line in out, "%s is not in %s" % (line, out))
    out = g.command("tar -xzf hpvmcollect_archive/kit.tar.gz; cat kit/guest.sysinfo", 60)
    check("Integrity Virtual Machine" in out and "Linux version" in out, out)


def elsewhere():
    """On a computer of somebody else's."""
    with tempfile.TemporaryDirectory() as d:
        for name in ("PowerEdge\n", None):
            if name:
                with open(os.path.join(d, "product_name"), "w") as f:
                    f.write(name)
            r = subprocess.run(["sh", SCRIPT], env=dict(os.environ, HPVM_DMI=d if name else d + "x"),
                               capture_output=True, text=True)
            check((r.returncode, r.stdout) == (1, "hpvminfo: Not running inside an HPVM guest.\n"),
                  str(r))


def test():
    elsewhere()
    with tempfile.TemporaryDirectory() as d:
        disc = os.path.join(d, "kit.iso")
        files = {}
        for name in ("hpvminfo", "hpvmcollect"):
            with open(os.path.join(KIT, name), "rb") as f:
                files[name.upper()[:8]] = f.read()
        isoimage.write(disc, "KIT", files)
        inside(disc)


guest.main(test)
