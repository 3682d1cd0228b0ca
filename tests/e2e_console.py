"""The console with the demo guest: a terminal (raw mode, Ctrl-B keys, settings restored at the end
and after a signal) and a Unix socket. Needs nothing outside the tree."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

DEMO = os.path.join(os.environ.get("KITTSON_BUILD", os.path.join(guest.SOURCE, "build")),
                    "guests", "demo.elf")
ECHO = ["--kernel", DEMO, "--append", "echo"]


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


class Terminal:
    """kittson run on a pseudo-terminal."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.process = subprocess.Popen(
            [guest.PROGRAM, "run", *ECHO], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, preexec_fn=lambda: self.take_terminal())

    def take_terminal(self):
        import fcntl
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def expect(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            left = end - time.monotonic()
            if left <= 0:
                raise guest.GuestError("no %r on the terminal:\n%s" % (pattern, self.text))
            if select.select([self.master], [], [], left)[0]:
                self.text += os.read(self.master, 65536).decode("latin-1")
        self.text = self.text[re.search(pattern, self.text).end():]

    def send(self, data):
        os.write(self.master, data)

    def finish(self, status):
        got = self.process.wait(60)
        check(got == status, "status %d, not %d" % (got, status))
        check(termios.tcgetattr(self.slave) == self.before, "terminal settings not restored")
        os.close(self.master)
        os.close(self.slave)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO)


def keys():
    t = Terminal()
    t.expect("q ends: ")
    check(t.is_raw(), "terminal not in raw mode")
    t.send(b"hello")
    t.expect("hello")
    t.send(b"\x02\x02z\x03z")
    t.expect("\x02z\x03z")  # one Ctrl-B, and Ctrl-C goes to the guest
    t.send(b"\x02x")
    t.expect("ended from the console")
    t.finish(1)


def power_off():
    t = Terminal()
    t.expect("q ends: ")
    t.send(b"q")
    t.expect("Powering off")
    t.finish(0)


def signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        t = Terminal()
        t.expect("q ends: ")
        t.process.send_signal(number)
        t.expect("ended by signal")
        t.finish(1)


def sockets():
    with guest.Guest(*ECHO, "--deterministic") as g:
        g.connect()
        g.expect("q ends: ", 60)
        g.send("abc")
        g.expect("abc", 60)
        g.sock.close()  # another client takes over
        g.connect()
        g.send("defq")
        g.expect("Powering off", 60)
        check(g.wait(60) == 0, "status after power-off")
        check(not os.path.exists(g.path), "socket file left behind")


def test():
    keys()
    power_off()
    signals()
    sockets()


guest.main(test)
