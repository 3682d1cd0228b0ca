"""Linux mptspi with three SCSI adapters on different buses and 15 targets each: every disk is found
at its place with its own contents, all are read at once and one of each adapter written, without a
warning in the kernel's log; each adapter has its own interrupt."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from poweron import check, power_off, quiet

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
PLACES = [(0, 0), (0, 3), (6, 7)]
TARGETS = 15
SIZE = 4 << 20


def disks(tmp):
    """Options for all disks. Each begins with its own address."""
    options = []
    for bus, slot in PLACES:
        for target in range(TARGETS):
            path = os.path.join(tmp, "%d-%d-%d" % (bus, slot, target))
            with open(path, "wb") as f:
                f.write(b"disk %02x:%02x.0 %02d\n" % (bus, slot, target))
                f.truncate(SIZE)
            options += ["--disk", "%s,at=%d:%d:%d" % (path, bus, slot, target)]
    return options


def found(g):
    """Device names by PCI address and target, as the guest sees them."""
    out = g.command("for d in /sys/block/sd*; do echo $(basename $d) $(readlink $d) "
                    "$(head -c 15 /dev/$(basename $d)); done", 120)
    places = {}
    for line in out.split("\n"):
        name, link, _, address, target = line.split()
        at = re.search(r"/0000:(\w\w:\w\w\.\d)/host\d+/target\d+:0:(\d+)/", link)
        check(at and at.group(1) == address and int(at.group(2)) == int(target),
              "a disk at the wrong place: " + line)
        places[address, int(target)] = name
    wanted = {("%02x:%02x.0" % p, t) for p in PLACES for t in range(TARGETS)}
    check(set(places) == wanted, "missing: %s" % (wanted - set(places)))
    return places


def all_at_once(g, places):
    names = " ".join(sorted(places.values()))
    out = g.command("for d in %s; do (dd if=/dev/$d bs=64k 2>/dev/null | wc -c) & done | sort | "
                    "uniq -c; wait" % names, 300)
    check(out.split() == [str(len(places)), str(SIZE)], "reading all: " + out)
    for (address, target), name in places.items():
        if target == 14:
            g.command("(echo written %s; head -c 2000000 /dev/zero | tr '\\000' x) > /dev/%s" %
                      (address, name), 60)
    g.command("sync", 60)


def written(tmp):
    for bus, slot in PLACES:
        with open(os.path.join(tmp, "%d-%d-14" % (bus, slot)), "rb") as f:
            data = f.read(2000020)
        start = b"written %02x:%02x.0\n" % (bus, slot)
        check(data.startswith(start) and data[len(start):2000000].strip(b"x") == b"",
              "what was written to %d,%d" % (bus, slot))


def interrupts(g):
    out = g.command("grep ioc /proc/interrupts", 30)
    counts = re.findall(r"(?m)^ *(\d+): +(\d+) +IO-SAPIC-level +ioc\d$", out)
    check(len(counts) == len(PLACES) and len({x for x, _ in counts}) == len(PLACES) and
          all(int(n) > 0 for _, n in counts), out)


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        with guest.Guest("--kernel", KERNEL, "--initrd", INITRD, "--append",
                         "console=ttyS0,115200n8", *disks(tmp)) as g:
            g.connect()
            quiet(g)
            all_at_once(g, found(g))
            interrupts(g)
            guest.check_kernel_log(g)
            power_off(g)
        written(tmp)


guest.main(test)
