#!/usr/bin/env python3
"""Network: throughput and round-trip time, guest to host over a user network and guest to guest
over a switch, with the CPU time of guest, adapter and switch.

usage: net.py [--cpu KIND] [--megabytes N]
Needs the guest images of ../shared (or KITTSON_SHARED). "adapter" is the part of the guest's process
that the emulated adapter and its socket take; "switch" is hpvmnetd, with libslirp for the user network.
CPU columns are seconds per 100 MB, which a busy computer changes less than MB/s.
"""
import argparse
import glob
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import guest
from netutil import Switch, boot, http_server, pings, static_address, wait_until

A, B = "192.168.77.1", "192.168.77.2"
PORT = 7000


def cpu_seconds(pid):
    total = 0
    for task in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with open(task) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def child_of(g):
    with open("/proc/%d/task/%d/children" % (g.process.pid, g.process.pid)) as f:
        return int(f.read().split()[0])


class Meter:
    """CPU seconds of processes over a stretch of time."""

    def __init__(self, *pids):
        self.pids = pids

    def __enter__(self):
        self.before = [cpu_seconds(p) for p in self.pids]
        self.begun = time.monotonic()
        return self

    def __exit__(self, *exc):
        self.seconds = time.monotonic() - self.begun
        self.used = [cpu_seconds(p) - b for p, b in zip(self.pids, self.before)]


def row(what, megabytes, m):
    print("| %s | %.1f | %.1f | %s |" %
          (what, m.seconds, megabytes / m.seconds,
           " | ".join("%.2f" % (u * 100 / megabytes) for u in m.used)), flush=True)


def adapter_share(g, what):
    g.send("poweroff -f\n")
    g.wait(120)
    text = g.stderr()
    adapter = float(re.search(r"network adapters: ([\d.]+) s", text).group(1))
    cpu = float(re.search(r"in ([\d.]+) s of host CPU", text).group(1))
    print("%s: %.2f s of %.2f s of its process's CPU time in the adapter (%.0f %%)" %
          (what, adapter, cpu, 100 * adapter / cpu))


def round_trip(g, address, what, count=200):
    out = g.command("ping -q -c %d -i 0.01 %s | tail -1" % (count, address), 120)
    print("Round trip, %s: %s" % (what, out.split("= ")[-1]), flush=True)


def user(args):
    data = os.urandom(args.megabytes << 20)
    print("\n| user network | s | MB/s | guest | switch |\n|---|---|---|---|---|")
    with http_server(data) as server, boot("user", "--cpu", args.cpu, "--stats") as g:
        g.command("ip link set eth0 up; udhcpc -i eth0 -n -q -t 10", 120)
        port = server.server_address[1]
        pids = (g.process.pid, child_of(g))
        with Meter(*pids) as m:
            g.command("wget -q -O /tmp/got http://10.0.2.2:%d/" % port, 900)
        row("host to guest", args.megabytes, m)
        with Meter(*pids) as m:
            g.command("(printf 'POST / HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n'; cat /tmp/got) "
                      "| nc 10.0.2.2 %d >/dev/null" % (len(data), port), 900)
        row("guest to host", args.megabytes, m)
        print()
        round_trip(g, "10.0.2.2", "the router")
        adapter_share(g, "Guest")


def listen(g):
    g.command("nc -l -p %d </dev/null >/dev/null & until grep -q :%04X /proc/net/tcp "
              "/proc/net/tcp6; do :; done" % (PORT, PORT), 60)


def pair(args):
    with Switch("bench") as switch, \
            boot("switch:bench,mac=02-00-00-00-00-0a", "--cpu", args.cpu, "--stats") as a, \
            boot("switch:bench,mac=02-00-00-00-00-0b", "--cpu", args.cpu, "--stats") as b:
        static_address(a, A)
        static_address(b, B)
        wait_until(lambda: pings(a, B, 1), 60, "no ping")
        print("\n| two guests on a switch | s | MB/s | sender | receiver | switch |\n"
              "|---|---|---|---|---|---|")
        pids = (a.process.pid, b.process.pid, switch.process.pid)
        listen(b)
        with Meter(*pids) as m:
            a.command("dd if=/dev/zero bs=1M count=%d 2>/dev/null | nc %s %d" %
                      (args.megabytes, B, PORT), 900)
        row("TCP, one way", args.megabytes, m)
        print()
        round_trip(a, B, "guest to guest")
        adapter_share(a, "Sender")
        adapter_share(b, "Receiver")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cpu", default="interp")
    parser.add_argument("--megabytes", type=int, default=50)
    args = parser.parse_args()
    print("%d processors; --cpu %s; %d MB" % (os.cpu_count(), args.cpu, args.megabytes))
    user(args)
    pair(args)


guest.main(main)
