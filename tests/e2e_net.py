"""A Linux guest on a user network: DHCP, a name, files by HTTP from and to the host's loopback with
equal checksums, the guest's httpd and telnetd through forwarded ports, datagrams, TFTP that leads
nowhere else, IPv6, a capture file, an uplink process that can do little.

The test runs in a network namespace of its own where it may have one: the name server needs port 53.

usage: e2e_net.py [MEGABYTES]
"""
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from netutil import (boot, capture, check, enter_namespace, free_port, http_server, pings, sha256,
                     wait_until)

MEGABYTES = int(sys.argv[1]) if len(sys.argv) > 1 else 20
SECONDS = 120 + 6 * MEGABYTES
MAC = "02-a1-b2-c3-d4-e5"
NAME, ADDRESS = "kittson.example", "192.0.2.77"
HTTPD, TELNETD, UDP, SIX = 80, 23, 7000, 7006  # in the guest


def get_address(g):
    g.command("ip link set eth0 up", 60)
    out = g.command("udhcpc -i eth0 -n -q -t 10", 120)
    check("lease of 10.0.2.15 obtained from 10.0.2.2" in out, "no DHCP lease: " + out)
    out = g.command("ip link show eth0", 30)
    check(MAC.replace("-", ":") in out, "the MAC address is another: " + out)
    check(pings(g, "10.0.2.2") == 3, "the router does not answer")


# --- names ---

def answer(query):
    """The answer to a query for NAME: its address; for others: no such name."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack_from(">H", query, at + 1)[0]
    question = query[12:at + 5]
    known = ".".join(labels) == NAME
    record = b""
    if known and kind == 1:
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(ADDRESS)
    flags = 0x8180 if known else 0x8183
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(record) > 0, 0, 0) + question + record


def serve_names():
    """On port 53 of the loopback; False where that is not allowed."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.bind(("127.0.0.1", 53))
    except OSError as e:
        print("skipped: the name server's answer (port 53: %s)" % e)
        return False

    def serve():
        while True:
            query, peer = s.recvfrom(2048)
            s.sendto(answer(query), peer)
    threading.Thread(target=serve, daemon=True).start()
    return True


def resolves(g):
    out = g.command("nslookup -type=a %s" % NAME, 60)
    check(ADDRESS in out, "no address for the name: " + out)
    out = g.command("nslookup -type=a none.example", 60)
    check("NXDOMAIN" in out, "an address for no name: " + out)


# --- files ---

def files(g, data):
    with http_server(data) as server:
        url = "http://10.0.2.2:%d/" % server.server_address[1]
        out = g.command("wget -q -O /tmp/data %s; echo rc=$?" % url, SECONDS)
        check("rc=0" in out, "wget failed: " + out)
        got = g.command("sha256sum </tmp/data", SECONDS).split()[0]
        check(got == sha256(data), "bytes differ: wget from the host")
        # busybox's wget posts text only.
        g.command("(printf 'POST / HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n'; cat /tmp/data) | "
                  "nc 10.0.2.2 %d >/dev/null" % (len(data), server.server_address[1]), SECONDS)
        check(server.received is not None and sha256(server.received) == sha256(data),
              "bytes differ: upload to the host")


def read_all(s):
    data = bytearray()
    while True:
        part = s.recv(1 << 16)
        if not part:
            return bytes(data)
        data += part


def get_page(port):
    with socket.create_connection(("127.0.0.1", port), timeout=120) as s:
        s.sendall(b"GET /data HTTP/1.0\r\n\r\n")
        return read_all(s).split(b"\r\n\r\n", 1)[1]


def serve(g, command, port):
    """Starts a server of the guest; it goes to the background before it listens."""
    g.command("%s; until grep -q ':%04X .* 0A ' /proc/net/tcp /proc/net/tcp6; do :; done" %
              (command, port), 60)


def guest_httpd(g, port, data):
    serve(g, "httpd -p %d -h /tmp" % HTTPD, HTTPD)
    check(sha256(get_page(port)) == sha256(data), "bytes differ: the guest's httpd")


def guest_telnetd(g, port):
    serve(g, "telnetd -p %d -l /bin/sh" % TELNETD, TELNETD)
    with socket.create_connection(("127.0.0.1", port), timeout=120) as s:
        s.sendall(b"echo TELNET''-WORKS\r\n")
        got = b""
        while b"TELNET-WORKS" not in got:
            part = s.recv(4096)
            check(part, "the guest's telnetd: %r" % got)
            got += part


def udp(g, port):
    g.command("nc -u -l -p %d </dev/null >/tmp/udp & until grep -q :%04X /proc/net/udp "
              "/proc/net/udp6; do :; done" % (UDP, UDP), 60)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"datagram\n", ("127.0.0.1", port))
        out = g.command("until [ -s /tmp/udp ]; do :; done; kill $!; cat /tmp/udp", 60)
    check("datagram" in out, "a datagram through the forwarded port: " + out)


def six(g, port):
    """The guest has an address of the router's prefix, which the forward names."""
    wait_until(lambda: "fec0::77" in g.command("ip -6 addr add fec0::77/64 dev eth0 2>/dev/null; "
                                               "ip -6 addr show dev eth0 | grep -v tentative", 30),
               60, "no IPv6 address")
    out = g.command("ping6 -c 2 fec0::2 | grep received", 60)
    check("2 packets received" in out, "the router does not answer by IPv6: " + out)
    g.command("nc -l -p %d </dev/null >/tmp/six & until grep -q :%04X /proc/net/tcp6; do :; done" %
              (SIX, SIX), 60)
    with socket.create_connection(("::1", port), timeout=60) as s:
        s.sendall(b"by six\n")
        s.shutdown(socket.SHUT_WR)
        read_all(s)
    check("by six" in g.command("wait; cat /tmp/six", 60), "a forwarded IPv6 connection")


