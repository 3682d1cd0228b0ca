"""Linux started by the firmware from a disk: EFI variables through efivarfs, also after a restart of
the process; the clock; lspci, /proc/iomem, /proc/ioports and /proc/interrupts as on the platform;
sqlite3; reboot and power-off through the firmware; a clean file system afterwards.

usage: e2e_platform.py [soak]; soak: the guest's SHA-256 of the whole disk is the file's."""
import calendar
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from poweron import check, power_off, to_linux

DISK_GZ, CD_GZ = guest.need("guests/disk.img.gz", "guests/cd.iso.gz")
GUID = "12345678-1234-1234-1234-123456789abc"
VARS = "/sys/firmware/efi/efivars"
MOUNT = "mount -t efivarfs efivarfs %s" % VARS

# What the machine has that is started here: an adapter with a disk and a disc drive in slot 0, a
# network adapter in slot 1.
PCI = ["00:00.0 Class 0100: 1000:0030 mptspi", "00:01.0 Class 0200: 8086:100e e1000"]
# Lines of /proc/iomem without indentation that must be there, in this order.
IOMEM = ["80000000-8fffffff : PCI Bus 0000:00", "90000000-9fffffff : PCI Bus 0000:01",
         "a0000000-afffffff : PCI Bus 0000:02", "b0000000-bfffffff : PCI Bus 0000:03",
         "c0000000-cfffffff : PCI Bus 0000:04", "d0000000-dfffffff : PCI Bus 0000:05",
         "e0000000-efffffff : PCI Bus 0000:06", "f0000000-fdffffff : PCI Bus 0000:07",
         "ff5e0000-ff5e0007 : serial", "80000000000-800ffffffff : PCI Bus 0000:00",
         "80700000000-807ffffffff : PCI Bus 0000:07",
         "ffffc000000-ffffc33bcef : PCI Bus 0000:00 I/O Ports 00000000-00000cef",
         "fffff800000-fffffffffff : PCI Bus 0000:07 I/O Ports 0000e000-0000ffff"]
# Ranges of the devices: two of memory of the SCSI adapter, one of the network adapter.
DEVICES = ["  80000000-8001ffff : 0000:00:00.0\n    80000000-8001ffff : mpt",
           "  80020000-8003ffff : 0000:00:00.0\n    80020000-8003ffff : mpt",
           "  80040000-8005ffff : 0000:00:01.0\n    80040000-8005ffff : e1000"]
IOPORTS = ["00001000-00001003 : ACPI PM1a_EVT_BLK", "00001004-00001005 : ACPI PM1a_CNT_BLK",
           "00001008-0000100b : ACPI PM_TMR", "00001100-00001fff : PCI Bus 0000:00",
           "  00001100-000011ff : 0000:00:00.0", "  00001200-0000123f : 0000:00:01.0",
           "0000e000-0000ffff : PCI Bus 0000:07"]
# Who has interrupts, and of which controller.
INTERRUPTS = {"acpi": "IO-SAPIC-level", "ttyS0": "IO-SAPIC-level", "ioc0": "IO-SAPIC-level",
              "eth0": "IO-SAPIC-level", "timer": "LSAPIC", "resched": "LSAPIC", "IPI": "LSAPIC"}
# Global system interrupts: the console's input and INTA of slots 0 and 1 of bus 0.
GSIS = {"ttyS0": 4, "ioc0": 16, "eth0": 17}


def listed(lines, text, what):
    at = 0
    for line in lines:
        found = text.find(line, at)
        check(found >= 0, "%s has no %r, or not in its place:\n%s" % (what, line, text))
        at = found + len(line)


def memory(text):
    """All of the 1 GB is there as RAM or as what the firmware keeps of it."""
    ranges = re.findall(r"(?m)^(\w+)-(\w+) : (.*)$", text)
    total, end = 0, 0
    for first, last, _ in ranges:
        first, last = int(first, 16), int(last, 16) + 1
        check(first >= end, "/proc/iomem overlaps at %#x" % first)
        end = last
        total += last - first if last <= 1 << 30 else 0
    check(total == 1 << 30, "memory of /proc/iomem: %#x" % total)


