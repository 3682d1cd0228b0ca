"""From power-on: the boot manager starts GRUB from a disk's EFI system partition and from a disc,
GRUB starts Linux; GRUB's own commands; a reset comes back; an EFI program from a plain FAT volume."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fatimage
import guest

DISK_GZ, CD_GZ, BENCH = guest.need("guests/disk.img.gz", "guests/cd.iso.gz",
                                   "guests/microbench.efi")
PROMPT = r"guest# "
HD = r"Acpi\(PNP0A03,0\)/Pci\(0\|0\)/Scsi\(Pun0,Lun0\)"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def manager(g, device):
    """Sits out no count-down: Enter starts the first option."""
    g.expect(r"EFI Boot Manager ver 1\.10 \[14\.62\]", 30)
    g.expect(r"Removable Media Boot \[" + device, 10)
    g.expect(r"will be booted in \d+ seconds", 10)
    g.send("\r")
    g.expect(r"Loading\.: Removable Media Boot", 10)
    g.expect(r"Starting: Removable Media Boot", 10)


def linux(g):
    g.expect(r"Linux version 6\.1", 120)
    g.expect(r"GUEST-UP Linux (\S+) ia64", 240)
    g.expect(PROMPT, 60)


def power_off(g):
    g.send("poweroff -f\n")
    status = g.wait(60)
    check(status == 0, "status after poweroff -f: %d\n%s" % (status, g.stderr()))


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r", "")


def grub_command(g, line):
    start = len(g.text)
    g.send(line + "\r")
    g.expect(r"(?s)\n.*grub> ", 60)
    return plain(g.text[start:g.seen])


def from_disk(tmp):
    overlay = os.path.join(tmp, "overlay")
    disk = "%s,overlay=%s" % (guest.unpacked(DISK_GZ), overlay)
    with guest.Guest("-m", "1G", "--disk", disk) as g:
        g.connect()
        manager(g, HD)
        g.expect(r"GNU GRUB", 30)
        g.send("c")
        g.expect(r"grub> ", 30)
        out = grub_command(g, "lsefi")
        for name in ("block", "disk", "simple FS", "simple text output", "loaded image"):
            check("  " + name + "\n" in out, "lsefi does not name %s:\n%s" % (name, out))
        out = grub_command(g, "lsefimmap")
        check("conv-mem" in out and "RT-code" in out, "lsefimmap:\n" + out)
        out = grub_command(g, "ls (hd0,gpt1)/")
        check("vmlinux" in out and "boot/" in out.lower(), "ls:\n" + out)
        out = grub_command(g, "cat (hd0,gpt1)/boot/grub/grub.cfg")
        check("menuentry" in out, "cat:\n" + out)
        out = grub_command(g, "fpswa")
        check("FPSWA revision: 10012" in out, "fpswa:\n" + out)
        g.send("reboot\r")
        manager(g, HD)
        linux(g)
        out = g.command("cat /proc/cmdline; mount | head -1; cat /sys/firmware/efi/systab", 30)
        check("root=/dev/sda2" in out and "ext4" in out and "ACPI20=" in out, out)
        guest.check_kernel_log(g)
        g.send("reboot -f\n")
        manager(g, HD)
        linux(g)
        power_off(g)


def grub_halts():
    with guest.Guest("--disk", guest.unpacked(DISK_GZ) + ",ro") as g:
        g.connect()
        manager(g, HD)
        g.expect(r"GNU GRUB", 30)
        g.send("c")
        g.expect(r"grub> ", 30)
        g.send("halt\r")
        status = g.wait(60)
        check(status == 0, "status after GRUB's halt: %d\n%s" % (status, g.stderr()))


def from_disc():
    with guest.Guest("-m", "1G", "-c", "2", "--cdrom", guest.unpacked(CD_GZ)) as g:
        g.connect()
        manager(g, HD + r"/CDROM\(E")
        linux(g)
        check(g.command("cat /proc/cpuinfo | grep -c ^processor", 30) == "2", "two processors")
        power_off(g)


def program(tmp):
    """microbench.efi: computes, reads the clock, prints and returns."""
    image = os.path.join(tmp, "fat.img")
    with open(BENCH, "rb") as f:
        fatimage.write(image, {"EFI": {"BOOT": {"BOOTIA64.EFI": f.read()}}})
    with guest.Guest("-m", "256M", "--disk", image) as g:
        g.connect()
        manager(g, HD)
        for name in "call ctop fma fib crc sieve matmul qsort chase dhry".split():
            g.expect(r"END %s iters=\d+" % name, 120)
        g.expect(r"KBENCH DONE", 60)
        g.expect(r"Exit status code: Success", 30)
        g.expect(r"Paused - press any key to continue", 30)
        g.send(" ")
        g.expect(r"EFI Boot Manager", 30)


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        from_disk(tmp)
        program(tmp)
    grub_halts()
    from_disc()


guest.main(test)
