"""The Linux guest makes an EFI variable, finds it after a restart of the process, and deletes it;
kittson nvram sees the same."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
NAME = "TestVar-12345678-1234-1234-1234-123456789abc"
MOUNT = "mount -t efivarfs efivarfs /sys/firmware/efi/efivars;cd /sys/firmware/efi/efivars;"


def boot(directory, commands):
    """What the guest printed for the commands."""
    console = os.path.join(directory, "console")
    run = subprocess.run(
        [guest.PROGRAM, "run", "--nvram", os.path.join(directory, "store"), "--kernel", KERNEL,
         "--initrd", INITRD, "--console", "file:" + console, "--append",
         "console=ttyS0,115200n8 autorun=" + (MOUNT + commands + ";poweroff -f").replace(" ", "+")],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=300)
    with open(console, errors="replace") as f:
        text = f.read()
    if run.returncode != 0:
        raise guest.GuestError("status %d: %s\n%s" % (run.returncode, run.stderr, text[-2000:]))
    return text[text.index("\nAUTORUN"):].split("\n", 2)[2]


def export(directory):
    return subprocess.run(
        [guest.PROGRAM, "nvram", "export", os.path.join(directory, "store")],
        stdout=subprocess.PIPE, text=True, check=True).stdout


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as directory:
        boot(directory, r"printf \\007\\000\\000\\000hello>" + NAME)
        text = export(directory)
        if '"TestVar" 0x7\n    68656c6c6f\n' not in text:
            raise guest.GuestError("the variable is not in the store:\n" + text)
        said = boot(directory, "echo got-$(tail -c 5 %s);chattr -i %s;rm %s" % (NAME, NAME, NAME))
        if "got-hello" not in said:
            raise guest.GuestError("the variable is not there after a restart:\n" + said)
        if "TestVar" in export(directory):
            raise guest.GuestError("the deleted variable is still in the store")


guest.main(test)
