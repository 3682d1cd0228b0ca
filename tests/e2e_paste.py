"""Pasting 10 kB: into a file of the Linux guest through a Unix socket and through a terminal on
standard input, with nothing lost; and into the firmware's menus, with no harm done."""
import hashlib
import os
import pty
import random
import re
import select
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
import screen

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
LINUX = ["-m", "512M", "--kernel", KERNEL, "--initrd", INITRD, "--append",
         "console=ttyS0,115200n8"]
PROMPT = r"guest# "
SIZE = 10240


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def text(seed):
    """Lines of printable characters, 10 kB in all."""
    r = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:-_"
    lines = ""
    while len(lines) < SIZE:
        lines += "".join(r.choice(letters) for _ in range(r.randrange(1, 120))) + "\n"
    return lines[:SIZE - 1] + "\n"


class Terminal(guest.Guest):
    """kittson with its console on the terminal it is started from."""

    def __init__(self, *options):
        self.dir = tempfile.TemporaryDirectory(prefix="kittson-")
        self.text, self.seen, self.log = "", 0, None
        self.errors = open(os.path.join(self.dir.name, "stderr"), "w+")
        self.master, self.slave = pty.openpty()
        self.sock = None
        self.process = subprocess.Popen(
            [guest.PROGRAM, "run", *options], stdin=self.slave, stdout=self.slave,
            stderr=self.errors, start_new_session=True, preexec_fn=self.take_terminal)

    def take_terminal(self):
        import fcntl
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        os.close(self.master)
        os.close(self.slave)

    def pump(self, seconds):
        if select.select([self.master], [], [], max(0, seconds))[0]:
            # The terminal puts a return before every new line, as it does for any program.
            self.text += os.read(self.master, 65536).decode("latin-1").replace("\r\n", "\n")
        return self.process.poll() is None

    def send(self, text):
        """Takes in output meanwhile: a terminal's two directions are not independent."""
        data = text.encode()
        os.set_blocking(self.master, False)
        while data:
            _, writable, _ = select.select([], [self.master], [], 0.05)
            if writable:
                try:
                    data = data[os.write(self.master, data):]
                except BlockingIOError:
                    pass
            os.set_blocking(self.master, True)
            self.pump(0)
            os.set_blocking(self.master, False)
        os.set_blocking(self.master, True)


def into_linux(g, seed):
    g.expect(PROMPT, 480)
    content = text(seed)
    g.send("cat >/tmp/pasted\n")
    g.expect(r"cat >/tmp/pasted\s", 60)
    g.send(content + "\x04")
    g.expect(PROMPT, 120)
    out = g.command("wc -c </tmp/pasted; md5sum </tmp/pasted", 60)
    check(out.split()[:2] == [str(SIZE), hashlib.md5(content.encode()).hexdigest()],
          "pasted %d bytes, came: %s" % (SIZE, out))


def raw_mode(g):
    """The same when the guest reads every byte by itself, and slowly."""
    content = text(3).replace("\n", " ")
    g.send("stty raw -echo; echo RE''ADY; sleep 1; dd bs=1 count=%d 2>/dev/null | md5sum; "
           "stty sane; echo AF''TER\n" % SIZE)
    g.expect("READY", 60)
    g.send(content)
    match = g.expect(r"([0-9a-f]{32})", 240)
    check(match.group(1) == hashlib.md5(content.encode()).hexdigest(), "bytes lost in raw mode")
    g.expect("AFTER", 60)


def into_menus(tmp):
    """Every kind of byte but those that choose an item."""
    r = random.Random(4)
    noise = "".join(chr(r.choice([x for x in range(1, 127) if x not in (10, 13, 27)]))
                    for _ in range(SIZE))
    image = os.path.join(tmp, "blank")
    with open(image, "wb") as f:
        f.truncate(1 << 20)
    with guest.Guest("-m", "64M", "--disk", image) as g:
        g.connect()
        m = screen.Menus(g)
        m.see("Please select a boot option")
        g.send(noise)
        m.see("Boot option maintenance menu")
        m.gone("will be booted in", 60)
        m.send("\x1b[H" * 4)
        m.choose("Boot option maintenance menu")
        m.see("Main Menu. Select an Operation")
        m.choose("Add a Boot Option")
        m.see("Select a Volume")
        m.choose("Load File [EFI Shell")
        m.see("Enter New Description:")
        g.send(noise)
        g.send("\b" * 200 + "after the noise\r")
        m.answer("Enter BootOption Data Type [A-Ascii U-Unicode N-No BootOption] :", "N")
        m.answer("Save changes to NVRAM [Y-Yes N-No]:", "Y")
        m.see("The boot option is saved to NVRAM")
        g.send(noise)
        m.send("\x1b[F\r")
        m.see("after the noise")


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        into_menus(tmp)
    with guest.Guest(*LINUX) as g:
        g.connect()
        into_linux(g, 1)
        raw_mode(g)
    with Terminal(*LINUX) as g:
        into_linux(g, 2)
        g.send("\x02x")
        check(g.process.wait(60) == 1, "Ctrl-B X")


guest.main(test)