def interrupts(g):
    g.command("ip link set eth0 up; until [ \"$(cat /sys/class/net/eth0/carrier)\" = 1 ]; do "
              "usleep 50000; done; ping -c 1 -W 5 10.0.2.2", 120)
    text = g.command("cat /proc/interrupts", 30)
    counts = {}
    for line in re.findall(r"(?m)^ *\d+: .*$", text):
        number, first, second, chip, name = line.split()
        counts[name] = int(first) + int(second)
        check(INTERRUPTS.get(name, chip) == chip, line)
    for name in INTERRUPTS:
        check(name in counts, "/proc/interrupts has no %s:\n%s" % (name, text))
        check(counts[name] > 0 or name == "acpi", "no interrupt of %s:\n%s" % (name, text))
    check(re.search(r"(?m)^ERR: +0$", text), text)
    log = g.command("dmesg | grep GSI", 30)
    for name, gsi in GSIS.items():
        vector = re.search(r"GSI %d \(level, low\) -> CPU \d \(\w+\) vector (\d+)" % gsi, log)
        check(vector and re.search(r"(?m)^ *%s: .* %s$" % (vector.group(1), name), text),
              "%s has not GSI %d:\n%s\n%s" % (name, gsi, log, text))


def platform(g):
    out = g.command("lspci -k", 30)
    check(sorted(x.rstrip() for x in out.split("\n")) == PCI, "lspci:\n" + out)
    text = g.command("cat /proc/iomem", 30)
    listed(IOMEM, text, "/proc/iomem")
    listed(DEVICES, text, "/proc/iomem")
    memory(text)
    listed(IOPORTS, g.command("cat /proc/ioports", 30), "/proc/ioports")
    interrupts(g)
    out = g.command("cd /sys/class/dmi/id; cat sys_vendor product_name product_serial; "
                    "cat /proc/scsi/scsi; cd /", 30)
    check("server Integrity Virtual Machine\nVM00530001" in out, "SMBIOS: " + out)
    check(re.search(r"Id: 00 .*\n.*Vendor: HP       Model: Virtual FileDisk", out), out)
    check(re.search(r"Id: 01 .*\n.*Vendor: HP       Model: Virtual FileDVD  Rev: 0\.04", out), out)


def seconds(text):
    return calendar.timegm(time.strptime(" ".join(text.split()[:5]), "%a %b %d %H:%M:%S %Y"))


def clock(g):
    """Host's time, then another one, written and read back; it goes on by itself."""
    check(abs(seconds(g.command("hwclock -r -u", 30)) - time.time()) < 300, "hwclock -r")
    g.command("date -u -s '2031-02-28 23:59:50'; hwclock -w -u; date -u -s '2000-01-01 00:00:00'", 30)
    wanted = calendar.timegm((2031, 2, 28, 23, 59, 50, 0, 0, 0))
    first = seconds(g.command("hwclock -r -u", 30))
    check(0 <= first - wanted < 120, "hwclock -r after -w: %d s away" % (first - wanted))
    out = g.command("hwclock -r -u; while [ \"$(hwclock -r -u)\" = \"$old\" ] || [ -z \"$old\" ]; "
                    "do old=$(hwclock -r -u); done; hwclock -r -u", 60).split("\n")
    check(seconds(out[-1]) > seconds(out[0]), "the clock stands still: %s" % out)
    g.command("hwclock -s -u", 30)
    check(g.command("date -u +%Y", 30) == "2031", "hwclock -s")
    out = g.command("cat /proc/driver/rtc", 30)
    check("rtc_date\t: 2031-0" in out, out)


def write(name, attributes, text):
    """A shell command that sets a variable; the first four bytes are its attributes."""
    return "printf '\\%03o\\000\\000\\000%s' > %s/%s-%s" % (attributes, text, VARS, name, GUID)


