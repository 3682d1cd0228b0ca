"""The scripts for owners of installation media (guests/media), with a disc of our own in their place:
a guest is made, started from it and watched, the report says what was seen and what was not, and what
is to go away is gone."""
import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import Host, check
from terminal import Terminal

(CD_GZ,) = guest.need("guests/cd.iso.gz")
SCRIPTS = os.path.join(guest.SOURCE, "guests", "media")
SECONDS = "600"  # a boot on a busy computer


def script(h, name, *options, status=0):
    p = subprocess.run([os.path.join(SCRIPTS, "try-%s-install.sh" % name), *options], cwd=h.dir,
                       env=h.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    check(p.returncode == status, "%s %s: status %d\n%s%s" % (name, options, p.returncode, p.stdout,
                                                              p.stderr))
    return p.stdout + p.stderr


def report(h, name):
    with open(os.path.join(h.dir, name + "-report.txt")) as f:
        return f.read()


def linux(h, disc):
    script(h, "linux", "--media", disc, "--wait", "GUEST-UP Linux", "--seconds", SECONDS, "--size",
           "64M")
    text = report(h, "try-linux")
    with open(disc, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    for wanted in ("result:   passed", "SHA-256:  " + digest, "yes  F328: the kernel speaks",
                   "yes  F328: its command line", "no   F328: an installer speaks there",
                   "Virtual Machine Name"):
        check(wanted in text, "%r is not in\n%s" % (wanted, text))
    check(h.states()["try-linux"] == "Off", str(h.states()))
    check(os.path.exists(os.path.join(h.dir, "hpvmcollect_archive", "try-linux.tar.gz")), "archive")


def others(h, disc):
    """They come as far with a disc of another system as they can: its kernel, and no milestone."""
    for name in ("hpux", "windows"):
        script(h, name, "--media", disc, "--wait", "Linux version", "--seconds", SECONDS, "--size",
               "64M", "--memory", "1G", "--remove")
        text = report(h, "try-" + name)
        check("result:   passed" in text and not re.search("^yes ", text, re.M), text)
        check("try-" + name not in h.states(), str(h.states()))
        check(not os.path.exists(os.path.join(h.dir, "try-%s-disk.img" % name)), "its disk is there")


def failures(h, disc):
    check("is not known" in script(h, "hpux", "--x", status=2), "an option")
    check("no such file" in script(h, "hpux", "--media", "/none", status=2), "no medium")
    check("is needed" in script(h, "hpux", status=2), "no medium")
    check("usage" in script(h, "hpux", "--help"), "help")
    script(h, "hpux", "--media", disc, "--wait", "never", "--seconds", "0", "--size", "64M",
           "--remove", status=1)
    check("result:   failed (waited for 'never')" in report(h, "try-hpux"), report(h, "try-hpux"))
    check(list(h.states()) == ["try-linux"], str(h.states()))


def by_hand(h, disc):
    """A person reads what is to be done, goes to the console and leaves it."""
    os.chdir(h.dir)
    t = Terminal(os.path.join(SCRIPTS, "try-windows-install.sh"), "--media", disc, "--size", "64M",
                 "--remove", env=h.env)
    t.expect("Esc Tab")
    t.expect("Press Enter")
    t.type("\r")
    t.expect("vMP> ")
    t.type("co\r")
    t.expect("EFI", 120)
    t.type("\x02")
    t.expect("vMP> ")
    t.type("x\r")
    t.expect("The report is ")
    t.end(0)
    check("result:   seen-by-a-person" in report(h, "try-windows"), report(h, "try-windows"))
    check(list(h.states()) == ["try-linux"], str(h.states()))


def main():
    disc = guest.unpacked(CD_GZ)
    with Host() as h:
        for part in (linux, others, failures, by_hand):
            part(h, disc)
            print("%s: fine" % part.__name__)


main()
