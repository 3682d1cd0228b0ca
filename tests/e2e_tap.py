"""A switch with a TAP interface as its uplink, an adapter plugged straight into one, and a switch on
any other interface: a guest talks to the computer behind it; ports in a VLAN are tagged there.

In a user and network namespace of its own; skipped where that or /dev/net/tun is not there.
"""
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from netutil import (Switch, boot, capture, check, enter_namespace, http_server, pings, set_up,
                     sha256, static_address, wait_until)

HOST, A = "192.168.78.1", "192.168.78.2"
SIZE = 4 << 20


def need_tun():
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as e:
        print("skipped: /dev/net/tun: %s" % e.strerror)
        sys.exit(guest.SKIPPED)


def download(g):
    data = random.Random(3).randbytes(SIZE)
    with http_server(data, HOST) as server:
        g.command("wget -q -O /tmp/got http://%s:%d/" % (HOST, server.server_address[1]), 120)
    got = g.command("sha256sum </tmp/got", 120).split()[0]
    check(got == sha256(data), "bytes differ: from the host over TAP")


def tags(switch, g):
    """With a VLAN the frames are tagged outside, and the host does not answer."""
    path = os.path.join(switch.dir.name, "uplink.pcap")
    switch.ask("port 1 vlan 42")
    switch.ask("pcap start uplink " + path)
    g.command("ip neigh flush dev eth0", 30)
    check(pings(g, HOST, 2) == 0, "a port in a VLAN reaches the interface without one")
    switch.ask("pcap stop uplink")
    frames = [f for _, f in capture(path)]
    check(any(f[:6] == b"\xff" * 6 and f[12:16] == b"\x81\x00\x00\x2a" and f[16:18] == b"\x08\x06"
              for f in frames), "no tagged broadcast on the uplink")
    switch.ask("port 1 vlan none")
    wait_until(lambda: pings(g, HOST, 1), 60, "no traffic after the VLAN")


def plain_interface():
    """One end of a cable is the switch's uplink, the other has this computer's address: what it sends
    has checksums to be made and segments joined, as the host's network stack passes them on."""
    if shutil.which("ip") is None:
        print("a plain interface is not tested: there is no program ip")
        return
    made = subprocess.run(["ip", "link", "add", "kv0", "type", "veth", "peer", "name", "kv1"],
                          capture_output=True)
    if made.returncode != 0:
        print("a plain interface is not tested: " + made.stderr.decode().strip())
        return
    with Switch("e2enic", "--uplink", "nic:kv0") as switch:
        set_up("kv1", HOST)
        with boot("switch:e2enic,port=1") as g:
            static_address(g, A)
            wait_until(lambda: pings(g, HOST, 1), 60, "the other end does not answer")
            download(g)
            subprocess.run(["ip", "link", "set", "kv0", "down"], check=True)
            subprocess.run(["ip", "link", "set", "kv0", "up"], check=True)
            wait_until(lambda: pings(g, HOST, 1), 60, "no traffic after the interface was down")
            tags(switch, g)
        check(int(switch.status()["uplink"]["drop_malformed"]) == 0, "frames that were not understood")
        subprocess.run(["ip", "link", "del", "kv0"], check=True)
        wait_until(lambda: "interface is gone" in switch.stderr(), 60, "an interface that went")
        switch.status()


def test():
    plain_interface()
    with Switch("e2etap", "--uplink", "tap:kt0") as switch:
        set_up("kt0", HOST)
        with boot("switch:e2etap,port=1") as g:
            static_address(g, A)
            wait_until(lambda: pings(g, HOST, 1), 60, "this computer does not answer")
            download(g)
            tags(switch, g)
    with boot("tap:kt1") as g:
        set_up("kt1", HOST)
        static_address(g, A)
        wait_until(lambda: pings(g, HOST, 1), 60, "this computer does not answer (no switch)")


enter_namespace(True)
need_tun()
guest.main(test)
