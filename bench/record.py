"""What recording costs: processor time of a Linux boot with work in it, recorded and not, and bytes
of trace per second of an idle shell.

usage: bench/record.py [--cpu KIND] [--repeat N]"""
import argparse
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
WORK = "for+i+in+1+2+3;+do+/bench/mixed.ia64;+/bench/crc.ia64;+/bench/hash.ia64;+done"
IDLE = 20  # seconds of the guest


def run(work, *options):
    """Host seconds, processor time of the process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([guest.PROGRAM, "run", "--deterministic", "--kernel", KERNEL, "--initrd", INITRD,
                    "--console", "file:/dev/null", "--append",
                    "console=ttyS0,115200n8 autorun=%s poweroff=1" % work, *options],
                   check=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", default="interp")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        trace = os.path.join(tmp, "trace")
        plain = min(run(WORK, "--cpu", args.cpu) for _ in range(args.repeat))
        recorded = min(run(WORK, "--cpu", args.cpu, "--record", trace) for _ in range(args.repeat))
        print("work: %.2f s, recorded %.2f s: %+.1f %%" %
              (plain, recorded, 100 * (recorded / plain - 1)))
        run("true", "--cpu", args.cpu, "--record", trace)
        boot = os.path.getsize(trace)
        run("sleep+%d" % IDLE, "--cpu", args.cpu, "--record", trace)
        print("idle: %.1f kB of trace a second; a boot: %.0f kB" %
              ((os.path.getsize(trace) - boot) / 1000 / IDLE, boot / 1000))


main()
