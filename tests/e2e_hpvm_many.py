"""Fifty guests, eight of them running at once: status is quick to get, and starting and stopping them
side by side leaves nothing behind. Hostile names. An argument says how many rounds (default 2)."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import Host, check

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
DEFINED, RUNNING = 50, 8


def together(h, command, names):
    """The same command for several guests at once."""
    running = [h.start(command[0], "-P", n, *command[1:]) for n in names]
    for n, p in zip(names, running):
        out, err = p.communicate(timeout=600)
        check(p.returncode == 0, "%s %s: status %d\n%s%s" % (command, n, p.returncode, out, err))


def once(h, names, n):
    together(h, ("hpvmstart", "-F", "-Q"), names)
    states = h.states()
    check(len(states) == DEFINED, "%d guests" % len(states))
    check([states[x] for x in names] == ["On (EFI)"] * RUNNING, str(states))
    times = []
    for _ in range(5):
        begun = time.monotonic()
        h.run("hpvmstatus")
        times.append(time.monotonic() - begun)
    print("hpvmstatus with %d guests, %d running: %.3f s" % (DEFINED, RUNNING, min(times)))
    if n % 2:
        h.run("hpvmstop", "-a", "-F")
    else:
        together(h, ("hpvmstop", "-F"), names)
    check(set(h.states().values()) == {"Off"}, str(h.states()))
    h.until(lambda: not h.processes(), "the end of all processes")
    check(not h.leftovers(), "left: %s" % h.leftovers())


def hostile_names(h):
    names = ["a/b", "../escape", "..", ".", "", "a\nb", "-x", "x" * 300, "x" * 256, "a b", "a;b",
             "a:b", "\x1b[2J", "\xff", "é"]
    for name in names:
        h.run("hpvmcreate", "-F", "-P" + name, status=1)
        for command in ("hpvmstart", "hpvmstop", "hpvmremove", "hpvmmodify", "hpvmstatus"):
            more = ("-F",) if command != "hpvmstatus" else ()
            h.run(command, "-P" + name, *more, status=1)
            check("\x1b" not in h.err and h.err.endswith("\n"), repr(h.err))
        h.run("hpvmclone", "-F", "-P", "g00", "-N" + name, status=1)
        h.run("hpvmmodify", "-F", "-P", "g00", "-N" + name, status=1)
    check(sorted(os.listdir(h.dir)) == ["disks", "hpvmconf", "run", "state"],
          str(os.listdir(h.dir)))
    longest = "n" * 255
    h.run("hpvmcreate", "-F", "-P", longest, "-r", "512")
    h.run("hpvmstart", "-F", "-Q", "-P", longest)
    check(h.states()["n" * 20] == "On (EFI)", "a name of 255 characters")
    h.run("hpvmstop", "-h", "-F", "-P", longest)
    h.run("hpvmremove", "-F", "-P", longest)


def refusals(h):
    """What keeps a guest from starting, and what does not."""
    disk = os.path.join(h.dir, "disks", "g00")
    cpus = os.cpu_count()

    def refused(name, *texts, force=False):
        h.run("hpvmstart", "-P", name, *(("-F",) if force else ()), status=1)
        for text in texts + ("hpvmstart: Unable to continue.\n",):
            check(text in h.err, "%s: %r is not in:\n%s" % (name, text, h.err))
        check(h.states()[name] == "Off", name + " runs")

    h.run("hpvmcreate", "-F", "-P", "avio", "-a", "disk:avio_stor:0,0,0:file:" + disk)
    refused("avio", "Device 'disk:avio_stor:0,0,0:file:%s' can be configured but not run" % disk,
            force=True)
    h.run("hpvmcreate", "-F", "-P", "tape", "-a", "tape:scsi:0,0,0:attach:/dev/null")
    refused("tape", "there are no attached devices", force=True)
    h.run("hpvmcreate", "-F", "-P", "wide", "-r", "512", "-c", "5")
    refused("wide", "HPVM guest wide configuration problems:\n"
            "    Warning 1: Guest needs more vcpus than server supports.\n",
            "These problems may prevent HPVM guest wide from booting.\n")
    with open(h.conf, "w") as f:
        f.write("MAXVCPUS=16\n")
    h.run("hpvmmodify", "-F", "-P", "wide", "-c", str(min(16, cpus + 1)))
    if cpus < 16:
        refused("wide", ": Guest's vcpus exceeds server's physical cpus.\n")
        h.run("hpvmstart", "-F", "-Q", "-P", "wide")
        h.run("hpvmstop", "-h", "-Q", "-P", "wide")
    # All entitlements together must fit the host; a MAC address has one running owner.
    mac = "network:lan:0,1,02-00-00-00-77-01:vswitch:localnet"
    for name in ("greedy", "poor"):
        h.run("hpvmcreate", "-F", "-P", name, "-r", "512", "-c", str(min(4, cpus)), "-e", "100", "-a", mac)
    h.run("hpvmstart", "-F", "-Q", "-P", "greedy")
    refused("poor", ": MAC address in use for switch localnet.\n",
            *([": Insufficient cpu resource for guest.\n"] if cpus <= 4 else []))
    h.run("hpvmstop", "-h", "-F", "-P", "greedy")
    h.run("hpvmcreate", "-F", "-P", "big", "-r", "64G", "-a", "disk:scsi::file:/no/such/file")
    with open("/proc/meminfo") as f:
        if int(f.readline().split()[1]) < 60 << 20:
            refused("big", ": Insufficient free memory for guest.\n")
    refused("big", " on item /no/such/file backing device does not exist.\n")
    refused("big", "/no/such/file: cannot be opened", force=True)
    odd = os.path.join(h.dir, "disks", "odd")
    with open(odd, "wb") as f:
        f.truncate(1000)
    h.run("hpvmcreate", "-F", "-P", "odd", "-r", "512", "-a", "disk:scsi::file:" + odd)
    h.run("hpvmstart", "-P", "odd", status=1)
    h.run("hpvmmodify", "-F", "-P", "odd", "-j", "1")
    refused("odd", "The guest is a distributed guest.")
    # The disk of a guest that runs; with -F the lock on it still keeps it whole.
    h.run("hpvmcreate", "-F", "-P", "twin", "-r", "512", "-a", "disk:scsi::file:" + disk)
    h.run("hpvmstart", "-F", "-Q", "-P", "g00")
    refused("twin", "Device file '%s' in use by another guest.\n" % disk)
    refused("twin", "in use by another machine", force=True)
    h.run("hpvmstop", "-P", "g00", "-h", "-g", "-F", status=1)
    h.run("hpvmstop", "-a", status=1)
    check("Option '-a' needs '-F'." in h.err, h.err)
    h.run("hpvmstop", "-P", "g00", "-F")
    h.run("hpvmcreate", "-F", "-P", "dyn", "-r", "1G", "-x", "ram_dyn_type=any")
    h.run("hpvmstart", "-F", "-Q", "-P", "dyn")
    check("NOTE: Dynamic data unavailable, configured values only\n" in
          h.run("hpvmstatus", "-V", "-P", "dyn"), "dynamic memory")
    h.run("hpvmstop", "-h", "-F", "-P", "dyn")
    for name in ("avio", "tape", "wide", "big", "odd", "twin", "dyn", "greedy",
                 "poor"):
        h.run("hpvmremove", "-F", "-P", name)
    with open(h.conf, "w") as f:
        f.write("MAXVCPUS=4\n")


def automatic(h):
    """What the system's service does: all guests with the start attribute auto."""
    for n in range(DEFINED):
        if n not in (3, 5):
            h.run("hpvmmodify", "-F", "-P", "g%02d" % n, "-B", "manual")
    h.run("hpvm", "start", "-F")
    on = sorted(n for n, s in h.states().items() if s != "Off")
    check(on == ["g03", "g05"], str(on))
    h.run("hpvm", "start", "-F")  # again: they run already
    h.run("hpvm", "stop")
    check(set(h.states().values()) == {"Off"}, str(h.states()))


def main():
    with Host() as h:
        disks = os.path.join(h.dir, "disks")
        os.mkdir(disks)
        names = ["g%02d" % i for i in range(DEFINED)]
        for n in names:
            path = os.path.join(disks, n)
            with open(path, "wb") as f:
                f.truncate(1 << 20)
            h.run("hpvmcreate", "-F", "-P", n, "-r", "512", "-a", "disk:scsi::file:" + path)
        for i in range(ROUNDS):
            once(h, names[i % 3::5][:RUNNING], i)
        hostile_names(h)
        refusals(h)
        automatic(h)


main()
