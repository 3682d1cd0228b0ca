"""Snapshots of a Linux guest: saved in the middle of a disk write load, killed, restored; the guest
goes on, with disk and network, and its file system is clean. Suspended on a disk without overlay.
Refusals of what does not fit or is damaged."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, DISK_GZ = guest.need("guests/vmlinux.gz", "guests/disk.img.gz")
ROOT = "console=ttyS0,115200n8 root=/dev/sda2 rw"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


WRITER = ("mkdir -p /k; i=0; while :; do dd if=/dev/zero of=/k/$i bs=64k count=4 2>/dev/null; "
          "echo rec $i > /k/$i.t; sync; echo 'DO''NE' $i; i=$((i+1)); done\n")


def options(tmp, disk, *more):
    return ("--kernel", KERNEL, "--append", ROOT, "--disk", disk, "--monitor",
            "unix:" + os.path.join(tmp, "monitor"), *more)


def save(tmp, name, how="save"):
    path = os.path.join(tmp, name)
    out = guest.monitor(os.path.join(tmp, "monitor"), "snapshot", how, path)
    check(out.returncode == 0, "snapshot %s: %s" % (how, out.stderr))
    return path


def last_done(g):
    return max(int(x) for x in re.findall(r"DONE (\d+)\r", g.text))


def write_load(tmp, disk):
    """Saved while it writes; what it wrote later is gone with the kill, as if it had not been."""
    overlay = os.path.join(tmp, "overlay")
    machine = options(tmp, "%s,overlay=%s" % (disk, overlay), "-c", "2", "--net", "user")
    with guest.Guest(*machine) as g:
        g.connect()
        g.expect("guest# ", 240)
        g.command("ip link set eth0 up; udhcpc -i eth0 -q -n >/dev/null 2>&1; echo", 60)
        g.send(WRITER)
        g.expect(r"DONE 3\r", 120)
        snapshot = save(tmp, "snapshot")
        saved = last_done(g)
        for _ in range(5):  # the overlay goes on without the snapshot
            g.expect(r"DONE \d+\r", 60)
        g.process.kill()
        g.process.wait()
    for _ in range(2):  # a snapshot can be used again and again
        with guest.Guest(*machine, "--restore", snapshot) as g:
            g.connect()
            number = int(g.expect(r"DONE (\d+)\r", 60).group(1))
            check(number >= saved, "it goes on at %d, and was at %d" % (number, saved))
            g.expect(r"DONE %d\r" % (number + 5), 120)
            g.send("\x03")
            g.expect("guest# ", 30)
            out = g.command("n=0; while [ \"$(cat /k/$n.t 2>/dev/null)\" = \"rec $n\" ]; do "
                            "n=$((n+1)); done; echo have $n", 60)
            check(int(out.split()[1]) > number + 5, "records: " + out)
            g.command("ping -c 2 10.0.2.2", 60)
            out = g.command("ping -c 2 10.0.2.2 >/dev/null && echo reached", 60)
            check("reached" in out, "the network after restoring: " + out)
            guest.check_kernel_log(g)
            g.command("sync; echo u > /proc/sysrq-trigger; sleep 1", 60)
            g.send("poweroff -f\n")
            check(g.wait(60) == 0, g.stderr())
    return machine, snapshot, overlay


def run(machine, snapshot):
    return subprocess.run([guest.PROGRAM, "run", "--console", "file:/dev/null", *machine,
                           "--restore", snapshot], capture_output=True, text=True, timeout=60)


def refused(machine, snapshot, what):
    p = run(machine, snapshot)
    check(p.returncode == 2 and re.search(what, p.stderr) and
          p.stderr.count("kittson: ") == 1,
          "%r expected: status %d, %s" % (what, p.returncode, p.stderr))


def damaged(tmp, machine, snapshot):
    with open(snapshot, "rb") as f:
        whole = f.read()
    bad = os.path.join(tmp, "bad")

    def write(data):
        with open(bad, "wb") as f:
            f.write(data)
        return bad

    middle = len(whole) // 2
    refused(machine, write(whole[:middle]), "cut off")
    refused(machine, write(whole[:-1]), "cut off")
    refused(machine, write(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1:]),
            "damaged")
    refused(machine, write(whole[:8] + b"\x63" + whole[9:]), "damaged")
    refused(machine, write(b"something else altogether"), "not a Kittson snapshot")
    refused(machine, os.path.join(tmp, "none"), "No such file")
    refused(("-m", "2G") + machine, snapshot, r"size of memory \(-m\)")


def suspended(tmp, disk):
    image = os.path.join(tmp, "disk.img")
    subprocess.run(["cp", "--sparse=always", disk, image], check=True)
    machine = options(tmp, image)
    with guest.Guest(*machine) as g:
        g.connect()
        g.expect("guest# ", 240)
        out = guest.monitor(os.path.join(tmp, "monitor"), "snapshot", "save", "/no")
        check(out.returncode != 0 and "give the disk an overlay" in out.stderr, out.stderr)
        g.send("echo a > /root/a; sync; echo 'wrote''it'; sleep 2; cat /root/a; echo 'on''again'\n")
        g.expect("wroteit", 60)
        snapshot = save(tmp, "suspended", "suspend")
        check(g.wait(60) == 1 and "ended from the monitor" in g.stderr(), g.stderr())
    with guest.Guest(*machine, "--restore", snapshot) as g:
        g.connect()
        g.expect("onagain", 60)
        g.expect("guest# ", 30)
        g.command("echo b > /root/b; sync", 60)
        g.send("poweroff -f\n")
        check(g.wait(60) == 0, g.stderr())
    refused(machine, snapshot, "a disk without overlay was changed since then")


def test():
    disk = guest.unpacked(DISK_GZ)
    with tempfile.TemporaryDirectory(prefix="kittson-", dir=guest.CACHE) as tmp:
        base = os.path.join(tmp, "base.img")
        subprocess.run(["cp", "--sparse=always", disk, base], check=True)
        machine, snapshot, overlay = write_load(tmp, base)
        damaged(tmp, machine, snapshot)
        guest.clean_file_system(base, overlay)
        suspended(tmp, disk)


guest.main(test)
