"""What the network tests and the network benchmark share: a switch process, captures, servers."""
import contextlib
import fcntl
import hashlib
import http.server
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import guest

CONSOLE = "console=ttyS0,115200n8"
PROMPT = r"guest# "


def images():
    return guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def set_up(interface, address=None):
    """Sets an interface of this namespace up, with an IPv4 address (of a /24)."""
    name = interface.encode().ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for request, a in ((0x8916, address), (0x891c, address and "255.255.255.0")):
            if a:  # SIOCSIFADDR, SIOCSIFNETMASK
                fcntl.ioctl(s, request, name + struct.pack("=HH4s8x", socket.AF_INET, 0,
                                                           socket.inet_aton(a)))
        fcntl.ioctl(s, 0x8914, name + struct.pack("=H14x", 0x41))  # SIOCSIFFLAGS: up, running


def enter_namespace(required=False):
    """Starts the script again as root of a user and network namespace, where that is possible."""
    if os.environ.get("KITTSON_IN_NAMESPACE"):
        set_up("lo")
        return
    inside = dict(os.environ, KITTSON_IN_NAMESPACE="1")
    try:
        possible = subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        possible = False
    if possible:
        os.execvpe("unshare", ["unshare", "-rn", sys.executable, *sys.argv], inside)
    if required:
        print("skipped: user namespaces are not possible here")
        sys.exit(guest.SKIPPED)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds, what):
    """Looks again and again, as nothing announces the event."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        check(time.monotonic() < end, what)
        select.select([], [], [], 0.02)


@contextlib.contextmanager
def boot(net, *options):
    """A Linux guest with one adapter, at its prompt."""
    kernel, initrd = images()
    with guest.Guest("--kernel", kernel, "--initrd", initrd, "--append", CONSOLE, "--net", net,
                     *options) as g:
        g.connect()
        g.expect(PROMPT, 300)
        yield g


class Switch:
    """An hpvmnetd in the foreground, in a runtime directory of the test's own."""

    def __init__(self, name, *options):
        self.name = name
        self.options = options
        self.program = os.path.join(os.path.dirname(guest.PROGRAM), "hpvmnetd")
        self.dir = tempfile.TemporaryDirectory(prefix="kn")
        os.environ["HPVM_RUNTIME"] = self.dir.name
        self.errors = open(os.path.join(self.dir.name, "stderr"), "w+")
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program, "--name", self.name, *self.options],
                                        stdin=subprocess.DEVNULL, stderr=self.errors)
        wait_until(self.answers, 60, "the switch does not answer")

    def answers(self):
        check(self.process.poll() is None, "the switch has ended: " + self.stderr())
        return self.ask("status", True) is not None

    def stderr(self):
        with open(self.errors.name) as f:
            return f.read()

    def ask(self, request, may_fail=False):
        r = subprocess.run([self.program, "--name", self.name, "--ask", request],
                           capture_output=True, text=True, timeout=60)
        if r.returncode != 0:
            check(may_fail, "%s: %s" % (request, r.stderr))
            return None
        return r.stdout

    def status(self):
        """{"switch": {...}, "1": {...}, "uplink": {...}}"""
        found = {}
        for line in self.ask("status").splitlines():
            words = line.split()
            fields = dict(w.split("=", 1) for w in words[1:])
            found["switch" if words[0] == "switch" else fields["number"]] = fields
        return found

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
        self.errors.close()
        self.dir.cleanup()


def capture(path):
    """[(seconds, frame)] of a capture file."""
    with open(path, "rb") as f:
        data = f.read()
    magic, major, minor, _, _, _, link = struct.unpack_from("<IHHIIII", data)
    check((magic, major, minor, link) == (0xa1b23c4d, 2, 4, 1), "no capture file: " + path)
    frames, at = [], 24
    while at < len(data):
        seconds, ns, kept, length = struct.unpack_from("<IIII", data, at)
        check(kept == length and at + 16 + kept <= len(data), "a broken record: " + path)
        frames.append((seconds + ns / 1e9, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return frames


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.data)))
        self.end_headers()
        self.wfile.write(self.server.data)

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        parts = []
        while left > 0:
            part = self.rfile.read(min(left, 1 << 20))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        self.server.received = b"".join(parts)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def http_server(data, address="127.0.0.1"):
    """.received holds what was posted last."""
    with http.server.ThreadingHTTPServer((address, 0), Handler) as server:
        server.data = data
        server.received = None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def static_address(g, address):
    g.command("ip link set eth0 up; ip addr add %s/24 dev eth0" % address, 60)


def pings(g, address, count=3):
    """How many of so many pings were answered."""
    out = g.command("ping -c %d -W 2 %s | grep received" % (count, address), 120)
    check("received" in out, "ping: " + out)
    return int(out.split(" packets received")[0].split()[-1])


def counters(g):
    """/sys/class/net/eth0/statistics as numbers."""
    out = g.command("cd /sys/class/net/eth0/statistics; for i in *; do echo $i $(cat $i); done; "
                    "cd /", 60)
    return {k: int(v) for k, v in (x.split() for x in out.splitlines())}


def pairs_of(g, protocol, path):
    out = g.command("grep ^%s: %s" % (protocol, path), 60).splitlines()
    return {k: int(v) for k, v in zip(out[0].split()[1:], out[1].split()[1:])}


def snmp(g, protocol):
    return pairs_of(g, protocol, "/proc/net/snmp")


def netstat(g):
    return pairs_of(g, "TcpExt", "/proc/net/netstat")
