"""Devices of guests of the hpvm commands as Linux in them sees them: block devices and volumes of
the host, a disk that two guests share, one that is busy, adapters that come and go with their
devices, an empty drive, network adapters in the order of their slots, more and fewer of them than
before; a shutdown that runs the system's scripts, and one that does not.

What needs rights or programs that are not there is named and left out."""
import os
import pwd
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import Console, Host, boot, check, copy_sparse, shell

(DISK_GZ,) = guest.need("guests/disk.img.gz")
MACS = ["02-00-00-00-aa-%02x" % n for n in (1, 2, 3)]
BANNER = ("Cache Enabled. This image MainEntry is at address 0000000000102000\n"
          "FPSWA.EFI preload successful.\nFPSWA.EFI start successful.\n"
          "Loading device drivers\n")
SHARED, HELD, READ_ONLY, EMPTY = (0, 0, 7), (0, 0, 8), (0, 0, 5), (0, 0, 6)
DEVICE, VOLUME = (0, 0, 3), (0, 0, 4)


def left_out(what, why):
    print("not tested: %s (%s)" % (what, why))


def statement(kind, address, storage, path):
    return "%s:scsi:%d,%d,%d:%s:%s" % (kind, *address, storage, path)


def nic(slot, mac):
    return "network:lan:0,%d,%s:vswitch:localnet" % (slot, mac)


class Files:
    """What is behind the devices. Block devices are undone at the end."""

    def __init__(self, h):
        self.dir = h.dir
        self.loop = None
        self.mapped = None
        self.disks = [self.path("disk%d.img" % n) for n in (1, 2)]
        for d in self.disks:
            copy_sparse(guest.unpacked(DISK_GZ), d)
        for name in ("shared", "held", "first", "last", "readonly", "device", "odd"):
            setattr(self, name, self.make(name))
        os.truncate(self.last, 2 << 40)  # the greatest there is
        os.truncate(self.odd, 1000)
        self.empty = self.path("discs")
        os.mkdir(self.empty)
        os.chmod(self.readonly, 0o444)

    def path(self, name):
        return os.path.join(self.dir, name)

    def make(self, name):
        with open(self.path(name), "wb") as f:
            f.truncate(4 << 20)
        return self.path(name)

    def block_device(self):
        """A loop device, or None."""
        try:
            r = subprocess.run(["losetup", "-f", "--show", self.device], capture_output=True,
                               text=True)
        except FileNotFoundError:
            return left_out("disks on block devices", "there is no losetup")
        if r.returncode != 0:
            return left_out("disks on block devices", r.stderr.strip())
        self.loop = r.stdout.strip()
        return self.loop

    def volume(self):
        """The second half of that device as a volume: of the device mapper, which LVM makes its
        volumes with; without it a link as in /dev/vg00."""
        name = "kittson-test-%d" % os.getpid()
        try:
            made = subprocess.run(["dmsetup", "create", name, "--table",
                                   "0 4096 linear %s 4096" % self.loop],
                                  capture_output=True).returncode == 0
        except FileNotFoundError:
            made = False
        if made:
            self.mapped = name
            return "/dev/mapper/" + name, 4096
        left_out("a volume of the device mapper", "a link to a block device instead")
        other = self.path("rlvol1")
        os.symlink(self.loop, other)
        return other, 0

    def undo(self):
        if self.mapped:
            subprocess.run(["dmsetup", "remove", self.mapped], check=True)
        if self.loop:
            subprocess.run(["losetup", "-d", self.loop], check=True)


def preload(h, files):
    """Storage that hangs when the test wants it. False: it cannot be made here."""
    symbols = subprocess.run(["nm", guest.PROGRAM], capture_output=True, text=True).stdout
    try:
        pwd.getpwnam("hpvm")
        confined = os.geteuid() == 0
    except KeyError:
        confined = False
    if "__asan_init" in symbols or confined:
        left_out("a busy device", "the sanitizer's own library must come first, or a user hpvm")
        return False
    source = os.path.join(guest.SOURCE, "tests", "preload", "hold_writes.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", source, "-o",
                    files.path("hold.so")], check=True)
    h.env.update(KITTSON_HOLD=files.held, LD_PRELOAD=files.path("hold.so"))
    return True


def create(h, files):
    """one has everything, two shares a disk with it and has no network."""
    devices = [statement("disk", (0, 0, 0), "file", files.disks[0]),
               statement("disk", SHARED, "file", files.shared),
               statement("disk", HELD, "file", files.held),
               statement("dvd", EMPTY, "null", files.empty),
               statement("disk", (1, 0, 0), "file", files.last), nic(1, MACS[0]), nic(2, MACS[1])]
    if os.geteuid() == 0:
        devices.append(statement("disk", READ_ONLY, "file", files.readonly))
    else:
        left_out("a file that may only be read", "this needs root")
    if files.block_device():
        devices.append(statement("disk", DEVICE, "disk", files.loop))
    h.run("hpvmcreate", "-F", "-P", "one", "-r", "512", "-B", "manual",
          *[x for d in devices for x in ("-a", d)])
    for name in ("two", "lone"):
        h.run("hpvmcreate", "-F", "-P", name, "-r", "512", "-B", "manual",
              "-a", statement("disk", SHARED, "file", files.shared))
    h.run("hpvmmodify", "-F", "-P", "two", "-a",
          statement("disk", (0, 0, 0), "file", files.disks[1]))


