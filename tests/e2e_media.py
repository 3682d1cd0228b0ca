"""Discs changed while Linux runs, through `kittson monitor`: a drive that starts empty on a directory
of images, insertion, the guest's lock, eject with and without force, the new disc seen and mounted;
names outside the directory refused; power button, reset, quit; and clients that do not behave."""
import json
import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
import isoimage
from poweron import PROMPT, check, quiet

KERNEL, INITRD, CD_GZ = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz",
                                   "guests/cd.iso.gz")
OPTIONS = ["--kernel", KERNEL, "--initrd", INITRD, "--append", "console=ttyS0,115200n8"]


def ask(path, *command, status=0):
    """What kittson monitor prints; its error for another status."""
    p = subprocess.run([guest.PROGRAM, "monitor", "unix:" + path, *command], capture_output=True,
                       text=True, timeout=120)
    check(p.returncode == status, "monitor %s: status %d\n%s%s" %
          (" ".join(command), p.returncode, p.stdout, p.stderr))
    return (p.stderr if status else p.stdout).strip()


def refused(path, command, words):
    text = ask(path, *command, status=1)
    check(words in text, "%s: %s" % (command, text))


def empty(g, path):
    """Nothing in either drive's place but the second's disc."""
    out = ask(path, "devices").split("\n")
    check(out[0] == "0,0,0 dvd empty -" and out[1].startswith("0,0,1 dvd loaded /"), str(out))
    out = g.command("cat /sys/block/sr0/device/model; dd if=/dev/sr0 of=/dev/null 2>&1 | head -1", 60)
    check("No medium found" in out, out)
    check("NullDVD" in g.command("dmesg | grep DVD | head -1", 30), "the empty drive's name")


def names(path, directory):
    """Only plain files of the directory."""
    check(ask(path, "discs", "0,0,0").split("\n") == ["first.iso", "second.ISO"], "discs")
    for name in ("../hidden.iso", directory + "/../hidden.iso", "/etc/passwd", "away.iso"):
        refused(path, ["insert", "0,0,0", name], "not a file of the drive's directory")
    refused(path, ["insert", "0,0,0", "folder.iso"], "neither a file nor a block device")
    refused(path, ["insert", "0,0,0", "none.iso"], "none.iso")
    refused(path, ["insert", "first.iso"], "several drives")
    refused(path, ["insert", "0,0,7", "first.iso"], "no drive at this address")


def mount(g, wanted):
    out = g.command("mkdir -p /m; mount -t iso9660 -o ro /dev/sr0 /m && ls /m", 60)
    check(wanted in out, "mount: " + out)


