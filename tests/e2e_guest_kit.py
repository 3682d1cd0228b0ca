"""What a Linux guest gets to find out where it runs: hpvminfo of dist/guest, from a disc."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
import isoimage

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dist", "guest",
                      "hpvminfo")
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
        g.command("mkdir -p /mnt; mount -t iso9660 /dev/sr0 /mnt; cp /mnt/hpvminfo* /tmp/hpvminfo", 60)

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
        with open(SCRIPT, "rb") as f:
            isoimage.write(disc, "KIT", {"HPVMINFO": f.read()})
        inside(disc)


guest.main(test)