def up(h, name):
    c = Console(h, name)
    c.expect(r"vMP> ")
    c.type("co\r")
    boot(c)
    shell(c, "dmesg -n 1")
    return c


def block(c, address, host=0):
    """The guest's name of the disk at a target: /dev/sdX."""
    return "/dev/" + shell(c, "ls --color=never /sys/class/scsi_device/%d:0:%d:0/device/block" %
                           (host, address[2])).strip()


def put(c, device, text):
    """Text at the start of a disk, stable there."""
    shell(c, "echo %s | dd of=%s conv=notrunc,fsync bs=512 2>/dev/null" % (text, device))


def get(c, device):
    """What is there now, not what the guest remembers."""
    return shell(c, "blockdev --flushbufs %s; head -n 1 %s" % (device, device)).strip()


def head(path, offset=0):
    with open(path, "rb") as f:
        f.seek(offset)
        return f.read(512).split(b"\n")[0].decode()


def shared_disk(h, files, one, two):
    """Both write and see each other's; a guest that does not share it is kept out."""
    a, b = block(one, SHARED), block(two, SHARED)
    put(one, a, "from-one")
    check(get(two, b) == "from-one", "two does not see what one wrote")
    put(two, b, "from-two")
    check(get(one, a) == "from-two", "one does not see what two wrote")
    check(head(files.shared) == "from-two", "the shared file")
    h.run("hpvmdevmgmt", "-m", "gdev:%s:attr:SHARE=NO" % files.shared)
    h.run("hpvmstart", "-P", "lone", status=1)
    check("Device file '%s' in use by another guest." % files.shared in h.err, h.err)
    h.run("hpvmstart", "-F", "-P", "lone", status=1)
    check("cannot have a second writer" in h.err and h.states()["lone"] == "Off", h.err)
    h.run("hpvmdevmgmt", "-m", "gdev:%s:attr:SHARE=YES" % files.shared)


def host_storage(c, files):
    """A block device, a file that its owner may only read, an empty drive."""
    if files.loop:
        put(c, block(c, DEVICE), "on-device")
        check(head(files.loop) == "on-device", "the block device has not what the guest wrote")
    if os.geteuid() == 0:
        put(c, block(c, READ_ONLY), "all-the-same")
        check(head(files.readonly) == "all-the-same", "a file of mode 0444")
    drive = "/sys/class/scsi_device/0:0:%d:0/device/" % EMPTY[2]
    check(shell(c, "cat %smodel" % drive).strip() == "Virtual NullDVD", "the empty drive's name")
    out = shell(c, "head -c 1 /dev/$(ls --color=never %sblock) && echo read" % drive)
    check("No medium" in out and "read" not in out, "an empty drive has a size:\n" + out)


def volume(h, c, files):
    """A logical volume comes to the running guest."""
    if not files.loop:
        return
    h.run("hpvmmodify", "-F", "-P", "one", "-d", statement("disk", DEVICE, "disk", files.loop))
    path, sector = files.volume()
    h.run("hpvmmodify", "-F", "-P", "one", "-a", statement("disk", VOLUME, "lv", path))
    there = "/sys/class/scsi_device/0:0:%d:0/device/block" % VOLUME[2]
    shell(c, "echo '- - -' > /sys/class/scsi_host/host0/scan; "
             "n=0; while [ ! -e %s ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done" % there)
    put(c, block(c, VOLUME), "on-volume")
    check(head(files.loop, sector * 512) == "on-volume", "the volume has not what the guest wrote")
    check(re.search(r"^disk +scsi +0 +0 +0 +4 +0 +lv +%s$" % re.escape(path),
                    h.run("hpvmstatus", "-P", "one"), re.M), "the volume is not listed")


def sizes(h, c, files):
    size = shell(c, "blockdev --getsize64 " + block(c, (1, 0, 0), 1)).strip()
    check(size == str(2 << 40), "2 TB are %s bytes" % size)
    h.run("hpvmmodify", "-F", "-P", "one", "-a", statement("disk", (0, 0, 9), "file", files.odd),
          status=1)
    check("ERROR (one): Configuration error: Device does not show up in guest\n" in h.err, h.err)


