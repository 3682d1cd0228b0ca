"""GRUB, somebody else's EFI program, from a disk and from a disc: its commands for handles, memory
map, drives, files, clock and sectors; halt, reboot, and its return to the boot manager."""
import datetime
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from poweron import check, grub_command, to_grub_prompt

DISK_GZ, CD_GZ = guest.need("guests/disk.img.gz", "guests/cd.iso.gz")
SCSI = r"/ACPI\(a0341d0,0\)/PCI\(0,0\)/SCSI\(0,0\)"
# Memory types that a machine at this point must have, with their attributes.
TYPES = {"conv-mem": "WB", "BS-code": "WB", "BS-data": "WB", "ldr-code": "WB", "ldr-data": "WB",
         "RT-code": "RT WB", "RT-data": "RT WB", "PAL-code": "RT WB", "ACPI-rec": "WB",
         "ACPI-nvs": "WB", "MMIO": "UC", "IO-ports": "RT UC"}


def handles(g):
    """lsefi: the lines of each handle, joined where a path is broken in two."""
    out = re.sub(r"\n/", "/", grub_command(g, "lsefi"))
    return [x.split("\n") for x in re.split(r"Handle 0x\w+\n", out)[1:]]


def has(all_handles, path, *protocols):
    for h in all_handles:
        names = [x.strip() for x in h]
        if any(re.fullmatch(path + "/EndEntire", x) for x in names):
            missing = [p for p in protocols if p not in names]
            check(not missing, "%s has no %s: %s" % (path, missing, names))
            return
    raise guest.GuestError("no handle %s: %s" % (path, all_handles))


def lsefi(g, partitions):
    all_handles = handles(g)
    for uid in range(8):
        has(all_handles, r"/ACPI\(a0341d0,%d\)" % uid, "PCI root")
    has(all_handles, r"/ACPI\(50141d0,0\)/UART\(115200,8,1,1\)", "serial")
    has(all_handles, r"/ACPI\(50141d0,0\)/UART\(115200,8,1,1\)/MessagingVendor\(7baec70b-.*",
        "simple text input", "simple text output", "console control")
    has(all_handles, SCSI, "block", "disk")
    for path, protocols in partitions.items():
        has(all_handles, SCSI + path, "block", "disk", *protocols)
    check(any("  loaded image" in h for h in all_handles), "no loaded image")


def lsefimmap(g):
    """Sorted, without overlaps, all RAM below 1 GB, each type with its attributes."""
    lines = re.findall(r"(\S+) +(\w{16})-(\w{16}) (\w{8}) +\S+ (.*)", grub_command(g, "lsefimmap"))
    end, ram = 0, 0
    for kind, first, last, pages, attributes in lines:
        first, last = int(first, 16), int(last, 16) + 1
        check(first >= end, "%s at %#x overlaps" % (kind, first))
        check(last - first == int(pages, 16) * 4096, "%s: %s pages" % (kind, pages))
        check(TYPES.get(kind) == attributes.strip(), "%s: %s" % (kind, attributes))
        ram += last - first if last <= 1 << 30 else 0
        end = last
    check({x[0] for x in lines} == set(TYPES), "types: %s" % {x[0] for x in lines})
    check(ram == 1 << 30, "RAM in the map: %#x" % ram)


def clock(g):
    said = re.search(r"(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+) (\w+)", grub_command(g, "date"))
    there = datetime.datetime(*[int(x) for x in said.groups()[:6]])
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    away = abs((there - now).total_seconds())
    check(away < 300 and said.group(7) == there.strftime("%A"), "date: " + said.group(0))


def files(g, drive, menu, entries):
    """The root folder, the menu's file, whole and through the variable, and what is not there."""
    out = grub_command(g, "ls -l %s/" % drive)
    for name, kind in entries.items():
        check(re.search(r"(?m)^%s +\d{14} %s$" % (kind, name), out), "ls %s:\n%s" % (name, out))
    out = grub_command(g, "cat %s/boot/grub/grub.cfg" % drive)
    check('menuentry "%s"' % menu in out and "search --no-floppy" in out, "cat:\n" + out)
    check(grub_command(g, "cat $prefix/grub.cfg") == out, "cat by the prefix")
    check("search" not in grub_command(g, "search --file /vmlinux"), "search")
    out = grub_command(g, "cat %s/no-such-file" % drive)
    check("error: file `/no-such-file' not found." in out, out)


def first_sectors(g, drive, sector, image, size):
    """hexdump of a sector equals the image's."""
    out = grub_command(g, "hexdump -s 0 -n 64 %s%d+1" % (drive, sector))
    data = bytes.fromhex("".join("".join(x.split("|")[0].split()[1:]) for x in out.split("\n")
                                 if "|" in x))
    with open(image, "rb") as f:
        f.seek(sector * size)
        check(data == f.read(64), "hexdump:\n" + out)


def menu_again(g, drive):
    """configfile shows the menu of the same file."""
    g.send("configfile %s/boot/grub/grub.cfg\r" % drive)
    g.expect(r"GNU GRUB", 30)
    g.send("c")
    g.expect(r"grub> ", 30)


def from_disk():
    image = guest.unpacked(DISK_GZ)
    with guest.Guest("-m", "1G", "--disk", image + ",ro") as g:
        g.connect()
        to_grub_prompt(g)
        grub_command(g, "set pager=0")
        out = grub_command(g, "ls")
        check({"(hd0)", "(hd0,gpt1)", "(hd0,gpt2)"} <= set(out.split()), "ls: " + out)
        lsefi(g, {r"/HD\(1,800,32000,\w+,2,2\)": ["simple FS"], r"/HD\(2,32800,fa000,\w+,2,2\)": []})
        lsefimmap(g)
        clock(g)
        files(g, "(hd0,gpt1)", "Linux ia64 (disk)",
              {"vmlinux": r"\d+", "boot/": "DIR", "efi/": "DIR"})
        out = grub_command(g, "ls (hd0,gpt2)/")  # ext4, by GRUB's own driver through block I/O
        check({"lost+found/", "bench/", "sbin/"} <= set(out.split()), "ls of ext4: " + out)
        first_sectors(g, "(hd0)", 1, image, 512)
        check("FPSWA revision: 10012" in grub_command(g, "fpswa"), "fpswa")
        check("terminals:\nconsole" in grub_command(g, "terminal_output"), "terminal_output")
        menu_again(g, "(hd0,gpt1)")
        g.send("reboot\r")
        to_grub_prompt(g)
        g.send("exit\r")
        g.expect(r"Exit status code: \w+", 60)


def from_disc():
    image = guest.unpacked(CD_GZ)
    with guest.Guest("-m", "1G", "--cdrom", image) as g:
        g.connect()
        to_grub_prompt(g)
        grub_command(g, "set pager=0")
        check("(cd0)" in grub_command(g, "ls").split(), "ls")
        lsefi(g, {r"/CD\(0,25,800\)": ["simple FS"]})
        lsefimmap(g)
        files(g, "(cd0)", "Linux ia64 (cd)",
              {"vmlinux": r"\d+", "initramfs.gz": r"\d+", "EFI/": "DIR"})
        first_sectors(g, "(cd0)", 64, image, 512)
        menu_again(g, "(cd0)")
        g.send("halt\r")
        status = g.wait(60)
        check(status == 0, "status after halt: %d\n%s" % (status, g.stderr()))


def test():
    from_disk()
    from_disc()


guest.main(test)
