"""The life of guests under the hpvm commands, with a real system: create, start, states, console with
two viewers, media, reset with a changed configuration, graceful and hard stop, physical clone,
removal; what the process may still do; viewers and clients that misbehave."""
import json
import os
import re
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import PROMPT, Console, Host, boot, check, copy_sparse

DISK_GZ, CD_GZ = guest.need("guests/disk.img.gz", "guests/cd.iso.gz")
REPORT = r"""\(C\) Copyright 2026 the Kittson authors
Initializing System Event Log
Initializing Forward Progress Log
Opening minor device and creating guest machine container
Creation of VM, minor device 1
Allocating guest memory: 512MB
  allocating low RAM \(0-20000000, 512MB\)
\S+/hpvmapp \(\S+/vmm_config\.current\): Allocated 536870912 bytes at 0x[0-9a-f]+
  allocating firmware RAM \(ffaa0000-ffab5000, 84KB\)
\S+/hpvmapp \(\S+/vmm_config\.current\): Allocated 86016 bytes at 0x[0-9a-f]+
(    locked SAL RAM: 00000000ffaa0000 \(4KB\)
    locked ESI RAM: 00000000ffaa1000 \(4KB\)
    locked PAL RAM: 00000000ffaa4000 \(4KB\)
    locked Min Save State: 00000000ffaa5000 \(1KB\)
)?    RAM alignment: [0-9a-f]+
    Memory base low : [0-9a-f]+
    Memory base FW : [0-9a-f]+
Loading boot image
Image initial IP=[0-9A-F]+ GP=[0-9A-F]+
Initialize guest memory mapping tables
Starting event polling thread
Starting thread initialization
Daemonizing\.\.\.\.
hpvmstart: Successful start initiation of guest 'linux1'
"""


def start(h):
    disk, discs = os.path.join(h.dir, "disk.img"), os.path.join(h.dir, "discs")
    os.mkdir(discs)
    copy_sparse(guest.unpacked(DISK_GZ), disk)
    copy_sparse(guest.unpacked(CD_GZ), os.path.join(discs, "cd.iso"))
    os.chmod(os.path.join(discs, "cd.iso"), 0o644)
    h.run("hpvmcreate", "-F", "-P", "linux1", "-r", "512", "-B", "manual",
          "-a", "disk:scsi::file:" + disk, "-a", "dvd:scsi::null:" + discs)
    out = h.run("hpvmstart", "-F", "-P", "linux1")
    check(re.fullmatch(REPORT, out), "report of hpvmstart:\n" + out)
    check(h.states()["linux1"] == "On (EFI)", "state after the start: %s" % h.states())
    h.run("hpvmstart", "-F", "-P", "linux1", status=1)
    check(h.err == "hpvmstart: ERROR (linux1): The guest is already running.\n"
          "hpvmstart: Unable to continue.\n", h.err)
    h.run("hpvmremove", "-F", "-P", "linux1", status=1)
    check("The guest is currently running, not able to remove." in h.err, h.err)


def confined(h):
    """The process has given up what it does not need."""
    with open("/proc/%d/status" % h.pid("linux1")) as f:
        text = f.read()
    check(re.search(r"^NoNewPrivs:\s+1$", text, re.M), "no_new_privs:\n" + text)
    check(re.search(r"^Seccomp:\s+2$", text, re.M), "seccomp filter:\n" + text)
    with open("/proc/%d/limits" % h.pid("linux1")) as f:
        check(re.search(r"Max core file size\s+0\s+0", f.read()), "limit of core files")
    for name, mode in (("control", 0o600), ("console", 0o666)):
        path = os.path.join(h.runtime, h.uuid("linux1"), name)
        check(os.stat(path).st_mode & 0o777 == mode, "mode of " + path)
    check(os.stat(os.path.join(h.runtime, h.uuid("linux1"))).st_mode & 0o777 == 0o711, "0711")


