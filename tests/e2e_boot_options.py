"""From an empty variable store: the boot manager starts GRUB from disk and disc, Linux comes up with
its root file system; a boot option made in the maintenance manager boots after a restart; cold
reset. All by keys."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
import screen

DISK_GZ, CD_GZ = guest.need("guests/disk.img.gz", "guests/cd.iso.gz")
PROMPT = r"guest# "
DISK = "Acpi(PNP0A03,0)/Pci(0|0)/Scsi(Pun0,Lun0)"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def machine(tmp, *media):
    return guest.Guest("-m", "1G", "--nvram", os.path.join(tmp, "nvram"), *media)


def linux(g, root):
    g.expect(r"Starting: ", 60)
    g.expect(r"GNU GRUB", 60)
    g.expect(r"Linux version 6\.1", 240)
    g.expect(r"GUEST-UP Linux (\S+) ia64", 480)
    g.expect(PROMPT, 60)
    out = g.command("cat /proc/cmdline; mount | head -1", 60)
    check(root in out, out)


def power_off(g):
    g.send("poweroff -f\n")
    check(g.wait(120) == 0, "status after poweroff -f\n" + g.stderr())


def find_file(m, name):
    """The item whose last column is the name, and Enter."""
    def row():
        return next((r for r in range(4, m.screen.rows)
                     if m.screen.line(r).upper().split()[-1:] == [name]), None)
    m.wait(lambda: row() is not None and m.selected_row() is not None, "no file %s" % name)
    while row() != m.selected_row():
        at = m.selected_row()
        m.send(screen.DOWN if row() > at else screen.UP)
        m.wait(lambda: m.selected_row() not in (None, at), "the selection does not move")
    m.send(screen.ENTER)


def maintenance(m):
    m.see(r"Default boot selection will be booted in \d+ seconds")
    m.choose("Boot option maintenance menu")
    m.see(r"Main Menu\. Select an Operation")


def from_disk(tmp, disk):
    """The default is tried by itself when the count-down ends."""
    with machine(tmp, "--disk", disk) as g:
        g.connect()
        m = screen.Menus(g)
        m.see(r"Default boot selection will be booted in \d+ seconds")
        check(m.screen.selected().startswith("Removable Media Boot [%s/HD(Part1" % DISK),
              m.screen.text())
        linux(g, "root=/dev/sda2")
        power_off(g)


def from_disc(tmp, disc):
    with machine(tmp, "--cdrom", disc) as g:
        g.connect()
        m = screen.Menus(g)
        maintenance(m)
        m.choose("Boot from a File")
        m.see(r"Boot from a File\.  Select a Volume")
        m.choose("Removable Media Boot [%s]" % DISK)
        linux(g, "rootfs on /")
        power_off(g)


def own_option(tmp, disk):
    with machine(tmp, "--disk", disk) as g:
        g.connect()
        m = screen.Menus(g)
        maintenance(m)
        m.choose("Add a Boot Option")
        m.see(r"Add a Boot Option\.  Select a Volume")
        m.choose("ESP [%s/HD(Part1" % DISK)
        for name in ("EFI", "BOOT", "BOOTIA64.EFI"):
            find_file(m, name)
        m.see(r"Device Path .*HD\(Part1,Sig[-0-9A-F\n]*\)/\\EFI\\BOOT\\BOOTIA64\.EFI")
        m.answer("Enter New Description:", "Linux on the disk")
        m.answer("Enter BootOption Data Type [A-Ascii U-Unicode N-No BootOption] :", "N")
        m.answer("Save changes to NVRAM [Y-Yes N-No]:", "Y")
        m.see("The boot option is saved to NVRAM")
        m.choose("Set Auto Boot TimeOut")
        m.see("Select an Option")
        m.choose("Set Timeout Value")
        m.answer("Enter Timeout value in seconds [0 - 65535] :", "3")
        m.see("The time-out is 3 seconds")
    with machine(tmp, "--disk", disk) as g:  # another process
        g.connect()
        m = screen.Menus(g)
        m.see(r"Default boot selection will be booted in [123] seconds")
        check(m.screen.selected() == "Linux on the disk", m.screen.text())
        m.see(r"Loading\.: Linux on the disk")
        linux(g, "root=/dev/sda2")
        g.send("reboot -f\n")
        g.expect(r"EFI Boot Manager", 60)
        g.expect(r"Loading\.: Linux on the disk", 60)
        g.expect(r"GNU GRUB", 60)


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        disk = "%s,overlay=%s" % (guest.unpacked(DISK_GZ), os.path.join(tmp, "overlay"))
        for name in ("disk", "disc", "option"):
            os.mkdir(os.path.join(tmp, name))
        from_disk(os.path.join(tmp, "disk"), disk)
        from_disc(os.path.join(tmp, "disc"), guest.unpacked(CD_GZ))
        own_option(os.path.join(tmp, "option"), disk)


guest.main(test)
