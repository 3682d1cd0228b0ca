"""A Linux guest whose processors run on threads of their own: memory ordering (guests/smp/litmus.c), a
stress of threads, processes, page tables and signals whose checksum is that of the same program built for
the host (guests/smp/stress.c), processors taken off line and back. With the interpreter on two
processors and the translator on four; `soak`: ten minutes of stress each, ten million runs of each
litmus test, 2, 4 and 8 processors."""
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

SOAK = "soak" in sys.argv[1:]
KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
SOURCES = os.path.join(guest.SOURCE, "guests", "smp")
CROSS = guest.cross_compiler()
FLAGS = ["-O2", "-static", "-pthread"]


def cpio_entry(name, data, mode):
    head = "070701" + "".join("%08X" % n for n in (
        0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0))
    out = head.encode() + name.encode() + b"\0"
    out += b"\0" * (-len(out) % 4) + data
    return out + b"\0" * (-len(out) % 4)


def initrd_with_programs(folder):
    """The initial RAM disk with both programs in /bench, as a second archive behind the first."""
    path = os.path.join(folder, "initrd.gz")
    extra = b""
    for name in ("litmus", "stress"):
        program = os.path.join(folder, name)
        subprocess.run([CROSS] + FLAGS + [os.path.join(SOURCES, name + ".c"), "-o", program],
                       check=True)
        with open(program, "rb") as f:
            extra += cpio_entry("bench/smp-" + name, f.read(), 0o100755)
    extra += cpio_entry("TRAILER!!!", b"", 0)
    with open(path, "wb") as out, open(INITRD, "rb") as first:
        shutil.copyfileobj(first, out)
        out.write(gzip.compress(extra, 1))
    return path


def native_sum(folder):
    program = os.path.join(folder, "stress.native")
    subprocess.run(["gcc"] + FLAGS + [os.path.join(SOURCES, "stress.c"), "-o", program], check=True)
    out = subprocess.run([program, "0"], check=True, stdout=subprocess.PIPE).stdout.decode()
    return re.search(r"STRESS-OK rounds=1 sum=(\w{16})", out).group(1)


def litmus(g, millions):
    out = g.command("/bench/smp-litmus %s" % millions, 20000 if SOAK else 600)
    tests = re.findall(r"LITMUS (\S+) runs=(\d+) (forbidden|seen)=(\d+)", out)
    if "LITMUS-OK" not in out or len(tests) < 12:
        raise guest.GuestError("litmus: " + out)
    for name, runs, kind, count in tests:
        if int(runs) < millions * 1e6 or (kind == "forbidden" and int(count) > 0):
            raise guest.GuestError("litmus %s: %s %s in %s runs" % (name, kind, count, runs))


def stress(g, seconds, want):
    out = g.command("/bench/smp-stress %d" % seconds, 600 + 3 * seconds)
    if "STRESS-OK" not in out or "sum=" + want not in out:
        raise guest.GuestError("stress, native sum %s: %s" % (want, out))


def off_line(g, cpus):
    """Takes a processor away, which goes back to the firmware, and wakes it again, three times."""
    for _ in range(3):
        g.command("echo 0 > /sys/devices/system/cpu/cpu1/online", 120)
        if g.command("grep -c ^processor /proc/cpuinfo", 60) != str(cpus - 1):
            raise guest.GuestError("a processor taken off line is still there")
        g.command("echo 1 > /sys/devices/system/cpu/cpu1/online", 120)
    if g.command("grep -c ^processor /proc/cpuinfo", 60) != str(cpus):
        raise guest.GuestError("the processor did not come back")


def run(kind, cpus, initrd, want):
    with guest.Guest("--kernel", KERNEL, "--initrd", initrd, "-m", "512M", "--cpu", kind, "-c",
                     str(cpus), "--append", "console=ttyS0,115200n8 quiet") as g:
        g.connect()
        g.expect("GUEST-UP [^\n]* cpus=%d " % cpus, 600)
        g.expect("guest# ", 60)
        litmus(g, 10 if SOAK else 0.02)
        stress(g, 600 if SOAK else 0, want)
        off_line(g, cpus)
        g.send("poweroff -f\n")
        g.wait(120)
    print("%s, %d processors: agreed" % (kind, cpus))


def main():
    with tempfile.TemporaryDirectory() as folder:
        initrd, want = initrd_with_programs(folder), native_sum(folder)
        pairs = [(k, n) for k in ("interp", "jit") for n in (2, 4, 8)] if SOAK else \
            [("interp", 2), ("jit", 4)]
        for kind, cpus in pairs:
            run(kind, cpus, initrd, want)


guest.main(main)
