"""The firmware's screens, driven by keys and looked at as a terminal shows them: boot manager,
count-down, maintenance manager, file browser, boot options that survive a restart, console devices,
hostile variables, a full variable store. Needs nothing outside the tree."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fatimage
import guest
import peimage
import screen
from screen import DOWN, END, ENTER, ESCAPE, UP

TITLE = "EFI Boot Manager ver 1.10 [14.62] [Build: Fri Aug  4 11:37:36 2006]"
MAINT = "EFI Boot Maintenance Manager ver 1.10 [14.62]"
DISK = "Acpi(PNP0A03,0)/Pci(0|0)/Scsi(Pun0,Lun0)"
COUNT = r"Default boot selection will be booted in \d+ seconds"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
SAVE = "Save changes to NVRAM [Y-Yes N-No]:"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


class Machine:
    """A machine whose menus are used; the variable store and the disk outlive it. Without an image
    the disk is empty."""

    def __init__(self, tmp, image=None, rows=25):
        if not image:
            image = os.path.join(tmp, "blank")
            with open(image, "wb") as f:
                f.truncate(1 << 20)
        self.g = guest.Guest("-m", "64M", "--nvram", os.path.join(tmp, "nvram"), "--disk", image)
        self.rows = rows

    def __enter__(self):
        self.g.__enter__()
        self.g.connect()
        return screen.Menus(self.g, self.rows)

    def __exit__(self, *exc):
        self.g.__exit__(*exc)


def variables(tmp):
    return subprocess.run([guest.PROGRAM, "nvram", "export", os.path.join(tmp, "nvram")],
                          stdout=subprocess.PIPE, text=True, check=True).stdout


def variable(tmp, name):
    """Its bytes as hexadecimal digits, or None."""
    match = re.search(r'"%s" 0x7\n((    [0-9a-f]+\n)+)' % name, variables(tmp))
    return re.sub(r"\s", "", match.group(1)) if match else None


def set_variables(tmp, values):
    text = "".join('%s "%s" 0x%x\n%s\n' % (GLOBAL, name, attributes,
                                           re.sub("(.{1,64})", r"    \1\n", data.hex()))
                   for name, attributes, data in values)
    subprocess.run([guest.PROGRAM, "nvram", "import", os.path.join(tmp, "nvram")], input=text,
                   text=True, check=True)


def disk(tmp):
    path = os.path.join(tmp, "disk")
    many = {"FILE%02d.TXT" % i: b"x" for i in range(40)}
    fatimage.write(path, {"EFI": {"ONE": {"ONE.EFI": peimage.program("This is program one.")},
                                  "TWO": {"TWO.EFI": peimage.program("This is program two.")}},
                          "MANY": many}, 12)
    return path


def maintenance(m):
    m.see(re.escape(TITLE))
    m.choose("Boot option maintenance menu")
    m.see("Main Menu. Select an Operation")


def leave(m):
    m.see("Main Menu. Select an Operation")
    m.choose("Exit")
    m.see("Please select a boot option")


def add_option(m, name, description, kind="N", data=None, save="Y"):
    m.choose("Add a Boot Option")
    m.see(r"Add a Boot Option\.  Select a Volume")
    m.choose("KITTSON [%s]" % DISK)
    m.see("Select file or change to new directory:")
    for directory in ("EFI", name):
        find_file(m, directory)
    find_file(m, name + ".EFI")
    m.see(re.escape(r"Device Path %s/\EFI\%s\%s.EFI" % (DISK, name, name)))
    m.answer("Enter New Description:", description)
    m.see("New BootOption Data. ASCII/Unicode strings only, with max of 240 characters")
    m.answer("Enter BootOption Data Type [A-Ascii U-Unicode N-No BootOption] :", kind)
    if data:
        m.answer("Enter BootOption Data", data)
    m.answer(SAVE, save)
    m.see("Main Menu. Select an Operation")


def find_file(m, name):
    """Selects a directory or file by its name, the last column, and presses Enter."""
    def row():
        return next((r for r in range(4, m.screen.rows)
                     if m.screen.line(r).split()[-1:] == [name]), None)
    m.wait(lambda: row() is not None and m.selected_row() is not None, "no file %s" % name)
    while row() != m.selected_row():
        at = m.selected_row()
        m.send(DOWN if row() > at else UP)
        m.wait(lambda: m.selected_row() not in (None, at), "the selection does not move")
    m.send(ENTER)


def boots(m, name, text, seconds=60):
    m.see(r"Loading\.: %s" % name, seconds)
    m.see(r"Starting: %s" % name)
    m.see(text)
    m.see(r"Exit status code: Success")
    m.see(r"Paused - press any key to continue")


def back(m):
    """From what a program left to the menu."""
    m.see("Paused - press any key to continue")
    m.send(" ")
    m.gone("Paused - press any key to continue")
    m.see("Boot option maintenance menu")


# --- the tests ---


def nothing_to_boot(tmp):
    """The exact screens; a terminal of 24 lines shows them as well; the shell is the default."""
    with Machine(tmp, rows=24) as m:
        m.see(COUNT)
        lines = [m.screen.line(r) for r in range(10)]
        check(lines[:9] == [TITLE, "", "Please select a boot option", "",
                            "    EFI Shell [Built-in]", "    Boot option maintenance menu", "",
                            "    Use ^ and v to change option(s). Use Enter to select an option",
                            lines[8]] and re.fullmatch("    " + COUNT, lines[8]),
              m.screen.text())
        check(m.screen.selected() == "EFI Shell [Built-in]", "the default: " + m.screen.text())
        m.send("v")
        m.gone(COUNT)
        m.wait(lambda: m.screen.selected() == "Boot option maintenance menu", "v does not move")
        m.send("^")
        m.wait(lambda: m.screen.selected() == "EFI Shell [Built-in]", "^ does not move")
        maintenance(m)
        items = ["Boot from a File", "Add a Boot Option", "Delete Boot Option(s)",
                 "Change Boot Order", "", "Manage BootNext setting", "Set Auto Boot TimeOut", "",
                 "Select Active Console Output Devices", "Select Active Console Input Devices",
                 "Select Active Standard Error Devices", "", "Cold Reset", "Exit"]
        m.see(r"SerialNumber-->\[VM00000000          \]")
        m.see(r"Timeout-->\[10\] sec SystemGuid-->\[[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\]")
        check([m.screen.line(4 + i).strip() for i in range(14)] == items, m.screen.text())
        check(m.screen.line(0) == MAINT, m.screen.text())
        m.choose("Set Auto Boot TimeOut")
        m.see("Select an Option")
        m.choose("Set Timeout Value")
        m.answer("Enter Timeout value in seconds [0 - 65535] :", "99999")
        m.see("99999 is not a number from 0 to 65535")
        m.choose("Set Timeout Value")
        m.answer("Enter Timeout value in seconds [0 - 65535] :", "7\b1")
        m.see("The time-out is 1 seconds")
        m.choose("Exit")
        m.see(r"Timeout-->\[1\] sec")
        check("Loading device drivers" in m.g.text and "VM restarting" not in m.g.text, m.g.text)
        check("Scsi(Pun0,Lun0) HP       Virtual FileDisk 0.04 ( 80 MBytes/sec)" in m.g.text,
              m.g.text)
        m.choose("Cold Reset")
        m.see(r"Loading\.: EFI Shell \[Built-in\]")  # by itself, after the count-down
        check("*** VM restarting ***" in m.g.text, m.g.text)
    check(variable(tmp, "Timeout") == "0100", variables(tmp))


def redrawing(tmp):
    """What a terminal does with its size does not matter; Ctrl-L draws the screen again."""
    with Machine(tmp) as m:
        m.see(COUNT)
        maintenance(m)
        m.see("SerialNumber")
        before = m.screen.text()
        m.screen.resize(40, 10)
        m.send(DOWN + UP)
        m.screen.resize(100, 30)
        m.send("\x0c")
        m.wait(lambda: m.screen.text() == before, "another screen than\n" + before)


def options(tmp, image):
    """Add, restart, order, BootNext, delete."""
    with Machine(tmp, image) as m:
        maintenance(m)
        add_option(m, "ONE", "First program", "A", "hello")
        add_option(m, "TWO", "Second program", "U", "hi")
        add_option(m, "TWO", "Never saved", save="N")
        m.choose("Set Auto Boot TimeOut")
        m.see("Select an Option")
        m.choose("Set Timeout Value")
        m.answer("Enter Timeout value", "2")
        m.see("The time-out is 2 seconds")
        m.choose("Exit")
        leave(m)
        m.see("First program\n +Second program\n +EFI Shell")
    check(variable(tmp, "BootOrder") == "00000100", variables(tmp))
    check(variable(tmp, "Boot0000").endswith("7fff0400" + b"hello\0".hex()), variables(tmp))
    check(variable(tmp, "Boot0001").endswith("7fff0400" + "hi\0".encode("utf-16-le").hex()),
          variables(tmp))
    with Machine(tmp, image) as m:
        m.see("First program\n +Second program\n +EFI Shell")
        boots(m, "First program", "This is program one")
        back(m)
        maintenance(m)
        m.choose("Change Boot Order")
        m.see(r"Change Boot Order\.  Select an Option")
        m.select("Second program")
        m.send("u")
        m.see("Second program\n +First program")
        m.choose("Exit")
        m.answer(SAVE, "y")
        m.see("Main Menu. Select an Operation")
        m.choose("Manage BootNext setting")
        m.see(r"Manage BootNext setting\.  Select an Option")
        m.select("First program")
        m.send("b")
        m.see(r"\* First program")
        m.choose("Save Settings to NVRAM")
        m.see("Settings are saved to NVRAM")
        m.choose("Exit")
        m.see("Main Menu. Select an Operation")
        check(variable(tmp, "BootNext") == "0000", variables(tmp))
        m.choose("Cold Reset")
        m.see(COUNT)
        check(m.screen.selected() == "First program", "BootNext is not the default")
        boots(m, "First program", "This is program one")
        check(variable(tmp, "BootNext") is None, "BootNext is not used up")
        back(m)
        maintenance(m)
        m.choose("Cold Reset")
        m.see(COUNT)
        boots(m, "Second program", "This is program two")
        back(m)
        maintenance(m)
        m.choose("Delete Boot Option(s)")
        m.see(r"Delete Boot Option\(s\)\.  Select an Option")
        m.choose("Second program")
        m.gone("Second program")
        m.choose("Exit")
        m.answer(SAVE, "N")  # changed my mind
        m.see("Main Menu. Select an Operation")
        m.choose("Delete Boot Option(s)")
        m.see(r"Second program\n +First program")
        m.choose("First program")
        m.gone("First program")
        m.choose("Save Settings to NVRAM")
        m.see("Settings are saved to NVRAM")
        check(variable(tmp, "BootOrder") == "0100" and not variable(tmp, "Boot0000"),
              variables(tmp))
        m.choose("Delete All Boot Options")
        m.gone("Second program")
        m.send(ESCAPE)
        m.answer(SAVE, "Y")
        leave(m)
    check("Boot0" not in variables(tmp) and "BootOrder" not in variables(tmp), variables(tmp))


def files(tmp, image):
    """Boot from a File, with detours; options that do not work are followed by the next."""
    with Machine(tmp, image) as m:
        maintenance(m)
        m.choose("Boot from a File")
        m.see(r"Boot from a File\.  Select a Volume")
        m.see(r"KITTSON \[Acpi.*\n +Load File \[EFI Shell \[Built-in\]\]\n +Legacy Boot\n +Exit")
        m.choose("Legacy Boot")
        m.see("There is no legacy operating system")
        m.choose("KITTSON")
        find_file(m, "MANY")
        m.see(r"FILE00\.TXT")
        check("FILE39" not in m.screen.text(), "40 files on one screen")
        m.send(END + UP)
        m.see(r"FILE39\.TXT\n +Exit")
        m.wait(lambda: m.screen.selected().endswith("FILE39.TXT"), "END and up")
        m.send(ENTER)  # not a program
        m.see(r"Load of \\MANY\\FILE39\.TXT failed: Load Error")
        m.see("Paused - press any key to continue")
        back(m)
        maintenance(m)
        m.choose("Boot from a File")
        m.see(r"Select a Volume")
        m.choose("KITTSON")
        find_file(m, "MANY")
        m.see(r"FILE00\.TXT")
        find_file(m, "..")
        m.see(r"EFI\n")
        find_file(m, "EFI")
        find_file(m, "TWO")
        find_file(m, "TWO.EFI")
        boots(m, r"\\EFI\\TWO\\TWO\.EFI", "This is program two")
        back(m)
        maintenance(m)
        add_option(m, "ONE", "Will be gone")
        add_option(m, "TWO", "Works")
    fatimage.write(image, {"EFI": {"TWO": {"TWO.EFI": peimage.program("This is program two.")}}},
                   12)  # the first program is gone
    with Machine(tmp, image) as m:
        m.see(r"Load of Will be gone failed: Not Found", 60)
        boots(m, "Works", "This is program two")


def consoles(tmp):
    terminal = r"Acpi\(PNP0501,0\)/Uart\(115200 N81\)/VenMsg\(Vt100\+\)"
    with Machine(tmp) as m:
        m.see(COUNT)
        before = [variable(tmp, x) for x in ("ConOut", "ConIn", "ErrOut")]
        check(None not in before, "console variables are not there")
        maintenance(m)
        for name, item in (("ConOut", "Select Active Console Output Devices"),
                           ("ConIn", "Select Active Console Input Devices"),
                           ("ErrOut", "Select Active Standard Error Devices")):
            m.choose(item)
            m.see(r"Select the .*Device\(s\)")
            m.see(r"\* " + terminal)
            m.send(ENTER)
            m.see(r"    +" + terminal)
            m.gone(r"\* " + terminal)
            m.choose("Save Settings to NVRAM")
            m.see("Settings are saved to NVRAM")
            check(variable(tmp, name) is None, name + " is still there")
            m.choose("Acpi(PNP0501")
            m.see(r"\* " + terminal)
            m.choose("Exit")
            m.answer(SAVE, "Y")
            m.see("Main Menu. Select an Operation")
    check([variable(tmp, x) for x in ("ConOut", "ConIn", "ErrOut")] == before, variables(tmp))


def hostile(tmp, image):
    """Variables with nonsense in them: the menu comes, options can be deleted and made."""
    name = "x".encode("utf-16-le") + b"\0\0"
    end = bytes.fromhex("7fff0400")
    option = b"\1\0\0\0"
    values = [
        ("BootOrder", 7, bytes(range(256)) * 255 + b"\7"),
        ("BootNext", 7, b"\1"), ("Timeout", 7, b"\3"), ("ConOut", 7, b"\1\2\xff\xff" * 20),
        ("Boot0000", 7, b"\1"),                                       # too short
        ("Boot0100", 7, option + b"\xff\xff" + name),                 # paths beyond the end
        ("Boot0302", 7, option + b"\4\0" + b"x\0" * 600),             # no end of the description
        ("Boot0504", 7, option + b"\x08\0" + name + b"\4\1\1\0" + end),  # a node of one byte
        ("Boot0706", 7, option + b"\x08\0" + name + b"\4\4\4\0" + end),  # an empty file path
        ("Boot0908", 7, option + b"\4\0" + name + end),               # an empty path
        ("Boot0B0A", 7, option + b"\x2e\0" + name + b"\4\1\x2a\0" + b"\xff" * 38 + end),
        ("Boot0D0C", 7, option + b"\x0a\0" + b"\x1b\0[\0002\0J\0\0\0" + b"\1\1\6\0\xff\xff" + end),
    ]
    set_variables(tmp, values)
    with Machine(tmp, image) as m:
        m.see(r"Please select a boot option\n\n +x\n +x\n +\?\[2J\n +EFI Shell \[Built-in\]")
        m.see(COUNT)
        m.choose("x")
        m.see(r"Load of x failed: Not Found")
        back(m)
        maintenance(m)
        m.choose("Delete Boot Option(s)")
        m.see(r"Boot0908 \(damaged\)")
        m.choose("Boot0504 (damaged)")
        m.gone("Boot0504")
        m.choose("Save Settings to NVRAM")
        m.see("Settings are saved to NVRAM")
        m.choose("Exit")
        m.see("Main Menu. Select an Operation")
        check(variable(tmp, "BootOrder") == "00010203060708090a0b0c0d",
              variable(tmp, "BootOrder"))
        m.choose("Cold Reset")  # by themselves: all fail, the shell is left
        m.see(COUNT)
        m.see(r"Loading\.: EFI Shell \[Built-in\]", 120)


def full(tmp, image):
    """Nothing fits into the variable store any more."""
    set_variables(tmp, [("Full%d" % i, 7, bytes(65400)) for i in range(4)])
    with Machine(tmp, image) as m:
        maintenance(m)
        m.choose("Add a Boot Option")
        m.see(r"Add a Boot Option\.  Select a Volume")
        m.choose("KITTSON")
        find_file(m, "EFI")
        find_file(m, "TWO")
        find_file(m, "TWO.EFI")
        m.answer("Enter New Description:", "Too much " + "x" * 100)
        m.answer("Enter BootOption Data Type", "U")
        m.answer("Enter BootOption Data", "y" * 300)  # 240 of them count
        m.send("Y" + ENTER)
        m.see("Not saved: Out of Resources")
        check(variable(tmp, "Boot0000") is None and variable(tmp, "BootOrder") is None,
              "something was saved")
    with Machine(tmp, image) as m:
        m.see(re.escape(TITLE))


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        for n, case in enumerate((nothing_to_boot, redrawing, options, files, consoles, hostile,
                                  full)):
            place = os.path.join(tmp, str(n))
            os.mkdir(place)
            arguments = [place]
            if case in (options, files, hostile, full):
                arguments.append(disk(place))
            case(*arguments)
            print(case.__name__ + ": passed", flush=True)


guest.main(test)