def viewers(h):
    """One types, the other looks on and is told; both see the same."""
    first = Console(h, "linux1")
    check(first.frame("W").split()[1:] == ["admin", "linux1"], "welcome")
    first.expect(r"vMP MAIN MENU")
    first.expect(r"\[linux1\] vMP> ")
    first.type("co\r")
    first.expect(r"Use Ctrl-B to return to vMP main menu")
    boot(first)
    h.until(lambda: h.states()["linux1"] == "On (OS)", "state On (OS)")
    # started from \EFI\BOOT\BOOTIA64.EFI, which any system may have: the volume has more
    h.until(lambda: re.search(r"^linux1 +1 LINUX ", h.run("hpvmstatus"), re.M), "type LINUX")
    second = Console(h, "linux1")
    second.expect(r"vMP> ")
    second.type("CO\r")
    second.expect(r"Prior Console Output")
    second.expect(PROMPT)
    second.type("echo not-ta''ken\r")
    first.type("echo one-ty''pes\n")
    first.expect(r"one-types\r\n")
    second.expect(r"one-types\r\n")
    check("not-taken" not in first.text, "a second viewer could type")
    first.close()
    second.expect(r"You type now")
    second.type("echo two-ty''pes\n")
    second.expect(r"two-types\r\n")
    return second


def media(h, c):
    """A disc from the directory, mounted by the guest, and out again."""
    c.expect(PROMPT)
    c.type("\x02")
    c.expect(r"vMP> ")
    for key, text in (("in", r"\(0,0,1\)\s+dvd"), ("1", r"\[1\]\s+cd\.iso"), ("1", r"G - Go"),
                      ("G", r"vMP> ")):
        c.type(key + "\r")
        c.expect(text)
    c.type("co\r")
    c.expect(r"Prior Console Output")
    c.type("\nmkdir -p /mnt; mount -t iso9660 /dev/sr0 /mnt && ls /mnt && umount /mnt && echo al''l\n")
    c.expect(r"boot[\s\S]*all\r\n")
    c.expect(PROMPT)
    c.type("\x02")
    c.expect(r"vMP> ")
    for key, text in (("ej", r"cd\.iso"), ("1", r"F - Force"), ("F", r"vMP> ")):
        c.type(key + "\r")
        c.expect(text)
    check("inserted" in h.read("linux1", "app", "events"), "event log")


def live_changes(h, c):
    """Storage comes, changes and goes while the guest runs; what cannot waits for the next start."""
    disk2, disk3 = (os.path.join(h.dir, n) for n in ("two.img", "three.img"))
    for path, letter in ((disk2, b"2"), (disk3, b"3")):
        with open(path, "wb") as f:
            f.write(letter * (1 << 20))
    rescan = "for s in /sys/class/scsi_host/host*/scan; do echo '- - -' > $s; done"

    def guest_says(command, pattern):
        c.type("\n" + command + "; echo do''ne\n")
        return c.expect(r"(?s)(%s).*?done\r\n" % pattern).group(1)

    h.run("hpvmmodify", "-F", "-P", "linux1", "-a", "disk:scsi:0,0,5:file:" + disk2)
    guest_says(rescan + "; sleep 1; head -c 4 /dev/sdb", "2222")
    check("two.img" in h.run("hpvmstatus", "-P", "linux1"), "the new disk is not in force")
    check(not os.path.exists(h.file("linux1", "vmm_config.next")), "the change waits")
    h.run("hpvmmodify", "-F", "-P", "linux1", "-m", "disk:scsi:0,0,5:file:" + disk3)
    guest_says("blockdev --flushbufs /dev/sdb; head -c 4 /dev/sdb 2>/dev/null || "
               "dd if=/dev/sdb bs=4 count=1 2>/dev/null", "3333")
    h.run("hpvmmodify", "-F", "-P", "linux1", "-d", "disk:scsi:0,0,5")
    guest_says("head -c 4 /dev/sdb || echo go''ne", "gone")
    check("three.img" not in h.run("hpvmstatus", "-P", "linux1"), "the disk is still there")
    # For the present run only; without an adapter not at all, or at the next start.
    h.run("hpvmmodify", "-A", "-P", "linux1", "-a", "disk:scsi:0,0,6:file:" + disk2)
    check("two.img" not in h.run("hpvmstatus", "-D", "-P", "linux1"), "-A changed the next start")
    h.run("hpvmmodify", "-A", "-F", "-P", "linux1", "-a", "disk:scsi:1,0,0:file:" + disk3, status=1)
    check("The change needs a reboot of the guest." in h.err, h.err)
    h.run("hpvmmodify", "-A", "-F", "-P", "linux1", "-e", "20", "-l", "now")
    check("20.0%" in h.run("hpvmstatus", "-P", "linux1"), "entitlement in force")
    for amount in ("2048M", "0", "start"):
        h.run("hpvmmodify", "-P", "linux1", "-x", "ram_target=" + amount, status=1)
        check(h.err == "hpvmmodify: ERROR (linux1): Query to dynamic memory driver failed: "
              "Function is not available.\nhpvmmodify: Failed to set ram_target.\n"
              "hpvmmodify: Unable to modify the guest.\n", h.err)
    h.run("hpvmmodify", "-P", "linux1", "-N", "other")
    check(h.states() == {"other": "On (OS)"}, str(h.states()))
    h.run("hpvmmodify", "-P", "other", "-N", "linux1")


