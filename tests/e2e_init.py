"""An INIT message to the processor enters the handler that Linux registered through SAL, with the
interrupted context in its minimal-state area: the kernel says so and shows what was running."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
# Delivery mode 5 (INIT) written to the first processor's place in the interrupt block.
SEND_INIT = "busybox devmem 0xfee00000 64 0x500"


def test():
    with guest.Guest("--kernel", KERNEL, "--initrd", INITRD, "--append",
                     "console=ttyS0,115200n8 quiet") as g:
        g.connect()
        g.expect(r"guest# ", 120)
        g.send(SEND_INIT + "\n")
        g.expect(r"Entered OS INIT handler\. PSP=0 cpu=0 monarch=1", 60)
        g.expect(r"INIT occurred in user space, original stack not modified", 60)
        g.expect(r"Backtrace of pid 1 \(init\)", 60)


guest.main(test)
