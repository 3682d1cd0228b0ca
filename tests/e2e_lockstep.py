"""The Linux guest with --cpu lockstep: everything the translator does is compared with the
interpreter. A boot, two benchmarks and a little of everything; `soak`: all of /bench and the mixed
workload of guests/mixed-workload.sh several times over."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

SOAK = "soak" in sys.argv[1:]
BENCH = "loop sieve mixed memstr matmul nbody fib crc hash sha256".split() if SOAK else \
    ["fib", "nbody"]
ROUNDS = 5 if SOAK else 1
KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guests",
                      "mixed-workload.sh")


def send_file(g, path, name):
    """Types a text file into the guest."""
    g.send("stty -echo; cat > %s <<'END-OF-FILE'\n" % name)
    with open(path) as f:
        for line in f:
            g.send(line)
    g.send("END-OF-FILE\nstty echo; echo SENT-$((1 + 1))\n")
    g.expect("SENT-2", 120)
    g.expect("guest# ", 60)


def compared(stats):
    m = re.search(r"lockstep: (\d+) pieces, ([\d.]+) % of all slots compared", stats)
    if not m:
        raise guest.GuestError("no figures of lockstep: " + stats)
    return int(m.group(1)), float(m.group(2))


def main():
    with guest.Guest("--kernel", KERNEL, "--initrd", INITRD, "-m", "512M", "--cpu", "lockstep",
                     "--stats", "--append", "console=ttyS0,115200n8") as g:
        g.connect()
        g.expect("GUEST-UP", 600)
        g.expect("guest# ", 60)
        for b in BENCH:
            out = g.command("/bench/%s.ia64" % b, 900)
            if not re.match(r"%s \d+ [0-9a-f]{16}$" % b, out):
                raise guest.GuestError("%s: %s" % (b, out))
        send_file(g, SCRIPT, "/tmp/mixed.sh")
        out = g.command("sh /tmp/mixed.sh %d" % ROUNDS, 2400)
        if "MIXED-DONE %d" % ROUNDS not in out:
            raise guest.GuestError("mixed workload: " + out)
        guest.check_kernel_log(g)
        g.send("poweroff -f\n")
        g.wait(120)
        pieces, percent = compared(g.stderr())
    if pieces < 1000 or percent < 90:
        raise guest.GuestError("only %.2f %% of the slots were compared" % percent)
    print("%d pieces, %.2f %% of the slots compared" % (pieces, percent))


guest.main(main)
