"""A private state of the hpvm commands with helpers to run them, look at processes, and talk to the
sockets of running guests. Every wait has a deadline; there are no fixed sleeps for results.

The test becomes the reaper of what it starts, so that ended processes do not linger as zombies.
"""
import ctypes
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

BIN = os.path.dirname(os.path.abspath(guest.PROGRAM))
PR_SET_CHILD_SUBREAPER = 36
PROMPT = r"guest# "
SLOW = 120  # seconds: for things that take moments on an idle computer


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def copy_sparse(path, to):
    subprocess.run(["cp", "--sparse=always", path, to], check=True)


def boot(c):
    """disk.img in a console, from the boot manager to the shell."""
    c.expect(r"EFI Boot Manager ver 1\.10")
    c.type("\r")
    c.expect(r"highlighted entry will be executed")
    c.type("\r")
    c.expect(r"Linux version 6\.1")
    c.expect(r"GUEST-UP Linux \S+ ia64", 400)
    c.expect(PROMPT)


def shell(c, line):
    """What a command in the guest's shell prints."""
    c.type("\necho BEG''IN; %s; echo E''ND\n" % line)
    return c.expect(r"(?s)BEGIN\r\n(.*?)END\r\n").group(1).replace("\r", "")


def reap():
    """Collects ended processes that nobody waits for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


class Host:
    def __init__(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.dir = tempfile.mkdtemp(prefix="hpvm-")
        self.root = os.path.join(self.dir, "state")
        self.runtime = os.path.join(self.dir, "run")
        self.conf = os.path.join(self.dir, "hpvmconf")
        with open(self.conf, "w") as f:
            f.write("MAXVCPUS=4\nSTOPTIMEOUT=60\n")
        self.env = dict(os.environ, HPVM_ROOT=self.root, HPVM_RUNTIME=self.runtime,
                        HPVM_CONF=self.conf, PATH=BIN + ":" + os.environ["PATH"])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.until(lambda: not self.processes(), "end of all processes")
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *command, **more):
        return subprocess.Popen([os.path.join(BIN, command[0]), *command[1:]], env=self.env,
                                stdin=more.pop("stdin", subprocess.DEVNULL),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def run(self, *command, status=0, text=None):
        """Runs a command; its output. status None: any."""
        p = self.start(*command, stdin=subprocess.PIPE)
        try:
            out, err = p.communicate(text or "", timeout=600)
        except subprocess.TimeoutExpired:
            p.kill()
            raise guest.GuestError("%s does not end" % " ".join(command))
        check(status is None or p.returncode == status,
              "%s: status %d\n%s%s" % (" ".join(command)[:200], p.returncode, out, err))
        self.err = err
        return out

    def states(self):
        """Name to state, as hpvmstatus prints them."""
        out = self.run("hpvmstatus", status=None)
        rows = [l for l in out.split("\n")[3:] if l]
        return {l.split()[0]: l[35:44].strip() for l in rows}

    def uuid(self, name):
        return os.path.basename(os.path.realpath(os.path.join(self.root, "guests", name)))

    def file(self, name, *path):
        return os.path.join(self.root, "uuids", self.uuid(name), *path)

    def read(self, name, *path):
        with open(self.file(name, *path), errors="replace") as f:
            return f.read()

    def pid(self, name):
        m = re.search(r"^pid = (\d+)$", self.read(name, "run"), re.M)
        return int(m.group(1)) if m else 0

    def processes(self):
        """Processes of guests of this state that have not ended."""
        reap()
        found = []
        for p in os.listdir("/proc"):
            try:
                if p.isdigit() and self.is_ours(p):
                    found.append(int(p))
            except OSError:
                pass
        return found

    def is_ours(self, pid):
        with open("/proc/%s/cmdline" % pid, "rb") as f:
            line = f.read()
        return b"hpvmapp" in line.split(b"\0")[0] and self.root.encode() in line

    def until(self, condition, what, seconds=SLOW):
        end = time.monotonic() + seconds
        while not condition():
            check(time.monotonic() < end, "waited in vain for " + what)
            time.sleep(0.02)

    def leftovers(self):
        """What a state without running guests must not have."""
        left = []
        for top, dirs, files in os.walk(self.runtime):
            left += [os.path.join(top, n) for n in dirs + files if n != "switch"]
            dirs[:] = [d for d in dirs if d != "switch"]  # those have a life of their own
        for top, dirs, files in os.walk(self.root):
            left += [os.path.join(top, n) for n in dirs + files
                     if n.startswith("~") or n.startswith(".")]
        return left


class Console:
    """A viewer: frames of vmp/app_proto.h."""

    def __init__(self, host, name, hello=None, quiet=False, path=None):
        path = os.path.join(path or os.path.join(host.runtime, host.uuid(name)), "console")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.text = ""
        self.seen = 0
        self.frames = []
        self.buffer = b""
        self.ended = False
        if hello is None:
            version = subprocess.run([guest.PROGRAM, "--version"], capture_output=True,
                                     text=True).stdout.split()[1]
            hello = "%s 2 %d 0 0 0" % (version, quiet)
        if hello:
            self.send("H", hello)

    def close(self):
        self.sock.close()

    def send(self, kind, data=""):
        data = data.encode() if isinstance(data, str) else data
        self.sock.sendall(struct.pack("<cBH", kind.encode(), 0, len(data)) + data)

    def type(self, text):
        self.send("D", text)

    def pump(self, seconds):
        if self.ended or not select.select([self.sock], [], [], seconds)[0]:
            return
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        self.ended = not data
        self.buffer += data
        while len(self.buffer) >= 4:
            n = struct.unpack("<H", self.buffer[2:4])[0]
            if len(self.buffer) < 4 + n:
                break
            kind, body = chr(self.buffer[0]), self.buffer[4:4 + n]
            self.buffer = self.buffer[4 + n:]
            self.frames.append((kind, body))
            if kind == "D":
                self.text += body.decode("utf-8", "replace")

    def expect(self, pattern, seconds=SLOW):
        """Waits for text after what was expected before."""
        end = time.monotonic() + seconds
        while True:
            m = re.search(pattern, self.text[self.seen:])
            if m:
                self.seen += m.end()
                return m
            check(not self.ended and time.monotonic() < end,
                  "waited for %r in:\n%s" % (pattern, self.text[-2000:]))
            self.pump(0.5)

    def frame(self, kind, seconds=SLOW):
        """The data of the next frame of one of these kinds."""
        end = time.monotonic() + seconds
        while True:
            for i, (k, body) in enumerate(self.frames):
                if k in kind:
                    del self.frames[i]
                    return body.decode("utf-8", "replace")
            check(not self.ended and time.monotonic() < end, "no %s frame" % kind)
            self.pump(0.5)

    def wait_end(self, seconds=SLOW):
        end = time.monotonic() + seconds
        while not self.ended:
            check(time.monotonic() < end, "the connection does not end")
            self.pump(0.5)
