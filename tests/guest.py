"""A kittson process with its console on a Unix socket, for end-to-end tests and benchmarks.

Every wait has a deadline and ends when the text arrives or the process ends: no fixed sleeps.
"""
import gzip
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("KITTSON_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.environ.get("KITTSON") or os.path.join(SOURCE, "build", "bin", "kittson")
SHARED = os.environ.get("KITTSON_SHARED") or os.path.join(SOURCE, "..", "shared")
SKIPPED = 77
CACHE = os.path.join(os.path.expanduser("~"), ".cache", "kittson")  # unpacked images


def need(*paths):
    """Ends as skipped when a file below ../shared is missing; returns the full paths."""
    full = [os.path.join(SHARED, p) for p in paths]
    for p in full:
        if not os.path.exists(p):
            print("skipped: %s is not there (set KITTSON_SHARED)" % p)
            sys.exit(SKIPPED)
    return full


def unpacked(packed):
    """The image in the cache; unpacked again when the archive is newer."""
    os.makedirs(CACHE, exist_ok=True)
    path = os.path.join(CACHE, os.path.basename(packed)[:-3])
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(packed):
        part = tempfile.NamedTemporaryFile(dir=CACHE, delete=False)
        with gzip.open(packed) as source, part:
            shutil.copyfileobj(source, part, 1 << 20)
        os.rename(part.name, path)
    return path


def cross_compiler():
    """A C compiler for guest programs, unpacked to where it belongs if that is possible; else skipped."""
    compiler = "/opt/ia64full/bin/ia64-linux-gnu-gcc"
    if not os.path.exists(compiler):
        archive, = need("toolchain/ia64-toolchain.tar.xz")
        if not os.access("/opt", os.W_OK):
            print("skipped: %s is not there, and /opt cannot be written" % compiler)
            sys.exit(SKIPPED)
        subprocess.run(["tar", "-C", "/opt", "-xJf", archive], check=True)
    if shutil.which("ia64-linux-gnu-as") is None:
        print("skipped: ia64-linux-gnu-as is not there (binutils-ia64-linux-gnu)")
        sys.exit(SKIPPED)
    return compiler


class GuestError(Exception):
    pass


class Guest:
    def __init__(self, *options, log=None):
        self.dir = tempfile.TemporaryDirectory(prefix="kittson-")
        self.path = os.path.join(self.dir.name, "console")
        self.text = ""  # everything the guest printed
        self.seen = 0   # how much of it expect() has consumed
        self.log = log
        self.sock = None
        self.errors = open(os.path.join(self.dir.name, "stderr"), "w+")
        self.started = time.monotonic()
        # Tests of guests can be run on another kind of processor than the default one.
        cpu = os.environ.get("KITTSON_TEST_CPU")
        if cpu and "--cpu" not in options:
            options = ("--cpu", cpu, *options)
        self.process = subprocess.Popen(
            [PROGRAM, "run", "--console", "unix:" + self.path, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.sock:
            self.sock.close()
        self.errors.close()
        self.dir.cleanup()

    def stderr(self):
        with open(self.errors.name) as f:
            return f.read()

    def fail(self, what):
        tail = self.text[-2000:]
        raise GuestError("%s\n--- stderr\n%s--- end of the console\n%s" %
                         (what, self.stderr(), tail))

    def connect(self, seconds=20):
        end = time.monotonic() + seconds
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(self.path)
                return self
            except OSError:
                self.sock.close()
                self.sock = None
            if self.process.poll() is not None:
                self.fail("the process ended with status %d" % self.process.returncode)
            if time.monotonic() > end:
                self.fail("no console socket after %d s" % seconds)
            # Nothing announces a socket in the file system; look again shortly.
            select.select([], [], [], 0.02)

    def pump(self, seconds):
        """Takes in what the guest prints within this time; False at the end of the stream."""
        ready, _, _ = select.select([self.sock], [], [], max(0, seconds))
        if not ready:
            return True
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            return False
        text = data.decode("utf-8", "replace")
        self.text += text
        if self.log:
            self.log.write(text)
            self.log.flush()
        return True

    def expect(self, pattern, seconds):
        """Waits until the pattern appears in new output; returns the match."""
        expression = re.compile(pattern)
        end = time.monotonic() + seconds
        while True:
            match = expression.search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return match
            left = end - time.monotonic()
            if left <= 0:
                self.fail("%r did not appear within %d s" % (pattern, seconds))
            if not self.pump(left):
                match = expression.search(self.text, self.seen)
                if not match:
                    self.fail("the console closed while waiting for %r" % pattern)

    def send(self, text):
        self.sock.sendall(text.encode())

    def command(self, line, seconds):
        """Runs a shell command in the guest; returns what it printed."""
        number = len(self.text)
        # The quotes keep the echo of the typed line from looking like the marks.
        self.send("echo BEGIN''-%d; %s; echo END''-%d\n" % (number, line, number))
        self.expect(r"BEGIN-%d\r?\n" % number, seconds)
        start = self.seen
        match = self.expect(r"END-%d\r?\n" % number, seconds)
        return self.text[start:match.start()].replace("\r", "").strip("\n")

    def wait(self, seconds):
        """Exit status of the process; the console is drained meanwhile."""
        end = time.monotonic() + seconds
        open_ = self.sock is not None
        while self.process.poll() is None:
            left = end - time.monotonic()
            if left <= 0:
                self.fail("still running after %d s" % seconds)
            if open_:
                open_ = self.pump(min(left, 0.2))
            else:
                try:
                    self.process.wait(left)
                except subprocess.TimeoutExpired:
                    pass
        while open_ and self.pump(0):
            if not select.select([self.sock], [], [], 0)[0]:
                break
        return self.process.returncode


def allowed_log_lines():
    """Regular expressions, one per line; what follows a # after two blanks is the reason."""
    path = os.path.join(SOURCE, "tests", "kernel-log-allowed.txt")
    with open(path) as f:
        lines = [x.split("  #")[0].strip() for x in f]
    return [re.compile(x) for x in lines if x and not x.startswith("#")]


def check_kernel_log(g):
    """Fails for kernel messages of level warning or worse that are not on the list."""
    log = g.command("dmesg -r | grep '^<[01234]>'", 60)
    allowed = allowed_log_lines()
    bad = [x for x in log.split("\n") if x and not any(a.search(x) for a in allowed)]
    if bad:
        raise GuestError("kernel log lines of warning or worse:\n" + "\n".join(bad))


def partition_offset(path, number):
    """Byte offset of a GPT partition with 512-byte sectors."""
    with open(path, "rb") as f:
        f.seek(512)
        header = f.read(92)
        if header[:8] != b"EFI PART":
            raise GuestError("no GPT on " + path)
        table, = struct.unpack_from("<Q", header, 72)
        size, = struct.unpack_from("<I", header, 84)
        f.seek(table * 512 + (number - 1) * size + 32)
        return struct.unpack("<Q", f.read(8))[0] * 512


def clean_file_system(disk, overlay=None, files=()):
    """The second partition was unmounted in order, after the overlay was written into it, and has
    these files: a dictionary of contents by path."""
    if overlay:
        p = subprocess.run([PROGRAM, "overlay", "commit", overlay], capture_output=True, text=True)
        if p.returncode != 0:
            raise GuestError("overlay commit: " + p.stderr)
    if shutil.which("e2fsck") is None or shutil.which("debugfs") is None:
        print("not checked: the file system (e2fsck is not installed)")
        return
    part = "%s?offset=%d" % (disk, partition_offset(disk, 2))
    p = subprocess.run(["e2fsck", "-fn", part], capture_output=True, text=True)
    if p.returncode != 0:
        raise GuestError("e2fsck: %d\n%s%s" % (p.returncode, p.stdout, p.stderr))
    for name in files:
        out = subprocess.run(["debugfs", "-R", "cat " + name, part], capture_output=True,
                             text=True).stdout
        if out != files[name]:
            raise GuestError("%s has %r" % (name, out))


def monitor(path, *command):
    """`kittson monitor` on a socket: the finished process with its output."""
    return subprocess.run([PROGRAM, "monitor", "unix:" + path, *command], capture_output=True,
                          text=True, timeout=120)


def main(test):
    """Runs a test function; failures are printed with the guest's last words."""
    try:
        test()
    except GuestError as e:
        print("FAILED: %s" % e)
        sys.exit(1)
