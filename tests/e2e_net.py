"""A Linux guest on a user network: an address by DHCP, the router answers, and files go both ways
through a forwarded port and by HTTP from the host's loopback, with equal checksums."""
import hashlib
import http.server
import os
import random
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
CONSOLE = "console=ttyS0,115200n8"
PROMPT = r"guest# "
MAC = "02-a1-b2-c3-d4-e5"
SIZE = 8 << 20
PORT = 7000  # in the guest


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check_sum(g, path, data, what):
    got = g.command("sha256sum " + path, 120).split()[0]
    check(got == sha256(data), "bytes differ: " + what)


def get_address(g):
    g.command("ip link set eth0 up", 60)
    out = g.command("udhcpc -i eth0 -n -q -t 10", 120)
    check("lease of 10.0.2.15 obtained from 10.0.2.2" in out, "no DHCP lease: " + out)
    out = g.command("ip link show eth0", 30)
    check(MAC.replace("-", ":") in out, "the MAC address is another: " + out)
    out = g.command("ping -c 3 10.0.2.2", 60)
    check("3 packets received" in out, "the router does not answer: " + out)


def listen(g, redirection):
    """Starts nc in the guest's background; back when it listens."""
    g.command("nc -l -p %d %s & until grep -q :%04X /proc/net/tcp /proc/net/tcp6; do :; done" %
              (PORT, redirection, PORT), 60)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def read_all(s):
    data = bytearray()
    while True:
        part = s.recv(1 << 16)
        if not part:
            return bytes(data)
        data += part


def forwarded(g, port, data):
    listen(g, "</dev/null >/tmp/in")
    with connect(port) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        read_all(s)
    g.command("wait", 120)
    check_sum(g, "/tmp/in", data, "host to guest, forwarded")
    listen(g, "</tmp/in")
    with connect(port) as s:
        got = read_all(s)
    check(sha256(got) == sha256(data), "bytes differ: guest to host, forwarded (%d)" % len(got))


class Server(http.server.BaseHTTPRequestHandler):
    data = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_):
        pass


def fetched(g, data):
    Server.data = data
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        out = g.command("wget -q -O /tmp/got http://10.0.2.2:%d/; echo rc=$?" %
                        server.server_address[1], 300)
        server.shutdown()
    check("rc=0" in out, "wget failed: " + out)
    check_sum(g, "/tmp/got", data, "wget from the host")


def udp(g, port):
    g.command("nc -u -l -p %d </dev/null >/tmp/udp & until grep -q :%04X /proc/net/udp "
              "/proc/net/udp6; do :; done" % (PORT, PORT), 60)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"datagram\n", ("127.0.0.1", port))
        out = g.command("until [ -s /tmp/udp ]; do :; done; kill $!; cat /tmp/udp", 60)
    check("datagram" in out, "a datagram through the forwarded port: " + out)


def check_counters(g):
    out = g.command("cd /sys/class/net/eth0/statistics; cat rx_errors tx_errors rx_crc_errors "
                    "rx_missed_errors; cd /", 30)
    check(out.split() == ["0"] * 4, "the adapter counts errors: " + out)


def test():
    data = random.Random(4).randbytes(SIZE)
    port = free_port()
    net = "user,hostfwd=tcp:127.0.0.1:%d-:%d,hostfwd=udp:127.0.0.1:%d-:%d,mac=%s" % (
        port, PORT, port, PORT, MAC)
    with guest.Guest("--kernel", KERNEL, "--initrd", INITRD, "--append", CONSOLE, "--net",
                     net) as g:
        g.connect()
        g.expect(PROMPT, 300)
        get_address(g)
        forwarded(g, port, data)
        fetched(g, data)
        udp(g, port)
        check_counters(g)
        g.send("poweroff -f\n")
        check(g.wait(120) == 0, "the guest did not power off")


guest.main(test)