# --- TFTP ---

def make_tftp(path):
    os.makedirs(os.path.join(path, "root", "sub"))
    for name, text in (("secret", "outside"), ("root/plain", "inside"), ("root/sub/deep", "deeper"),
                       ("root/100%41.txt", "percent")):
        with open(os.path.join(path, name), "w") as f:
            f.write(text * 300)
    os.symlink("../secret", os.path.join(path, "root", "link"))
    os.symlink("/etc", os.path.join(path, "root", "etc"))
    os.mkfifo(os.path.join(path, "root", "fifo"))
    return os.path.join(path, "root")


def tftp(g):
    def get(name):
        return g.command("rm -f /tmp/t; tftp -g -l /tmp/t -r '%s' 10.0.2.2 >/dev/null 2>&1; "
                         "cat /tmp/t" % name, 60)
    for name, text in (("plain", "inside"), ("sub/deep", "deeper"), ("/plain", "inside"),
                       ("100%41.txt", "percent")):
        got = get(name)
        check(got == text * 300, "TFTP of %s: %s" % (name, got[:100]))
    for name in ("../secret", "sub/../../secret", "link", "/etc/passwd", "etc/passwd", "fifo",
                 "..%2fsecret", "%2e%2e/secret", "sub", "", ".", "nothing", "..\\secret",
                 "/../secret", "//etc/passwd", "sub/./../../secret", "proc/self/environ"):
        got = get(name)
        check("outside" not in got and "root:" not in got and "inside" not in got,
              "TFTP of %s: %s" % (name, got[:100]))


# --- the uplink's process ---

def uplink_process(g):
    with open("/proc/%d/task/%d/children" % (g.process.pid, g.process.pid)) as f:
        return int(f.read().split()[0])


def confined(g):
    """No privileges, no new ones, system calls filtered; nothing of the guest's is open in it."""
    child = uplink_process(g)
    with open("/proc/%d/status" % child) as f:
        status = dict(x.rstrip("\n").split(":\t", 1) for x in f if ":\t" in x)
    check(status["Name"] == "hpvmnetd", "the child is another: " + status["Name"])
    check(status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", "the process is not confined")
    for caps in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        check(int(status[caps], 16) == 0, "the process has capabilities: " + status[caps])
    try:
        names = [os.readlink("/proc/%d/fd/%s" % (child, fd))
                 for fd in os.listdir("/proc/%d/fd" % child)]
    except PermissionError:
        return  # not even we may look
    check(not any("vmlinux" in x or "initramfs" in x or "console" in x for x in names),
          "the process has files of the guest: %s" % names)


def dies(g):
    """Another process takes its place, with the forwards."""
    os.kill(uplink_process(g), signal.SIGKILL)
    wait_until(lambda: "its process has ended" in g.stderr(), 60, "nobody misses the process")
    wait_until(lambda: pings(g, "10.0.2.2", 1), 60, "the router does not come back")
    confined(g)


def check_counters(g):
    out = g.command("cd /sys/class/net/eth0/statistics; cat rx_errors tx_errors rx_crc_errors "
                    "rx_missed_errors; cd /", 30)
    check(out.split() == ["0"] * 4, "the adapter counts errors: " + out)


def check_capture(path):
    frames = capture(path)
    mac = bytes.fromhex(MAC.replace("-", ""))
    check(len(frames) > 1000, "few frames were captured")
    check(any(f[6:12] == mac for _, f in frames) and any(f[:6] == mac for _, f in frames),
          "only one direction was captured")
    times = [t for t, _ in frames]
    check(times == sorted(times), "time stamps go back")
    check(any(f[34:38] == b"\x00\x44\x00\x43" for _, f in frames), "no DHCP in the capture")


def test():
    names = serve_names()
    data = random.Random(4).randbytes(MEGABYTES << 20)
    ports = [free_port() for _ in range(4)]
    with tempfile.TemporaryDirectory(prefix="kn") as path:
        net = ("user,hostfwd=tcp:127.0.0.1:%d-:%d,hostfwd=tcp:127.0.0.1:%d-:%d,"
               "hostfwd=udp:127.0.0.1:%d-:%d,hostfwd=tcp:[::1]:%d-[fec0::77]:%d,mac=%s,"
               "dns=127.0.0.1,tftp=%s,pcap=%s/capture" %
               (ports[0], HTTPD, ports[1], TELNETD, ports[2], UDP, ports[3], SIX, MAC,
                make_tftp(path), path))
        with boot(net) as g:
            confined(g)
            get_address(g)
            if names:
                resolves(g)
            files(g, data)
            guest_httpd(g, ports[0], data)
            guest_telnetd(g, ports[1])
            udp(g, ports[2])
            tftp(g)
            six(g, ports[3])
            check_counters(g)
            check("ended" not in g.stderr(), "the uplink's process ended: " + g.stderr())
            dies(g)
            g.send("poweroff -f\n")
            check(g.wait(120) == 0, "the guest did not power off")
        check_capture(os.path.join(path, "capture"))


enter_namespace()
guest.main(test)