def changed_at_reset(h, c):
    """What was changed meanwhile comes into force when the guest resets; the process stays."""
    pid = h.pid("linux1")
    h.run("hpvmmodify", "-F", "-P", "linux1", "-r", "1G", "-l", "changed")
    check("512 MB" in h.run("hpvmstatus", "-P", "linux1"), "memory changed too early")
    check("1 GB" in h.run("hpvmstatus", "-D", "-P", "linux1"), "deferred memory")
    c.type("\nreboot -f\n")
    c.expect(r"\*\*\* VM restarting \*\*\*")
    h.until(lambda: h.states()["linux1"] == "On (EFI)", "state after a reset")
    now = h.run("hpvmstatus", "-P", "linux1")
    check("1 GB" in now, "memory after the reset")
    check(h.read("linux1", "app", "console").count("GUEST-UP") == 1, "the console's log")
    check("two.img" not in now and "10.0%" in now, "what -A did is still in force:\n" + now)
    check(os.path.exists(h.file("linux1", "vmm_config.prev")), "vmm_config.prev")
    check(not os.path.exists(h.file("linux1", "vmm_config.next")), "vmm_config.next")
    check(h.pid("linux1") == pid, "another process after a reset")
    boot_again = Console(h, "linux1")
    boot_again.expect("vMP> ")
    boot_again.type("x\r")
    check(boot_again.frame("X") == "bye", "farewell")
    boot(c)
    h.until(lambda: h.states()["linux1"] == "On (OS)", "state On (OS) again")


def figures(h):
    """What status says of a guest that runs; processor time grows."""
    h.until(lambda: re.search(r"^ +1 +10\.0% +100\.0% +[0-9.]+% +[1-9]\d*$",
                              h.run("hpvmstatus", "-r", "-P", "linux1"), re.M), "figures of -r")
    guests = json.loads(h.run("hpvmstatus", "--json"))["guests"]
    g = [g for g in guests if g["name"] == "linux1"][0]
    check(g["state"] == "On (OS)" and g["pid"] == h.pid("linux1") and g["memory_mb"] == 1024,
          str(g))
    check("Running on pid          : %d\n" % h.pid("linux1") in h.run("hpvmstatus", "-V", "-P",
                                                                     "linux1"), "-V")


def hostile(h):
    """Garbage, silence and deafness hurt only those who offer them."""
    path = os.path.join(h.runtime, h.uuid("linux1"), "console")
    for garbage in (b"\0\0\0\0", b"GET / HTTP/1.0\r\n\r\n", b"D\0\1\0x", b"H\1\0\0",
                    b"H\0\xff\xff" + b"x" * 70000):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        try:
            s.sendall(garbage)
            s.settimeout(60)
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
        s.close()
    bad = Console(h, "linux1", hello="9.9.9 2 0 0 0 0")
    check("different revision levels" in bad.frame("X"), "revision check of consoles")
    deaf = Console(h, "linux1")
    deaf.expect("vMP> ")
    deaf.type("co\r")
    talker = Console(h, "linux1", quiet=True)
    try:
        for _ in range(400):
            deaf.send("D", b"\x02cl\rco\r" * 8)  # the whole log again and again, never read
    except OSError:
        pass  # dropped
    control = socket.socket(socket.AF_UNIX)
    control.connect(os.path.join(h.runtime, h.uuid("linux1"), "control"))
    control.settimeout(60)
    check(control.recv(100).startswith(b"hpvmapp "), "greeting")
    try:
        control.sendall(b"x" * 100000)
        while control.recv(4096):
            pass
    except ConnectionError:
        pass
    talker.send("C", "vm")
    check(h.states()["linux1"] == "On (OS)", "a hostile client changed the state")
    for c in (bad, deaf, talker, control):
        c.close()


