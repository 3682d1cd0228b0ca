"""A program on a pseudo-terminal, for tests: what it shows, its terminal modes, how it ends. Every
wait has a deadline.
"""
import os
import pty
import select
import subprocess
import termios
import time

SECONDS = 120


class TerminalError(Exception):
    pass


class Terminal:
    def __init__(self, *command, out=None, env=None):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.process = subprocess.Popen(command, stdin=self.slave, env=env,
                                        stdout=self.slave if out is None else out,
                                        stderr=subprocess.PIPE, start_new_session=True)

    def expect(self, text, seconds=SECONDS):
        """Returns what was shown up to the end of text."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            ready, _, _ = select.select([self.master], [], [], 1)
            if ready:
                self.text += os.read(self.master, 4096).decode("latin-1")
            elif time.monotonic() > deadline or self.process.poll() is not None:
                raise TerminalError("%r did not come, but %r" % (text, self.text[-3000:]))
        cut = self.text.find(text)
        seen = self.text[:cut + len(text)]
        self.text = self.text[cut + len(text):]
        return seen

    def type(self, text):
        os.write(self.master, text.encode("latin-1"))

    def modes(self):
        return termios.tcgetattr(self.slave)

    def raw(self):
        return not self.modes()[3] & termios.ICANON

    def wait_raw(self, raw):
        deadline = time.monotonic() + SECONDS
        while self.raw() != raw:
            if time.monotonic() > deadline:
                raise TerminalError("the terminal is %sraw" % ("not " if raw else ""))
            time.sleep(0.01)

    def end(self, status):
        """Waits for the end; the terminal must be as it was. Returns standard error."""
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                self.process.kill()
                raise TerminalError("the program does not end")
            if select.select([self.master], [], [], 0.05)[0]:
                self.text += os.read(self.master, 4096).decode("latin-1")
        if self.process.returncode != status:
            raise TerminalError("exit status %d, not %d" % (self.process.returncode, status))
        if self.modes() != self.before:
            raise TerminalError("the terminal was not given back")
        errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
        return errors
