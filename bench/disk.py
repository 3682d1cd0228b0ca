#!/usr/bin/env python3
"""Speed of disks in a booted Linux guest: sequential reading and writing with dd, 4 KB reads at random
places per second, and which part of the host's processor time the devices take.

usage: disk.py [--cpu KIND] [--size MB] [--reads N]
Needs the guest images of ../shared (or KITTSON_SHARED). Random reads need an ia64-linux-gnu-gcc (in
the PATH, or named by IA64_CC) that can link a static program: bench/diskload.c is built with it and
reaches the guest as the contents of a second disk. Shares need perf; without it only the processor
times of threads are shown.
"""
import argparse
import collections
import glob
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import guest
from bench import cpu_seconds, processor

DEVICES = ("scsi", "bus")  # rooms of the tree that are the device model
OTHERS = ("cpu", "mem", "machine", "efi")


def build_load(directory):
    """The guest's program, or None."""
    compiler = shlex.split(os.environ.get("IA64_CC", "ia64-linux-gnu-gcc"))
    program = os.path.join(directory, "diskload")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "diskload.c")
    if shutil.which(compiler[0]) is None:
        print("skipped: random reads (no %s; IA64_CC names another)" % compiler[0])
        return None
    subprocess.run([*compiler, "-O2", "-Wall", "-Wextra", "-static", "-o", program, source],
                   check=True)
    return program


def rooms():
    """Function name to the room it is in."""
    table = {}
    for room in DEVICES + OTHERS:
        for library in glob.glob(os.path.join(os.path.dirname(guest.PROGRAM), "..",
                                              "libkittson_%s.a" % room)):
            out = subprocess.run(["nm", "--defined-only", library], capture_output=True, text=True)
            for line in out.stdout.split("\n"):
                words = line.split()
                if len(words) == 3 and words[1] in "tT":
                    table.setdefault(words[2].split(".")[0], room)
    return table


class Profile:
    """Samples of a process between start and stop, by part of the program."""

    def __init__(self, pid, directory, table):
        self.pid, self.table = pid, table
        self.file = os.path.join(directory, "perf.data")
        self.perf = None

    def __enter__(self):
        self.before = cpu_seconds(self.pid)
        self.main_before = self.main_seconds()
        if shutil.which("perf"):
            self.perf = subprocess.Popen(
                ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-p", str(self.pid), "-o",
                 self.file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def main_seconds(self):
        with open("/proc/%d/task/%d/schedstat" % (self.pid, self.pid)) as f:
            return int(f.read().split()[0]) / 1e9

    def __exit__(self, *exc):
        if self.perf:
            self.perf.send_signal(signal.SIGINT)
            self.perf.wait()
        self.seconds = cpu_seconds(self.pid) - self.before
        self.main = self.main_seconds() - self.main_before

    def part(self, tid, symbol, dso):
        if tid != self.pid:
            return "file threads"
        if "kernel" in dso:
            return "host kernel"
        name = symbol.split(".")[0].split("+")[0]
        if "kittson" in dso:
            room = self.table.get(name, "cpu")
            return "devices" if room in DEVICES else "processor"
        return "C library" if ".so" in dso else "processor"  # code without a name is translated

    def text(self):
        threads = "main %.2f s, file threads %.2f s" % (self.main, self.seconds - self.main)
        if not self.perf:
            return threads
        out = subprocess.run(["perf", "script", "-i", self.file, "-F", "tid,ip,sym,dso"],
                             capture_output=True, text=True, errors="replace")
        parts = collections.Counter()
        for m in re.finditer(r"(?m)^ *(\d+) +\w+ (.*?) \((.*)\)$", out.stdout):
            parts[self.part(int(m.group(1)), m.group(2), m.group(3))] += 1
        total = sum(parts.values()) or 1
        return ", ".join("%s %.1f%%" % (k, 100 * n / total) for k, n in parts.most_common())


def seconds_of(text):
    return float(re.search(r"copied, ([\d.]+) seconds", text).group(1))


def row(what, value, profile):
    print("| %s | %s | %.2f | %s |" % (what, value, profile.seconds, profile.text()), flush=True)


def sequential(g, args, directory, table):
    for what, line in (
            ("read %d MB, `dd bs=1M`" % args.size,
             "dd if=/dev/sda of=/dev/null bs=1M count=%d" % args.size),
            ("write %d MB, `dd bs=1M conv=fsync`" % args.size,
             "dd if=/dev/zero of=/dev/sda bs=1M count=%d conv=fsync" % args.size)):
        g.command("echo 3 > /proc/sys/vm/drop_caches", 60)
        with Profile(g.process.pid, directory, table) as p:
            out = g.command(line + " 2>&1", 900)
        row(what, "%.0f MB/s" % (args.size * 1048576 / 1e6 / seconds_of(out)), p)


def random_reads(g, args, directory, table, size):
    g.command("head -c %d /dev/sdb > /tmp/diskload; chmod +x /tmp/diskload" % size, 60)
    for processes in (1, 8):
        with Profile(g.process.pid, directory, table) as p:
            out = g.command("/tmp/diskload /dev/sda %d %d" % (args.reads, processes), 900)
        m = re.search(r"reads (\d+) seconds ([\d.]+)", out)
        if not m:
            raise guest.GuestError(out)
        row("%s random reads of 4 KB, %d at a time" % (m.group(1), processes),
            "%.0f a second" % (int(m.group(1)) / float(m.group(2))), p)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cpu", default="interp")
    parser.add_argument("--size", type=int, default=512, help="MB read and written")
    parser.add_argument("--reads", type=int, default=40000)
    args = parser.parse_args()
    kernel, initrd = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
    with tempfile.TemporaryDirectory(prefix="kittson-", dir=guest.CACHE) as tmp:
        disk, program = os.path.join(tmp, "disk"), build_load(tmp)
        with open(disk, "wb") as f:  # real blocks: holes are faster
            for _ in range(args.size):
                f.write(os.urandom(1 << 20))
        options = ["--disk", disk] + (["--disk", program + ",ro"] if program else [])
        print("Machine: %s, %d processors; %s\n" % (processor(), os.cpu_count(), args.cpu))
        with guest.Guest("--kernel", kernel, "--initrd", initrd, "--cpu", args.cpu, "-m", "1G",
                         "--append", "console=ttyS0,115200n8", *options) as g:
            g.connect()
            g.expect("guest# ", 600)
            print("| what | speed | host CPU, s | of which |\n|---|---|---|---|")
            sequential(g, args, tmp, rooms())
            if program:
                random_reads(g, args, tmp, rooms(), os.path.getsize(program))
            g.send("poweroff -f\n")
            g.wait(120)


guest.main(main)
