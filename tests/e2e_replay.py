"""A Linux boot with disk and network traffic, recorded once, replays alike: interpreted and
translated, in turn. Also when it starts in the boot manager, and without its images.

usage: e2e_replay.py [ROUNDS], 1 without; the soak run makes 5 of each."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, DISK_GZ = guest.need("guests/vmlinux.gz", "guests/disk.img.gz")
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 1


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def traffic(trace, disk, overlay):
    with guest.Guest("--record", trace, "-c", "2", "--kernel", KERNEL, "--append",
                     "console=ttyS0,115200n8 root=/dev/sda2 rw", "--disk",
                     "%s,overlay=%s" % (disk, overlay), "--net", "user", "--cpu", "jit") as g:
        g.connect()
        g.expect("guest# ", 240)
        out = g.command("ip link set eth0 up; udhcpc -i eth0 -n -q -t 10", 120)
        check("lease of 10.0.2.15" in out, "no DHCP lease: " + out)
        out = g.command("ping -c 3 10.0.2.2", 60)
        check(" 0% packet loss" in out, out)
        out = g.command("dd if=/dev/zero of=/root/x bs=64k count=100 2>/dev/null; sync; "
                        "sha256sum /root/x /bin/busybox | wc -l", 120)
        check(out == "2", out)
        g.send("poweroff -f\n")
        check(g.wait(120) == 0, g.stderr())


def boot_manager(trace, disk, tmp):
    """From the count-down through GRUB into Linux, with variables that change."""
    with guest.Guest("--record", trace, "--disk",
                     "%s,overlay=%s" % (disk, os.path.join(tmp, "overlay2")), "--nvram",
                     os.path.join(tmp, "variables"), "--cpu", "jit") as g:
        g.connect()
        g.expect("guest# ", 300)
        g.process.terminate()
        check(g.wait(60) == 1, g.stderr())


def replay(trace, cpu):
    out = subprocess.run([guest.PROGRAM, "replay", "--cpu", cpu, trace], capture_output=True,
                         text=True, timeout=1200)
    check(out.returncode == 0 and "replayed alike" in out.stdout,
          "--cpu %s: %s%s" % (cpu, out.stdout, out.stderr))
    return out.stdout


def without_images(trace, small):
    out = subprocess.run([guest.PROGRAM, "trace", "cut", "--self-contained", trace, small],
                         capture_output=True, text=True, timeout=1200)
    check(out.returncode == 0, out.stderr)
    out = subprocess.run([guest.PROGRAM, "trace", "info", small], capture_output=True, text=True)
    check(out.stdout.count("in the trace") == 2, out.stdout)
    replay(small, "jit")


def changed(trace, disk):
    """An image that is not the one of then is noticed."""
    with open(disk, "r+b") as f:
        f.seek(300 << 20)
        f.write(b"other")
    out = subprocess.run([guest.PROGRAM, "replay", trace], capture_output=True, text=True)
    check(out.returncode == 2 and "not what it was" in out.stderr, out.stdout + out.stderr)


def test():
    unpacked = guest.unpacked(DISK_GZ)
    with tempfile.TemporaryDirectory(prefix="kittson-", dir=guest.CACHE) as tmp:
        disk, trace = os.path.join(tmp, "disk.img"), os.path.join(tmp, "trace")
        subprocess.run(["cp", "--sparse=always", unpacked, disk], check=True)
        traffic(trace, disk, os.path.join(tmp, "overlay"))
        said = {replay(trace, cpu) for _ in range(ROUNDS) for cpu in ("interp", "jit")}
        check(len(said) == 1, "replays differ: %r" % said)
        without_images(trace, os.path.join(tmp, "small"))
        other = os.path.join(tmp, "firmware")
        boot_manager(other, disk, tmp)
        for cpu in ("interp", "jit"):
            replay(other, cpu)
        changed(trace, disk)


guest.main(test)
