"""Booting from the network: the boot manager's Load File entry gets GRUB by DHCP and TFTP (the bytes
are checked in the capture), which boots the local disk to Linux, whose driver then finds the adapter
as after power-on. Failures come back to the boot manager with a message: no link, no DHCP server,
no such file, cancelled."""
import hashlib
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

DISK_GZ, GRUB = guest.need("guests/disk.img.gz", "guests/grub-ia64.efi")
MAC = "02-a1-b2-c3-d4-e6"
ENTRY = r"Load File \[Acpi\(PNP0A03,0\)/Pci\(1\|0\)/Mac\(02A1B2C3D4E6\)\]"
PROMPT = r"guest# "
DOWN = "\x1b[B"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def frames(path):
    """Frames of a capture file with nanosecond time stamps."""
    with open(path, "rb") as f:
        data = f.read()
    check(data[:4] == b"\x4d\x3c\xb2\xa1", "no capture file: " + path)
    at, found = 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("<IIII", data, at)[2]
        found.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return found


def datagrams(path):
    """(source port, destination port, payload) of IPv4 UDP without fragments."""
    for f in frames(path):
        if len(f) < 42 or f[12:14] != b"\x08\x00" or f[23] != 17:
            continue
        udp = f[14 + 4 * (f[14] & 15):14 + int.from_bytes(f[16:18], "big")]
        source, to, length = struct.unpack_from(">HHH", udp)
        yield source, to, udp[8:length]


def received_file(path):
    """What the last TFTP transfer to the guest brought, block by block."""
    blocks, port = {}, None
    for source, to, data in datagrams(path):
        if to == 69 and data[:2] == b"\x00\x01":
            blocks, port = {}, source
        elif to == port and data[:2] == b"\x00\x03":
            blocks.setdefault(int.from_bytes(data[2:4], "big"), data[4:])
    check(sorted(blocks) == list(range(1, len(blocks) + 1)), "blocks are missing")
    return b"".join(blocks[n] for n in sorted(blocks))


def dhcp_options(data):
    options, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return options


def check_discover(path):
    """The first message: what a PXE client on an Itanium says."""
    first = next(d for s, to, d in datagrams(path) if to == 67)
    o = dhcp_options(first)
    check(o[53] == b"\x01" and o[93] == b"\x00\x02" and o[94] == b"\x01\x03\x01" and
          o[60] == b"PXEClient:Arch:00002:UNDI:003001" and len(o[97]) == 17,
          "the DHCP discover message: %s" % o)


def manager(g, number):
    """Starts an entry of the boot manager's menu, counted from 0."""
    g.expect(r"EFI Boot Manager ver 1\.10 \[14\.62\]", 60)
    g.expect(ENTRY, 30)
    g.send(DOWN * number + "\r")
    g.expect(r"Loading\.: " + ENTRY, 30)


def to_linux(tmp):
    tftp, pcap = os.path.join(tmp, "tftp"), os.path.join(tmp, "pcap")
    os.mkdir(tftp)
    shutil.copy(GRUB, os.path.join(tftp, "grub-ia64.efi"))
    disk = "%s,overlay=%s" % (guest.unpacked(DISK_GZ), os.path.join(tmp, "overlay"))
    net = "user,tftp=%s,bootfile=grub-ia64.efi,mac=%s,pcap=%s" % (tftp, MAC, pcap)
    with guest.Guest("-m", "1G", "--disk", disk, "--net", net) as g:
        g.connect()
        manager(g, 1)
        g.expect(r"CLIENT MAC ADDR: 02 A1 B2 C3 D4 E6", 30)
        g.expect(r"CLIENT IP: 10\.0\.2\.15  MASK: 255\.255\.255\.0  DHCP IP: 10\.0\.2\.2", 60)
        g.expect(r"TFTP 10\.0\.2\.2: grub-ia64\.efi", 30)
        g.expect(r"%d bytes" % os.path.getsize(GRUB), 60)
        g.expect(r"GNU GRUB", 60)
        g.expect(r"GUEST-UP Linux (\S+) ia64", 300)
        g.expect(PROMPT, 60)
        g.command("ip link set eth0 up", 60)
        out = g.command("udhcpc -i eth0 -n -q -t 10", 120)
        check("lease of 10.0.2.15 obtained from 10.0.2.2" in out, "no DHCP lease: " + out)
        out = g.command("cat /sys/class/net/eth0/address; ping -c 2 10.0.2.2", 60)
        check(MAC.replace("-", ":") in out and "2 packets received" in out, out)
        guest.check_kernel_log(g)
        g.send("poweroff -f\n")
        check(g.wait(120) == 0, "the guest did not power off")
    check_discover(pcap)
    with open(GRUB, "rb") as f:
        wanted = hashlib.sha256(f.read()).hexdigest()
    got = received_file(pcap)
    check(hashlib.sha256(got).hexdigest() == wanted, "%d bytes differ from the file's" % len(got))


def failure(net, message, status, keys=""):
    """The message, the status, and the boot manager's menu again."""
    with guest.Guest("-m", "256M", "--net", net + ",mac=" + MAC) as g:
        g.connect()
        manager(g, 0)
        if keys:
            g.expect(r"Esc or Ctrl-C cancels", 30)
            g.send(keys)
        g.expect(message, 90)
        # the screen has 80 columns
        g.expect(r"Load of " + ENTRY + " failed: " + r"[\r\n]*".join(status), 30)
        g.send(" \r")
        g.expect(r"Please select a boot option", 60)


class LocalNet:
    """A switch without an uplink: nobody answers."""

    def __init__(self, tmp):
        self.program = os.path.join(os.path.dirname(guest.PROGRAM), "hpvmnetd")
        os.environ["HPVM_RUNTIME"] = tmp

    def __enter__(self):
        self.process = subprocess.Popen([self.program, "--name", "quiet"],
                                        stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while subprocess.run([self.program, "--name", "quiet", "--ask", "status"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            check(time.monotonic() < end, "the switch does not answer")
            select.select([], [], [], 0.02)  # nothing announces a socket in the file system
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait()


def failures(tmp):
    failure("user,tftp=%s,bootfile=absent.efi" % tmp,
            r"PXE-E23: The TFTP server reports an error 1: File not found",
            "TFTP Error")
    failure("user", r"PXE-E53: No boot file name was received", "Not Found")
    with tempfile.TemporaryDirectory(prefix="kn") as short, LocalNet(short):
        failure("switch:quiet", r"PXE-E21: Cancelled", "Aborted", "\x1b")
        failure("switch:quiet", r"PXE-E21: Cancelled", "Aborted", "\x03")
        failure("switch:absent", r"PXE-E61: The network cable is not connected",
                "No Media")


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        to_linux(tmp)
        failures(tmp)


guest.main(test)
