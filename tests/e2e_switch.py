"""Guests on a virtual switch: traffic both ways at once, counters on both sides, loss, VLANs,
restart of the switch, death of a guest.

usage: e2e_switch.py [MEGABYTES]
"""
import hashlib
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from netutil import (Switch, boot, capture, check, counters, http_server, netstat, pings,
                     snmp, static_address, wait_until)

MEGABYTES = int(sys.argv[1]) if len(sys.argv) > 1 else 20
SECONDS = 120 + 6 * MEGABYTES
A, B = "192.168.77.1", "192.168.77.2"
MAC_A, MAC_B = bytes.fromhex("02000000000a"), bytes.fromhex("02000000000b")
PORT = 7000


def make_data(g):
    g.command("dd if=/dev/urandom of=/tmp/out bs=1M count=%d 2>/dev/null" % MEGABYTES, SECONDS)
    return g.command("md5sum </tmp/out", SECONDS).split()[0]


def start(g, line):
    """Sends a line whose end finish() waits for."""
    g.mark = "DONE-%d" % len(g.text)
    g.send("%s; echo DONE''%s\n" % (line, g.mark[4:]))


def finish(g, seconds):
    g.expect(g.mark, seconds)


def retransmissions(g):
    """Of lost segments, and of all: those that the receiver reports as duplicates (DSACK) were not
    lost, they tell of a busy host that let a guest wait."""
    all_ = snmp(g, "Tcp")["RetransSegs"]
    return all_ - netstat(g)["TCPDSACKRecvSegs"], all_


def transfer(switch, a, b):
    """Both ways at once. Nothing is lost. Tail loss probes are off: they go by the clock."""
    sums = {A: make_data(a), B: make_data(b)}
    for g in (a, b):
        g.command("echo 0 >/proc/sys/net/ipv4/tcp_early_retrans", 30)
    for g in (a, b):
        g.command("nc -l -p %d </dev/null >/tmp/in & until grep -q :%04X /proc/net/tcp "
                  "/proc/net/tcp6; do :; done" % (PORT, PORT), 60)
    begun = time.monotonic()
    start(a, "nc %s %d </tmp/out; wait" % (B, PORT))
    start(b, "nc %s %d </tmp/out; wait" % (A, PORT))
    finish(a, SECONDS)
    finish(b, SECONDS)
    seconds = time.monotonic() - begun
    print("%d MB each way at once: %.1f s" % (MEGABYTES, seconds))
    for g, other in ((a, B), (b, A)):
        got = g.command("md5sum </tmp/in; rm /tmp/in /tmp/out", SECONDS).split()[0]
        check(got == sums[other], "bytes from %s differ" % other)
    for g in (a, b):
        lost, all_ = retransmissions(g)
        print("TCP segments sent again: %d, of lost ones: %d" % (all_, lost))
        check(lost <= 0, "%d TCP segments were lost" % lost)
    check(switch.status()["switch"]["drop_full"] == "0", "the switch dropped frames")


def differences(switch, g, port):
    """Guest's counters less the port's: frames and bytes (without check sequence), out and in. What
    came before the guest's interface was up, the guest has not counted."""
    seen, status = counters(g), switch.status()[port]
    return [seen["tx_packets"] - int(status["in"]), seen["tx_bytes"] - int(status["in_bytes"]),
            seen["rx_packets"] - int(status["out"]), seen["rx_bytes"] - int(status["out_bytes"])]


def settled(switch, g, port):
    """The same when no frame is on its way between the two readings."""
    last = None
    while True:
        now = differences(switch, g, port)
        if now == last:
            return now
        last = now


def agree(switch, g, port, before):
    for _ in range(10):  # frames may be on their way
        now = settled(switch, g, port)
        if now == before:
            return
        g.command("sleep 1", 60)
    raise guest.GuestError("counters of port %s: guest less switch %s, then %s" %
                           (port, before, now))


def loss(switch, a, b):
    """What a guest that does not run cannot take is dropped and counted, nothing else suffers."""
    check(pings(a, B, 1) == 1, "no ping before the flood")
    b.process.send_signal(signal.SIGSTOP)
    a.command("dd if=/dev/zero bs=8k count=2500 2>/dev/null | nc -u %s 9 & sleep 1; kill $!" % B,
              300)
    wait_until(lambda: int(switch.status()["2"]["drop_full"]) > 0, 60, "no loss was counted")
    check(pings(a, A, 1) == 1 and switch.status()["1"]["state"] == "Active", "the sender suffers")
    b.process.send_signal(signal.SIGCONT)
    lost = int(switch.status()["2"]["drop_full"])
    wait_until(lambda: pings(a, B, 1), 60, "no ping after the flood")
    got = snmp(b, "Udp")
    print("flood: %d frames dropped by the switch, %d datagrams without a port or buffer in the "
          "guest" % (lost, got["NoPorts"] + got["RcvbufErrors"]))


