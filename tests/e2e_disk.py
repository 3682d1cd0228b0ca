"""Linux on disks behind the SCSI adapter, started directly: the root file system on a disk, whole
disks and discs read and copied, inserts with sqlite3, a reset, clean file systems afterwards, locks
and overlays."""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, DISK_GZ, CD_GZ = guest.need("guests/vmlinux.gz", "guests/disk.img.gz", "guests/cd.iso.gz")
PROMPT = r"guest# "
ROOT = "console=ttyS0,115200n8 root=/dev/sda2 "


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            data = f.read(1 << 20)
            if not data:
                return digest.hexdigest()
            digest.update(data)


def power_off(g):
    g.send("poweroff -f\n")
    status = g.wait(60)
    check(status == 0, "status after poweroff -f: %d\n%s" % (status, g.stderr()))


def whole_disks(disk, disc, tmp):
    """A write-protected root disk, copied to another disk; a disc."""
    copy = os.path.join(tmp, "copy.img")
    with open(copy, "wb") as f:
        f.truncate(os.path.getsize(disk))
    with guest.Guest("--kernel", KERNEL, "--append", ROOT + "ro", "--disk", disk + ",ro", "--disk",
                     copy, "--cdrom", disc) as g:
        g.connect()
        g.expect(PROMPT, 240)
        out = g.command("cat /sys/block/sda/device/model /sys/block/sr0/device/model "
                        "/sys/block/sda/ro", 30)
        check(out.split("\n")[0].strip() == "Virtual FileDisk", out)
        check("Virtual FileDVD" in out and out.strip().endswith("1"), out)
        g.command("dd if=/dev/sda of=/dev/sdb bs=1M", 300)
        g.command("sync", 60)
        out = g.command("dd if=/dev/sr0 bs=1M count=16 2>/dev/null | sha256sum", 300).split()[0]
        with open(disc, "rb") as f:
            check(out == hashlib.sha256(f.read(16 << 20)).hexdigest(), "the disc: " + out)
        guest.check_kernel_log(g)
        power_off(g)
    check(sha256(copy) == sha256(disk), "the copy of the whole disk differs")
    os.unlink(copy)


def inserts(g):
    g.command("mount -o remount,rw /; rm -f /root/t.db", 60)
    g.command("awk 'BEGIN { print \"create table t(a integer primary key, b text);\"; "
              "for (i = 0; i < 20; i++) { print \"begin;\"; for (j = 0; j < 1000; j++) "
              "print \"insert into t(b) values(\\047row \" i*1000+j \"\\047);\"; "
              "print \"commit;\" } }' > /root/t.sql; sqlite3 /root/t.db < /root/t.sql", 600)
    count(g)


def count(g):
    out = g.command("sqlite3 /root/t.db \"select count(*), sum(a), max(b) from t; "
                    "pragma integrity_check;\"", 120)
    check(out.split() == ["20000|200010000|row", "9999", "ok"], "sqlite3: " + out)


def refused(disk):
    p = subprocess.run([guest.PROGRAM, "run", "--disk", disk, "--console", "file:/dev/null"],
                       capture_output=True, text=True, timeout=60)
    check(p.returncode == 2 and "cannot have a second writer" in p.stderr,
          "a second writer: status %d, %s" % (p.returncode, p.stderr))


def inserts_and_reset(disk, tmp):
    """Two processors on an overlay; the base must stay as it is."""
    before, overlay = sha256(disk), os.path.join(tmp, "overlay")
    with guest.Guest("-c", "2", "--kernel", KERNEL, "--append", ROOT + "rw", "--disk",
                     disk + ",overlay=" + overlay) as g:
        g.connect()
        g.expect(PROMPT, 240)
        refused(disk)
        inserts(g)
        g.command("sync", 60)
        g.send("reboot -f\n")
        g.expect("GUEST-UP", 240)
        g.expect(PROMPT, 60)
        count(g)
        guest.check_kernel_log(g)
        g.command("sync; echo u > /proc/sysrq-trigger; sleep 1", 60)
        power_off(g)
    check(sha256(disk) == before, "the base under an overlay has changed")
    return overlay


def deterministic(disk):
    """Commands end at the instruction that starts them: two runs print the same."""
    texts = []
    for _ in range(2):
        with guest.Guest("--deterministic", "--kernel", KERNEL, "--append",
                         ROOT + "ro autorun=dd+if=/dev/sda+bs=64k+count=64+2>/dev/null+|+sha256sum"
                         ";+poweroff+-f", "--disk", disk + ",ro") as g:
            g.connect()
            check(g.wait(300) == 0, g.stderr())
            texts.append(g.text[g.text.index("Fusion MPT"):])
    with open(disk, "rb") as f:
        check(hashlib.sha256(f.read(4 << 20)).hexdigest() in texts[0], "sum: " + texts[0][-300:])
    check(texts[0] == texts[1], "two deterministic runs differ")


def test():
    disk, disc = guest.unpacked(DISK_GZ), guest.unpacked(CD_GZ)
    with tempfile.TemporaryDirectory(prefix="kittson-", dir=guest.CACHE) as tmp:
        whole_disks(disk, disc, tmp)
        deterministic(disk)
        base = os.path.join(tmp, "disk.img")
        subprocess.run(["cp", "--sparse=always", disk, base], check=True)
        guest.clean_file_system(base, inserts_and_reset(base, tmp))


guest.main(test)