def variables(g):
    g.command(MOUNT, 30)
    g.command("%s; %s" % (write("Kept", 7, "one"), write("Gone", 7, "two")), 30)
    out = g.command("ls %s; tail -c 3 %s/Kept-%s" % (VARS, VARS, GUID), 30)
    for name in ("Kept", "Gone"):
        check("%s-%s" % (name, GUID) in out, "efivarfs: " + out)
    check(out.endswith("one"), out)
    g.command("cd %s; chattr -i Kept-* Gone-*; rm Gone-*; %s; cd /" %
              (VARS, write("Kept", 7, "another")), 30)
    out = g.command("wc -c < %s/Kept-%s; ls %s | grep -c Gone" % (VARS, GUID, VARS), 30)
    check(out.split() == ["11", "0"], "a longer value, and rm: " + out)
    # not for the OS to make: volatile ones, and those only boot services may see
    for attributes in (6, 3):
        out = g.command(write("Bad", attributes, "x") + " || echo refused", 30)
        check("refused" in out, "a variable with attributes %d: %s" % (attributes, out))


def variables_later(g):
    g.command(MOUNT, 30)
    out = g.command("ls %s; tail -c 7 %s/Kept-%s" % (VARS, VARS, GUID), 30)
    check(out.endswith("another") and "Gone" not in out, "later: " + out)


def inserts(g):
    g.command("rm -f /root/t.db; awk 'BEGIN { print \"create table t(a integer primary key, "
              "b text);\"; for (i = 0; i < 20; i++) { print \"begin;\"; for (j = 0; j < 1000; j++) "
              "print \"insert into t(b) values(\\047row \" i*1000+j \"\\047);\"; "
              "print \"commit;\" } }' > /root/t.sql; sqlite3 /root/t.db < /root/t.sql", 600)
    count(g)


def count(g):
    out = g.command("sqlite3 /root/t.db \"select count(*), sum(a), max(b) from t; "
                    "pragma integrity_check;\"", 120)
    check(out.split() == ["20000|200010000|row", "9999", "ok"], "sqlite3: " + out)


def high_count(store):
    """The upper half of the monotonic count, from the variable store."""
    text = subprocess.run([guest.PROGRAM, "nvram", "export", store], capture_output=True, text=True,
                          check=True).stdout
    found = re.search(r'"MTC" .*\n +(\w{8})\n', text)
    check(found, "no monotonic count in the store:\n" + text)
    return struct.unpack("<I", bytes.fromhex(found.group(1)))[0]


def whole_disk():
    """A second disk, write-protected: the first one is changed by being mounted."""
    disk = guest.unpacked(DISK_GZ)
    digest = hashlib.sha256()
    with open(disk, "rb") as f:
        for data in iter(lambda: f.read(1 << 20), b""):
            digest.update(data)
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp, guest.Guest(
            "-m", "1G", "--disk", "%s,overlay=%s/overlay" % (disk, tmp), "--disk",
            disk + ",ro") as g:
        g.connect()
        to_linux(g)
        start = time.monotonic()
        out = g.command("dd if=/dev/sdb bs=1M 2>/dev/null | sha256sum", 3000)
        check(out.split()[0] == digest.hexdigest(), "the whole disk: %s, not %s" %
              (out, digest.hexdigest()))
        print("%d bytes, SHA-256 %s, in %.0f s" %
              (os.path.getsize(disk), digest.hexdigest(), time.monotonic() - start))
        power_off(g)


def test():
    if sys.argv[1:] == ["soak"]:
        whole_disk()
        return
    with tempfile.TemporaryDirectory(prefix="kittson-", dir=guest.CACHE) as tmp:
        disk, store = os.path.join(tmp, "disk.img"), os.path.join(tmp, "nvram")
        subprocess.run(["cp", "--sparse=always", guest.unpacked(DISK_GZ), disk], check=True)
        options = ["-m", "1G", "-c", "2", "--disk", disk, "--cdrom", guest.unpacked(CD_GZ), "--net",
                   "user", "--nvram", store, "--serial", "VM00530001"]
        with guest.Guest(*options) as g:
            g.connect()
            to_linux(g)
            platform(g)
            clock(g)
            variables(g)
            inserts(g)
            first = high_count(store)
            g.send("reboot\n")
            to_linux(g)
            count(g)
            variables_later(g)
            check(high_count(store) == first + 1, "the monotonic count after a reset")
            guest.check_kernel_log(g)
            power_off(g, "poweroff")
        guest.clean_file_system(disk)
        with guest.Guest(*options) as g:
            g.connect()
            to_linux(g)
            count(g)
            variables_later(g)
            check(high_count(store) == first + 2, "the monotonic count after a restart")
            power_off(g)


guest.main(test)