class Events:
    """A program at the monitor: answers and events are lines of JSON."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.settimeout(60)
        self.lines = self.sock.makefile("r")
        check(self.lines.readline().startswith("kittson monitor "), "greeting")
        check(self.ask("json") == {"ok": True, "fields": {}, "lines": []}, "json")

    def ask(self, request):
        self.sock.sendall(request.encode() + b"\n")
        while True:
            line = json.loads(self.lines.readline())
            if "ok" in line:
                return line

    def expect(self, **wanted):
        line = json.loads(self.lines.readline())
        check(all(line.get(k) == v for k, v in wanted.items()), "%s: %s" % (wanted, line))


def events(g, path):
    """What the guest does with its drive, and stop and cont, told as they happen."""
    e = Events(path)
    status = e.ask("status")["fields"]
    check(status["state"] == "running" and status["processors"] == "1", str(status))
    check(e.ask("eject 0,0,7") == {"ok": False, "error": "there is no drive at this address"}, "error")
    e.sock.sendall(b"insert 0,0,0 first.iso\n")
    e.expect(ok=True)
    e.expect(event="media", drive="0,0,0", state="loaded")
    mount(g, "one.txt")
    e.expect(event="media", drive="0,0,0", state="locked")
    g.command("umount /m; eject /dev/sr0", 30)
    e.expect(event="media", state="loaded")
    e.expect(event="media", state="empty")
    e.sock.sendall(b"stop\n")
    e.expect(event="stopped", reason="asked")
    e.expect(ok=True)
    check(e.ask("status")["fields"]["state"] == "stopped", "a stopped machine's state")
    before = e.ask("status")["fields"]
    check(e.ask("status")["fields"]["instructions"] == before["instructions"], "instructions while stopped")
    check(e.ask("status")["fields"]["time"] == before["time"], "time while stopped")
    g.send("echo on''ward\n")
    e.sock.sendall(b"cont\n")
    e.expect(event="resumed")
    e.expect(ok=True)
    g.expect("onward", 30)
    e.sock.close()


def change(g, path, directory):
    """In, locked by the mount, out, another one, out by force, in by its path."""
    ask(path, "insert", "0,0,0", "first.iso")
    mount(g, "one.txt")
    check(g.command("cat /m/one.txt", 30) == "first disc", "the file on the first disc")
    check("0,0,0 dvd locked" in ask(path, "devices"), "a mounted disc is not locked")
    refused(path, ["eject", "0,0,0"], "the guest has locked the drive")
    refused(path, ["insert", "0,0,0", "second.ISO"], "there is a disc in the drive")
    g.command("umount /m", 30)
    ask(path, "eject", "0,0,0")
    refused(path, ["eject", "0,0,0"], "there is no disc")
    check("No medium" in g.command("mount -t iso9660 /dev/sr0 /m 2>&1", 60), "mount of no disc")
    ask(path, "insert", "0,0,0", "second.ISO")
    mount(g, "two.txt")
    check(g.command("cat /m/two.txt", 30) == "second disc", "the file on the second disc")
    size = os.path.getsize(os.path.join(directory, "second.ISO"))
    check(g.command("blockdev --getsize64 /dev/sr0", 30) == str(size), "the second disc's size")
    guest.check_kernel_log(g)
    ask(path, "eject", "0,0,0", "force")
    out = g.command("cat /m/big.bin > /dev/null || echo failed", 60)
    check("failed" in out, "a file of a disc that is gone: " + out)
    g.command("umount /m; dmesg -c > /dev/null", 30)  # its errors are what is wanted
    ask(path, "insert", "0,0,0", os.path.join(directory, "first.iso"))
    mount(g, "one.txt")
    g.command("umount /m; eject /dev/sr0", 30)  # the guest itself
    check("0,0,0 dvd empty" in ask(path, "devices"), "eject in the guest")


def image_file(g, path, directory):
    """A drive given as a file: bare names are looked for where the file is; others by path."""
    ask(path, "eject", "0,0,1")
    ask(path, "insert", "0,0,1", "cd.iso")
    ask(path, "eject", "0,0,1")
    ask(path, "insert", "0,0,1", os.path.join(directory, "second.ISO"))
    out = g.command("mount -t iso9660 -o ro /dev/sr1 /m && ls /m; umount /m", 60)
    check("two.txt" in out, out)


def client(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)  # waits while others queue there
    s.settimeout(60)
    return s


def dropped(s):
    """Reads to the end, which must come."""
    data = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return data
            data += part
    except ConnectionError:
        return data


def flood(s, data):
    """Sends until it is dropped."""
    try:
        for _ in range(100000):
            s.sendall(data)
    except socket.timeout:
        raise guest.GuestError("a client that floods is not dropped")
    except OSError:
        return
    raise guest.GuestError("a client that floods is served")


def hostile(g, path):
    """Endless lines, control characters, requests whose answers nobody reads, too many clients, and
    one that hangs up at once: each is dropped, and the next well-behaved one is served."""
    with client(path) as s:
        flood(s, b"x" * 10000)
        dropped(s)
    with client(path) as s:
        s.sendall(b"status\0\n")
        check(b"control characters" in dropped(s), "a request with a NUL")
    with client(path) as s:
        s.settimeout(None)
        s.setblocking(False)
        try:
            while True:  # fills both sockets, then its answers have nowhere to go
                s.send(b"help\n" * 1000)
        except BlockingIOError:
            pass
        check("resets 0" in ask(path, "status"), "status beside a client that does not read")
        s.settimeout(120)
        flood(s, b"help\n")  # blocks until it is dropped
    many = [client(path) for _ in range(8)]
    for s in many:
        check(s.recv(100).startswith(b"kittson monitor "), "greeting")
    with client(path) as s:
        check(b"error all connections are taken" in dropped(s), "a ninth client")
    for s in many:
        s.sendall(b"status")  # no end of line: never answered
        s.close()
    with client(path) as s:
        s.sendall(b"devices\r\n\nhelp\n")  # three requests in one piece
        s.shutdown(socket.SHUT_WR)
        data = dropped(s)
        check(data.count(b"\nok\n") == 2 and data.count(b"error unknown command") == 1, str(data))
    check(g.command("echo alive", 30) == "alive", "the guest after all that")


def buttons(g, path):
    g.send("acpid\n")
    g.expect(PROMPT, 30)
    ask(path, "powerdown")
    g.expect("(?i)the system is going down", 60)
    ask(path, "reset")
    g.expect("GUEST-UP", 240)
    g.expect(PROMPT, 60)
    check("resets 1" in ask(path, "status"), "resets")
    ask(path, "quit")
    check(g.wait(60) == 1 and "ended from the monitor" in g.stderr(), g.stderr())
    check(not os.path.exists(path), "the socket is still there")


def files(tmp):
    directory = os.path.join(tmp, "discs")
    os.mkdir(directory)
    isoimage.write(os.path.join(directory, "first.iso"), "FIRST", {"ONE.TXT": b"first disc\n"})
    isoimage.write(os.path.join(directory, "second.ISO"), "SECOND",
                   {"TWO.TXT": b"second disc\n", "BIG.BIN": b"b" * 4000000})
    isoimage.write(os.path.join(tmp, "hidden.iso"), "HIDDEN", {})
    os.symlink("/etc/passwd", os.path.join(directory, "away.iso"))
    os.mkdir(os.path.join(directory, "folder.iso"))
    return directory


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        directory, path = files(tmp), os.path.join(tmp, "monitor")
        ask(path, "status", status=2)  # nobody there
        with guest.Guest(*OPTIONS, "--cdrom", directory, "--cdrom", guest.unpacked(CD_GZ),
                         "--monitor", "unix:" + path) as g:
            g.connect()
            quiet(g)
            check(os.stat(path).st_mode & 0o777 == 0o600, "mode of the socket")
            empty(g, path)
            names(path, directory)
            change(g, path, directory)
            events(g, path)
            image_file(g, path, directory)
            guest.check_kernel_log(g)
            hostile(g, path)
            buttons(g, path)


guest.main(test)
