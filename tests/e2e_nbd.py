"""A disk on an NBD server: the firmware starts a program from it; Linux reads, writes and syncs; a
server that dies under I/O is a medium error in the guest. With qemu-nbd there, also a qcow2 file."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fatimage
import gptimage
import guest
import peimage

TEXT = "Started over the network."
MEGABYTE = 1 << 20


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


class Server:
    """tests/nbdserver.py on a file; ends with the block."""

    def __init__(self, tmp, image, *how, tcp=False):
        self.path = "tcp" if tcp else os.path.join(tmp, "nbd.sock")
        script = os.path.join(guest.SOURCE, "tests", "nbdserver.py")
        self.process = subprocess.Popen([sys.executable, script, self.path, image, *how],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        check(ready[:1] == ["ready"], "the NBD server does not start")
        self.uri = ("nbd://127.0.0.1:%s/" % ready[1] if tcp
                    else "nbd+unix:///?socket=" + self.path)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.flushes = self.process.stdout.read().count("flush")
        self.process.wait()
        self.process.stdout.close()
        if os.path.exists(self.path):
            os.unlink(self.path)


def start_program(uri):
    with guest.Guest("-m", "64M", "--disk", uri + ",ro") as g:
        g.connect()
        g.expect(r"EFI Boot Manager", 60)
        g.send("\r")
        g.expect(TEXT, 60)


def firmware(tmp, image):
    with open(image, "wb") as f:
        volume = fatimage.Volume(12).image({"EFI": {"BOOT": {"BOOTIA64.EFI": peimage.program(TEXT)}}})
        f.write(gptimage.disk(volume))
    for tcp in False, True:
        with Server(tmp, image, tcp=tcp) as server:
            start_program(server.uri)
    print("the firmware starts a program from an NBD disk, by Unix socket and by TCP")


def qcow2(tmp, image):
    """Another server, with a format of its own."""
    if not shutil.which("qemu-nbd") or not shutil.which("qemu-img"):
        print("not run: qemu-nbd (qemu-utils is not installed)")
        return
    other, path = os.path.join(tmp, "image.qcow2"), os.path.join(tmp, "qemu.sock")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", image, other], check=True)
    command = ["qemu-nbd", "--socket", path, "--format", "qcow2", "--persistent", "--fork",
               "--pid-file", os.path.join(tmp, "qemu.pid"), "--read-only", other]
    subprocess.run(command, check=True)
    try:
        start_program("nbd+unix:///?socket=" + path)
    finally:
        with open(os.path.join(tmp, "qemu.pid")) as f:
            os.kill(int(f.read()), 15)
    print("and from a qcow2 file behind qemu-nbd")


def missing_server(tmp):
    uri = "nbd+unix:///?socket=" + os.path.join(tmp, "nobody")
    run = subprocess.run([guest.PROGRAM, "run", "--disk", uri], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
    check(run.returncode == 2 and "--disk " + uri in run.stderr,
          "status %d without a server: %s" % (run.returncode, run.stderr))
    return run.stderr


def linux(uri):
    kernel, initrd = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
    g = guest.Guest("-m", "256M", "--kernel", kernel, "--initrd", initrd, "--append",
                    "console=ttyS0,115200n8", "--disk", uri)
    g.connect()
    g.expect(r"GUEST-UP", 240)
    g.expect(r"guest# ", 60)
    return g


def reads_and_writes(tmp, image):
    with open(image, "wb") as f:
        f.write(os.urandom(8 * MEGABYTE))
    with Server(tmp, image) as server, linux(server.uri) as g:
        with open(image, "rb") as f:
            before = f.read()
        g.command("dd if=/dev/sda of=/tmp/half bs=1M count=4 && dd if=/tmp/half of=/dev/sda bs=1M "
                  "seek=4 && sync; echo rc=$?", 120)
        with open(image, "rb") as f:
            check(f.read() == before[:4 * MEGABYTE] * 2, "what the guest has written is not there")
        g.send("poweroff -f\n")
        check(g.wait(60) == 0, "status after poweroff -f\n" + g.stderr())
    check(server.flushes > 0, "the guest's sync did not reach the server")
    print("Linux reads and writes it; %d flushes" % server.flushes)


def dies(tmp, image):
    with Server(tmp, image, "die=4") as server, linux(server.uri) as g:
        out = g.command("dd if=/dev/zero of=/dev/sda bs=64k count=100; sync; "
                        "dd if=/dev/sda of=/dev/null bs=64k skip=101 count=1 || echo no read", 240)
        check("no read" in out, "reading a disk without server:\n" + out)
        log = g.command("dmesg", 60)
        check("Medium Error" in log and "Sense: Write error" in log.replace("Add. ", ""),
              "no medium error in the guest:\n" + log[-3000:])
        check("medium error" in g.stderr(), "no word to the user:\n" + g.stderr())
        check(g.command("echo alive", 60) == "alive", "the guest is not alive")
        g.send("poweroff -f\n")
        check(g.wait(60) == 0, "status after poweroff -f\n" + g.stderr())
    print("a dead server is a medium error")


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        said = missing_server(tmp)
        if "built with libnbd" in said:
            print("skipped: " + said)
            sys.exit(guest.SKIPPED)
        image = os.path.join(tmp, "image")
        firmware(tmp, image)
        qcow2(tmp, image)
        if not os.path.exists(os.path.join(guest.SHARED, "guests", "initramfs.cpio.gz")):
            print("not run: Linux on an NBD disk (no guests in KITTSON_SHARED)")
            return
        reads_and_writes(tmp, image)
        dies(tmp, image)


guest.main(test)