def stop_and_clone(h, c):
    h.run("hpvmstop", "-P", "linux1", text="n\n")
    check(h.states()["linux1"] == "On (OS)", "stopped without consent")
    out = h.run("hpvmstop", "-P", "linux1", text="y\n")
    check(out == "hpvmstop: Stop the virtual machine 'linux1'? [n/y]: ", out)
    check(h.states()["linux1"] == "Off", "state after hpvmstop")
    check("off: the guest powered off" in h.read("linux1", "app", "events"),
          "the power button was not taken:\n" + h.read("linux1", "app", "events"))
    check(c.frame("X") == "off console", "the viewer was not told")
    h.run("hpvmstop", "-P", "linux1", "-F", status=1)
    check(h.read("linux1", "app", "console").count("GUEST-UP") == 2, "log of both runs")
    clone = os.path.join(h.dir, "clone.img")
    out = h.run("hpvmclone", "-F", "-P", "linux1", "-N", "linux2", "-b",
                "disk:scsi:0,0,0:file:" + clone)
    check(out == "hpvmclone: Virtual storage cloned successfully.\n", out)
    check(subprocess.run(["cmp", os.path.join(h.dir, "disk.img"), clone]).returncode == 0,
          "the copy differs")
    h.run("hpvmclone", "-F", "-P", "linux1", "-N", "linux3", "-b",
          "disk:scsi:0,0,0:file:" + clone, status=1)
    check("exists already" in h.err, h.err)


def too_slow(h):
    """A system that does not shut down in time is ended: this one has only begun to start."""
    with open(h.conf, "a") as f:
        f.write("STOPTIMEOUT=1\n")
    with open(h.conf) as f:
        text = f.read().replace("STOPTIMEOUT=60\n", "")
    with open(h.conf, "w") as f:
        f.write(text)
    h.run("hpvmstart", "-F", "-Q", "-P", "linux1")
    c = Console(h, "linux1")
    c.expect("vMP> ")
    c.type("co\r")
    c.expect(r"EFI Boot Manager ver 1\.10")
    c.type("\r")
    c.expect(r"highlighted entry will be executed")
    c.type("\r")
    h.until(lambda: h.states()["linux1"] == "On (OS)", "state On (OS)")
    h.run("hpvmstop", "-F", "-P", "linux1")
    check("has not shut down within 1 seconds" in h.read("linux1", "app", "events"),
          h.read("linux1", "app", "events"))
    c.close()
    h.until(lambda: not h.processes(), "the end of the process")


def both(h):
    for name in ("linux1", "linux2"):
        h.run("hpvmstart", "-F", "-Q", "-P", name)
    check(set(h.states().values()) == {"On (EFI)"}, str(h.states()))
    h.run("hpvmclone", "-F", "-P", "linux1", "-N", "linux4", "-b",
          "disk:scsi:0,0,0:file:" + os.path.join(h.dir, "x"), status=1)
    check("in use by another guest" in h.err, h.err)
    out = h.run("hpvmstop", "-a", "-F")
    check(out == "Stopping virtual machine linux1\nStopping virtual machine linux2\n", out)
    h.until(lambda: not h.processes(), "the end of the processes")
    check(not h.leftovers(), "left: %s" % h.leftovers())
    too_slow(h)
    for name in ("linux1", "linux2"):
        h.run("hpvmremove", "-P", name, "-F")
    h.run("hpvmstatus", status=1)
    check(os.listdir(os.path.join(h.root, "uuids")) == [], "directories of removed guests")


def main():
    with Host() as h:
        start(h)
        confined(h)
        c = viewers(h)
        media(h, c)
        c.type("co\r")
        c.expect(r"Prior Console Output")
        live_changes(h, c)
        changed_at_reset(h, c)
        figures(h)
        hostile(h)
        stop_and_clone(h, c)
        both(h)


main()