def busy(h, c, files):
    """Neither changed nor taken away while a command is under way; afterwards it is."""
    device = block(c, HELD)
    gone = statement("disk", HELD, "file", files.held)
    with open(files.held + ".hold", "w"):
        pass
    shell(c, "echo busy | dd of=%s conv=notrunc,fsync bs=512 2>/dev/null & :" % device)
    h.until(lambda: os.path.exists(files.held + ".waits"), "the write that hangs")
    for option, text in (("-d", gone), ("-m", statement("disk", HELD, "file", files.first))):
        h.run("hpvmmodify", "-F", "-P", "one", option, text, status=1)
        check("the device is busy" in h.err and "Unable to modify the guest." in h.err, h.err)
    check(files.held in h.run("hpvmstatus", "-P", "one"), "the busy disk has gone")
    os.unlink(files.held + ".hold")
    shell(c, "wait")
    check(head(files.held) == "busy", "the write that hung is lost")
    h.run("hpvmmodify", "-F", "-P", "one", "-d", gone)
    check(files.held not in h.run("hpvmstatus", "-P", "one"), "the idle disk is still there")


def macs(c):
    """Addresses of the guest's interfaces in its own order."""
    out = shell(c, "cat /sys/class/net/eth*/address")
    return [m.replace(":", "-") for m in out.split()]


def adapters(c):
    """Buses that have a SCSI adapter."""
    out = shell(c, "grep -l 0x010000 /sys/bus/pci/devices/*/class")
    return sorted(int(b, 16) for b in re.findall(r"0000:([0-9a-f]{2}):00\.0/", out))


def addresses(h):
    """The same for the system, the firmware and the commands."""
    console = h.read("one", "app", "console")
    for n, mac in enumerate(MACS[:2]):
        plain = mac.replace("-", "").upper()
        check("Pci(%d|0)/Mac(%s)]" % (n + 1, plain) in console, "no boot option for " + mac)
        check("network:lan:0,%d,0x%s:vswitch:localnet" % (n + 1, plain) in
              h.run("hpvmstatus", "-d", "-P", "one"), "hpvmstatus -d")
        check(mac in h.run("hpvmstatus", "-P", "one"), "hpvmstatus -P")


def changed(h, c, files):
    """An adapter goes with its last disk and comes with its first; a network adapter moves to
    another slot and with it behind the other one; there is one more."""
    check(macs(c) == MACS[:2], "interfaces: %s" % macs(c))
    check(adapters(c) == [0, 1], "adapters: %s" % adapters(c))
    h.run("hpvmmodify", "-F", "-P", "one", "-d", statement("disk", (1, 0, 0), "file", files.last),
          "-a", statement("disk", (2, 0, 0), "file", files.first), "-d", "network:lan:0,1",
          "-a", nic(3, MACS[0]), "-a", nic(4, MACS[2]))
    c.type("\nreboot -f\n")
    c.expect(r"\*\*\* VM restarting \*\*\*")
    boot(c)
    check(macs(c) == [MACS[1], MACS[0], MACS[2]], "interfaces: %s" % macs(c))
    check(adapters(c) == [0, 2], "adapters: %s" % adapters(c))
    out = shell(c, "ifconfig eth2 10.9.8.7 up && ifconfig eth2")
    check("10.9.8.7" in out, "the additional interface:\n" + out)


def orderly_end(h, c, files):
    """The button starts the system's own script, and file systems are whole afterwards."""
    script = "#!/bin/sh\\necho scripts ran > /root/ended\\nsync\\npoweroff\\n"
    shell(c, "rm -f /root/ended; printf '%s' > /etc/acpi/PWRF/00000080; sync" % script)
    h.run("hpvmstop", "-F", "-P", "one")
    check("off: the guest powered off" in h.read("one", "app", "events"), "the end of one")
    guest.clean_file_system(files.disks[0], files={"/root/ended": "scripts ran\n"})


def power_cut(h):
    """No dump is left and nothing starts again by itself."""
    h.run("hpvmstop", "-h", "-F", "-P", "two")
    h.until(lambda: not h.processes(), "the end of the processes")
    known = {"nvram", "console", "console.1", "events", "progress", "log"}
    there = set(os.listdir(h.file("two", "app")))
    check(there <= known, "left behind: %s" % (there - known))
    check(h.states()["two"] == "Off" and not h.processes(), "it has started again")
    check(h.read("two", "app", "events").count("started\n") == 1, "starts of two")


def test():
    with Host() as h:
        files = Files(h)
        try:
            hangs = preload(h, files)
            create(h, files)
            h.run("hpvmdevmgmt", "-m", "gdev:%s:attr:SHARE=YES" % files.shared)
            for name in ("one", "two"):
                h.run("hpvmstart", "-F", "-Q", "-P", name)
            one, two = up(h, "one"), up(h, "two")
            check(BANNER in h.read("one", "app", "console"), "what the firmware says first")
            check("eth" not in shell(two, "ls --color=never /sys/class/net"), "a guest without network has one")
            addresses(h)
            shared_disk(h, files, one, two)
            host_storage(one, files)
            volume(h, one, files)
            sizes(h, one, files)
            if hangs:
                busy(h, one, files)
            changed(h, one, files)
            orderly_end(h, one, files)
            power_cut(h)
        finally:
            for name in ("one", "two"):
                h.run("hpvmstop", "-h", "-F", "-P", name, status=None)
            h.run("hpvmnet", "-h", "-Q", "-S", "localnet", status=None)
            files.undo()


guest.main(test)
