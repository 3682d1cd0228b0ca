"""From power-on to a shell, for end-to-end tests: what is pressed and awaited in the boot manager
and in GRUB, and how a machine is switched off."""
import re

import guest

PROMPT = r"guest# "


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def to_grub(g):
    """Sits out no count-down: Enter starts the first boot option."""
    g.expect(r"booted in", 60)
    g.send("\r")
    g.expect(r"GNU GRUB", 60)


def to_grub_prompt(g):
    to_grub(g)
    g.send("c")
    g.expect(r"grub> ", 30)


def quiet(g):
    """The kernel's messages no longer come between what commands print."""
    g.expect(PROMPT, 240)
    g.command("dmesg -n 1", 60)


def to_shell(g):
    """From GRUB's menu, whose first entry starts by itself."""
    g.expect(r"GUEST-UP Linux (\S+) ia64", 240)
    quiet(g)


def to_linux(g):
    to_grub(g)
    to_shell(g)


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r", "")


def grub_command(g, line):
    """What GRUB printed for a command, the echo of the line left out."""
    start = len(g.text)
    g.send(line + "\r")
    g.expect(r"(?s)\n.*grub> ", 60)
    return plain(g.text[start:g.seen]).split("\n", 1)[1]


def power_off(g, line="poweroff -f"):
    g.send(line + "\n")
    status = g.wait(120)
    check(status == 0, "status after %s: %d\n%s" % (line, status, g.stderr()))
