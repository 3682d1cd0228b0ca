"""Keyboard and mouse of a Linux guest whose shell is on the graphics console: what the monitor types
there shows on the serial line."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")


def main():
    with tempfile.TemporaryDirectory() as folder:
        socket = "unix:" + os.path.join(folder, "monitor")

        def monitor(*words, status=0):
            done = subprocess.run([guest.PROGRAM, "monitor", socket, *words], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if (done.returncode == 0) != (status == 0):
                raise guest.GuestError("%s: %s" % (" ".join(words), done.stdout))
            return done.stdout

        def type_line(text):
            monitor("type", text)
            monitor("sendkey", "ret")

        with guest.Guest("--kernel", KERNEL, "--initrd", INITRD, "-m", "512M", "--display",
                         "dump:" + folder, "--monitor", socket, "--append",
                         "console=ttyS0,115200n8 console=tty0") as g:
            g.connect()
            g.expect("input: .*Keyboard", 300)
            g.expect("input: .*Mouse", 60)
            # What is typed before the shell reads is lost, and only the screen shows when it does.
            for _ in range(20):
                type_line("echo 'Ready:' `expr 1 + 1` >/dev/ttyS0")
                end = time.monotonic() + 5
                while "Ready: 2" not in g.text and time.monotonic() < end:
                    g.pump(end - time.monotonic())
                if "Ready: 2" in g.text:
                    break
            type_line("echo 'Typed: {~!@#$%^&*()_+|:\"<>?}' `expr 6 \\* 7` '[-=;,./]' >/dev/ttyS0")
            g.expect(r"Typed: \{~!@#\$%\^&\*\(\)_\+\|:\"<>\?\} 42 \[-=;,\./\]", 60)
            if "at most" not in monitor("sendkey", "ctrl-hyper", status=1):
                raise guest.GuestError("sendkey takes a key that does not exist")
            type_line("echo 'Reads:' `expr 2 + 2` >/dev/ttyS0; cat; echo 'Ended:' $? >/dev/ttyS0")
            g.expect("Reads: 4", 60)
            monitor("sendkey", "ctrl-d")
            g.expect("Ended: 0", 60)
            type_line("lspci -n >/dev/ttyS0; cat /proc/interrupts >/dev/ttyS0")
            g.expect("0c03: 1033:0035", 60)
            g.expect("ohci_hcd:usb1", 60)
            type_line("poweroff -f")
            g.wait(120)


guest.main(main)