def vlans(switch, a, b, path):
    """Ports of different VLANs do not see each other's frames, broadcasts included."""
    captures = {p: os.path.join(path, "vlan%s.pcap" % p) for p in "12"}
    for p in "12":
        switch.ask("pcap start %s %s" % (p, captures[p]))
    switch.ask("port 1 vlan 100")
    check(pings(a, B, 2) == 0, "VLAN 100 reaches ports without a VLAN")
    a.command("ip neigh flush dev eth0; arping -c 2 -I eth0 %s" % B, 60)
    switch.ask("port 2 vlan 200")
    check(pings(b, A, 2) == 0, "VLAN 200 reaches VLAN 100")
    b.command("ip neigh flush dev eth0; arping -c 2 -I eth0 %s" % A, 60)
    for p in "12":
        switch.ask("pcap stop " + p)
    seen = {p: [f for _, f in capture(captures[p])] for p in "12"}
    for p, own, other in (("1", MAC_A, MAC_B), ("2", MAC_B, MAC_A)):
        check(any(f[:6] == b"\xff" * 6 and f[6:12] == own for f in seen[p]),
              "port %s captured no broadcast of its own" % p)
        check(not any(f[6:12] == other for f in seen[p]), "port %s saw the other's frames" % p)
    switch.ask("port 2 vlan 100")
    wait_until(lambda: pings(a, B, 1), 60, "two ports of VLAN 100 do not talk")
    for p in "12":
        switch.ask("port %s vlan none" % p)
    wait_until(lambda: pings(a, B, 1), 60, "no traffic after the VLANs")


def port_down(switch, a):
    switch.ask("port 1 down")
    wait_until(lambda: a.command("cat /sys/class/net/eth0/carrier", 30) == "0", 60,
               "the guest does not see the port going down")
    check(switch.status()["1"]["state"] == "Down", "the port's state is not Down")
    switch.ask("port 1 up")
    wait_until(lambda: pings(a, B, 1), 60, "no traffic after the port was set up again")


def restart(switch, a):
    switch.kill()
    wait_until(lambda: a.command("cat /sys/class/net/eth0/carrier", 30) == "0", 60,
               "the guest does not see that the switch is gone")
    begun = time.monotonic()
    switch.start()
    wait_until(lambda: pings(a, B, 1), 60, "no traffic after the switch's restart")
    print("traffic again %.1f s after the switch's start" % (time.monotonic() - begun))
    check(switch.status()["2"]["guest"] == "bee", "the port has lost its guest")


def death(switch, a, b):
    """A guest that is killed in the middle of traffic disturbs nobody."""
    data = random.Random(1).randbytes(8 << 20)
    with http_server(data) as server:
        a.command("ip addr flush dev eth0; udhcpc -i eth0 -n -q -t 10", 120)
        start(b, "ping -f %s >/dev/null" % A)
        start(a, "wget -q -O /tmp/got http://10.0.2.2:%d/; md5sum </tmp/got" %
              server.server_address[1])
        wait_until(lambda: int(switch.status()["1"]["out"]) > 500, 60, "no download")
        b.process.kill()
        begun = a.seen
        finish(a, 120)
    check(hashlib.md5(data).hexdigest() in a.text[begun:], "bytes differ after the other's death")
    check("2" not in switch.status() or switch.status()["2"]["state"] != "Active",
          "the dead guest's port is active")


def test():
    # The runtime directory is the switch's, before guests start.
    with Switch("e2e", "--uplink", "user") as switch, \
            boot("switch:e2e,port=1,guest=ay,mac=02-00-00-00-00-0a") as a, \
            boot("switch:e2e,port=2,guest=bee,mac=02-00-00-00-00-0b") as b:
        static_address(a, A)
        static_address(b, B)
        for g in (a, b):  # the guests are to count what their adapters would filter, too
            g.command("ip link set eth0 promisc on", 30)
        wait_until(lambda: pings(a, B, 1), 60, "no ping")
        check(pings(b, A) == 3, "no ping back")
        before = [settled(switch, g, p) for g, p in ((a, "1"), (b, "2"))]
        check(before[0][:2] == [0, 0], "guest and switch differ: %s" % before)
        transfer(switch, a, b)
        agree(switch, a, "1", before[0])
        agree(switch, b, "2", before[1])
        vlans(switch, a, b, switch.dir.name)
        loss(switch, a, b)
        port_down(switch, a)
        restart(switch, a)
        death(switch, a, b)
        guest.check_kernel_log(a)
        a.send("poweroff -f\n")
        check(a.wait(120) == 0, "the guest did not power off")


guest.main(test)
