#!/usr/bin/env python3
"""Speed in a booted Linux guest: instruction slots per second of each /bench program, their
geometric means, and the time from start to GUEST-UP.

usage: bench.py [--repeat N] [--cpu KIND]...
Needs the guest images and benchmark sources of ../shared (or KITTSON_SHARED). Instruction counts
are those listed with the benchmarks, nops and predicated-off slots included; times are the best of N
runs as the guest's own clock sees them.
"""
import argparse
import glob
import math
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import guest

INTEGER = "loop sieve mixed memstr fib crc hash sha256".split()
DOUBLE = "matmul nbody".split()


def instruction_counts(readme):
    counts = {}
    with open(readme) as f:
        for line in f:
            m = re.match(r"\| (\w+)(?: \(bare\))? \|[^|]*\| ([\d,]+) \|", line)
            if m:
                counts[m.group(1)] = int(m.group(2).replace(",", ""))
    return counts


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def native_seconds(sources, repeat):
    """Best time of each program built for this computer."""
    best = {}
    with tempfile.TemporaryDirectory(prefix="kittson-") as out:
        programs = {b: "%s/%s.native" % (out, b) for b in INTEGER + DOUBLE}
        subprocess.run(["make", "-s", "-C", sources, "OUT=" + out, *programs.values()], check=True)
        for b, p in programs.items():
            for _ in range(repeat):
                start = children_seconds()
                subprocess.run([p], check=True, stdout=subprocess.DEVNULL)
                t = children_seconds() - start
                best[b] = min(t, best.get(b, t))
    return best


def processor():
    with open("/proc/cpuinfo") as f:
        m = re.search(r"model name\s*: (.*)", f.read())
    return m.group(1) if m else platform.processor()


def cpu_seconds(pid):
    """CPU time of all threads of a process."""
    total = 0
    for task in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with open(task) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def measure(g, name, repeat):
    best = math.inf
    for _ in range(repeat):
        before = cpu_seconds(g.process.pid)
        g.command("/bench/%s.ia64" % name, 600)
        best = min(best, cpu_seconds(g.process.pid) - before)
    return best


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def table(g, counts, native, repeat):
    mips = {}
    print("| program | million instructions | s | MIPS | native s | times native |")
    print("|---|---|---|---|---|---|")
    for b in INTEGER + DOUBLE:
        t = measure(g, b, repeat)
        mips[b] = counts[b] / t / 1e6
        print("| %s | %.1f | %.2f | %.0f | %.3f | %.0f |" %
              (b, counts[b] / 1e6, t, mips[b], native[b], t / native[b]), flush=True)
    print("\nGeometric mean, integer: %.0f MIPS; double: %.0f MIPS" %
          (mean([mips[b] for b in INTEGER]), mean([mips[b] for b in DOUBLE])))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cpu", default="interp")
    args = parser.parse_args()
    kernel, initrd, readme = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz",
                                        "bench/README.md")
    print("Machine: %s, %d processors; %s" % (processor(), os.cpu_count(), args.cpu))
    with guest.Guest("--kernel", kernel, "--initrd", initrd, "--cpu", args.cpu, "-m", "1G",
                     "--stats", "--append", "console=ttyS0,115200n8") as g:
        g.connect()
        g.expect("GUEST-UP", 600)
        print("Start to GUEST-UP: %.1f s, %.1f s of host CPU\n" %
              (time.monotonic() - g.started, cpu_seconds(g.process.pid)), flush=True)
        g.expect("guest# ", 60)
        native = native_seconds(os.path.dirname(readme), args.repeat)
        table(g, instruction_counts(readme), native, args.repeat)
        g.send("poweroff -f\n")
        g.wait(120)
        print("\n" + g.stderr())


if __name__ == "__main__":
    guest.main(main)
