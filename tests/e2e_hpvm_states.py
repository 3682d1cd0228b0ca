"""A guest that hangs, and what is left of one that ends badly: the state On (ATTN!) of a program that
leaves its timer's interrupts pending, its end by a reset; tombstones after a transfer of control and
after a kill; the guest's log and the log of all guests."""
import glob
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fatimage
import peimage
from hpvm_host import Console, Host, check

NAME = "hangs"


def begin(h):
    disk = os.path.join(h.dir, "disk.img")
    hangs = peimage.program("", peimage.HANG)
    fatimage.write(disk, {"EFI": {"BOOT": {"BOOTIA64.EFI": hangs}}})
    with open(h.conf, "a") as f:
        f.write("ATTNTIMEOUT=1\n")
    h.run("hpvmcreate", "-F", "-P", NAME, "-r", "512", "-a", "disk:scsi::file:" + disk)
    h.run("hpvmstart", "-F", "-Q", "-P", NAME)
    check(h.states()[NAME] == "On (EFI)", "state after the start: %s" % h.states())


def prompt(h):
    c = Console(h, NAME)
    c.expect(r"\[%s\] vMP> " % NAME)
    return c


def choose(c):
    """The disk, rather than waiting until it is chosen."""
    c.type("co\r")
    c.expect(r"EFI Boot Manager ver 1\.10")
    c.type("\r")
    c.type("\x02")
    c.expect(r"vMP> ")


def attention(h):
    h.until(lambda: "On (ATTN!)" in h.run("hpvmstatus"), "state On (ATTN!)")
    check(re.search(r"^Virtual Machine State +: On \(ATTN!\)$|^ *\S+ +1 \S+ +On \(ATTN!\)",
                    h.run("hpvmstatus", "-V", "-P", NAME) + h.run("hpvmstatus", "-P", NAME), re.M),
          "hpvmstatus of the guest")
    check("the guest does not answer interrupts" in h.read(NAME, "app", "events"), "event log")


def transfer(h, c):
    c.type("tc -nc\r")
    c.expect(r"-> Command successful")
    h.until(lambda: os.path.exists(h.file(NAME, "app", "tombstone")), "a tombstone")
    text = h.read(NAME, "app", "tombstone")
    check(re.search(r"^[-0-9]+ [:0-9]+ hangs: transfer of control$", text, re.M), text)
    check(text.count("processor 0: running") == 1 and "processor 1" not in text, text)
    ip = int(re.search(r"^  ip +([0-9a-f]{16}) ", text, re.M).group(1), 16)
    psr = int(re.search(r" psr +([0-9a-f]{16}) ", text, re.M).group(1), 16)
    check(ip & 0xfff == 0x40 and not psr >> 14 & 1, "not where it hangs: %x, psr %x" % (ip, psr))
    check(re.search(r"r14 +0{14}40 .*\n.*r16 ", text), "registers:\n" + text)
    check(re.search(r"irr1 +0{15}1 ", text), "the pending interrupt:\n" + text)


def reset(h, c):
    """Whatever it did, a reset brings it back to firmware, and it hangs again."""
    c.type("rs -nc\r")
    c.expect(r"-> Command successful")
    h.until(lambda: h.states()[NAME] == "On (EFI)", "state On (EFI) after a reset")
    choose(c)
    attention(h)


def killed(h):
    os.kill(h.pid(NAME), signal.SIGKILL)
    h.until(lambda: h.states()[NAME] == "Off" and not h.processes(), "the end of the process")
    line = r"^[-0-9]+ [:0-9]+ %soff: the guest's process was ended by signal 9 \(Killed\)$"
    for name in ("events", "log", "tombstone"):
        check(re.search(line % "", h.read(NAME, "app", name), re.M), "no crash in " + name)
    with open(os.path.join(h.root, "common", "hpvm_mon_log")) as f:
        text = f.read()
    check(re.search(line % "hangs: ", text, re.M), "no crash in hpvm_mon_log:\n" + text)
    for event in ("started", "the guest does not answer interrupts", "restarted"):
        check(" hangs: %s\n" % event in text, "%s is not in:\n%s" % (event, text))


def logs(h):
    """The guest's log is where administrators look for it; hpvmcollect takes them all."""
    with open(os.path.join(h.root, "guests", NAME, "log")) as f:
        text = f.read()
    for event in ("started", "transfer of control", "reset"):
        check(event in text, "%s is not in:\n%s" % (event, text))
    out = h.run("hpvmcollect", "-l", "-d", h.dir, "-P", NAME)
    for item in ("Collecting messages from vmm", "Copying guest's log file",
                 "Copying guest's tombstone file", "Copying guest's console log file"):
        check(re.search("^%s \\.+ OK$" % item, out, re.M), item + ":\n" + out)
    (found,) = glob.glob(os.path.join(h.dir, "hpvmcollect_archive", "*", "guest.tombstone"))
    with open(found) as f:
        check("transfer of control" in f.read(), "the tombstone that was collected")
    h.run("hpvmremove", "-F", "-P", NAME)
    check(os.listdir(os.path.join(h.root, "uuids")) == [], "directories of removed guests")


def main():
    with Host() as h:
        begin(h)
        c = prompt(h)
        choose(c)
        attention(h)
        reset(h, c)
        transfer(h, c)
        killed(h)
        logs(h)


main()
