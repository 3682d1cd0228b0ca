"""The manuals' command lines that need guests that run, and what hpvmstop leaves out or refuses:
hpvmstart, hpvmstop, hpvmremove, hpvmclone -b and hpvmconsole as printed. The guests have no system;
they stay in the firmware."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import Host, check

STOPPING = "Stopping virtual machine %s\n"
QUESTION = "hpvmstop: Stop the virtual machine '%s'? [n/y]: "


def state(h, name, wanted):
    check(h.states()[name] == wanted, "%s: %s" % (name, h.states()))


def create(h, name, *options):
    h.run("hpvmcreate", "-F", "-P", name, "-r", "512", *options)


def start_and_stop(h):
    for name in ("compass1", "compass2", "compass3"):
        create(h, name)
    h.run("hpvmstart", "-P", "compass1", "-F")
    state(h, "compass1", "On (EFI)")
    check(h.run("hpvmstop", "-P", "compass1", text="\n") == QUESTION % "compass1", "the question")
    state(h, "compass1", "On (EFI)")
    check(h.run("hpvmstop", "-P", "compass1", text="y\n") == QUESTION % "compass1", "the question")
    state(h, "compass1", "Off")
    check(h.run("hpvmstart", "-P", "compass1", "-F", "-Q") == "", "-Q is silent")
    check(h.run("hpvmstop", "-P", "compass1", "-Q") == "", "-Q is silent")
    state(h, "compass1", "Off")
    for name in ("compass1", "compass2", "compass3"):
        h.run("hpvmstart", "-FQ", "-P" + name)
    out = h.run("hpvmstop", "-a", "-F")
    check(out == "".join(STOPPING % n for n in ("compass1", "compass2", "compass3")), out)
    h.run("hpvmstart", "-FQ", "-Pcompass1")
    check(h.run("hpvmstop", "-aFq") == "", "-q leaves out the names")
    check(set(h.states().values()) == {"Off"}, str(h.states()))


def consoles(h):
    """hpvmconsole's lines: with a script, with keys too, quiet, another attention character."""
    out = h.run("hpvmconsole", "-P", "compass1", "-c", "pc -on")
    check("-> Command successful.\n" in out, out)
    state(h, "compass1", "On (EFI)")
    h.until(lambda: "EFI" in h.run("hpvmconsole", "-P", "compass1", "-q", "-c", "cl"), "cl")
    out = h.run("hpvmconsole", "-P", "compass1", "-q", "-c", "rec -view")
    check("firmware started" in out, out)
    out = h.run("hpvmconsole", "-e", "^t", "-P", "compass1", text="x\n")
    check("vMP MAIN MENU" in out, out)
    h.run("hpvmconsole", "-P", "compass1", "-c", "pc -on", status=2)
    h.run("hpvmstop", "-hFP", "compass1")
    out = h.run("hpvmconsole", "-P", "compass1", "-i", "-c", "pc -on", text="ps\nx\n")
    check("On (EFI)" in out, out)
    h.run("hpvmstop", "-hFP", "compass1")


def distributed(h):
    """One that belongs to a package is neither started nor stopped by hand without -F."""
    create(h, "package")
    h.run("hpvmstart", "-FQ", "-P", "package")
    h.run("hpvmmodify", "-F", "-P", "package", "-j", "1")
    h.run("hpvmconsole", "-P", "package", "-q", "-c", "rs -nc")
    h.until(lambda: "Distributed             : 1" in h.run("hpvmstatus", "-V", "-P", "package"),
            "the changed configuration")
    h.run("hpvmstop", "-P", "package", text="y\n", status=1)
    check("hpvmstop: ERROR (package): The guest is a distributed guest.\n" in h.err, h.err)
    state(h, "package", "On (EFI)")
    h.run("hpvmstop", "-P", "package", "-F")
    h.run("hpvmstart", "-P", "package", status=1)
    check("hpvmstart: ERROR (package): The guest is a distributed guest.\n" in h.err, h.err)


def clone_and_remove(h):
    disk = os.path.join(h.dir, "disk")
    with open(disk, "wb") as f:
        f.write(b"x" * (1 << 20))
    create(h, "linux1", "-a", "disk:scsi:0,0,0:file:" + disk)
    # The manual's line lacks the new device, which is needed.
    h.run("hpvmclone", "-P", "linux1", "-N", "linux2", "-b", "disk:scsi:0,0,0:disk:", status=1)
    check("Physical device missing." in h.err, h.err)
    check("linux2" not in h.states(), "a clone was made")
    h.run("hpvmremove", "-F", "-p", "333", status=1)
    check("does not exist" in h.err, h.err)
    h.run("hpvmremove", "-P", "compass1", "-Q")
    h.run("hpvmremove", "-P", "compass2", text="y\n")
    h.run("hpvmremove", "-F", "-p", "3")
    check(set(h.states()) == {"package", "linux1"}, str(h.states()))


def main():
    with Host() as h:
        start_and_stop(h)
        consoles(h)
        distributed(h)
        clone_and_remove(h)
        h.until(lambda: not h.processes(), "the end of the processes")
        check(not h.leftovers(), "left: %s" % h.leftovers())


guest.main(main)
