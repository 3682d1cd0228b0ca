"""The messages of Integrity VM (hpvm.md section 21.2), line by line: each is produced with its exact text, or it
is said why it never comes."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import BIN, Console, Host, check

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# (command line, what is typed, status, standard output, standard error): in this order, on a host that has
# nothing at first. None: anything. A function does something in between.
SESSION = [
    ("hpvmstatus", "", 1, "", "hpvmstatus: No guest information is available.\n"
                              "hpvmstatus: Unable to continue.\n"),
    ("hpvmstatus -m", "", 0, "No HPVM multi-server environment configured\n", ""),
    ("hpvminfo", "", 0, "hpvminfo: Running on an HPVM host.\n", ""),
    ("hpvmmigrate -v", "", 0, r"/^hpvmmigrate: Version A\.03\.00", ""),
    ("hpvmcreate -F -P vm -r 1G -x ram_dyn_type=any", "", 0, "", None),
    ("hpvmcreate -F -P other -r 512", "", 0, "", None),
    ("hpvmmigrate -P other -h nobody.invalid", "", 1, None,
     "/Error: hpvmmigrate: SSH execution error.\n"),
    ("hpvmcreate -F -P wide -c 16 -r 512", "", 0, "", None),
    ("hpvmstart -P wide", "", 1, None, "/\nhpvmstart: Unable to continue.\n$"),
    ("hpvmstart -F -P vm", "", 0, "/\nhpvmstart: Successful start initiation of guest 'vm'\n$", ""),
    ("hpvmstatus -V -P vm", "", 0, "/^NOTE: Dynamic data unavailable, configured values only$", ""),
    ("hpvmmodify -x ram_target=600M -P vm", "", 1, "",
     "hpvmmodify: ERROR (vm): Query to dynamic memory driver failed: Function is not available.\n"
     "hpvmmodify: Failed to set ram_target.\nhpvmmodify: Unable to modify the guest.\n"),
    ("hpvmremove -F -P vm", "", 1, "", "hpvmremove: The guest is currently running, not able to remove.\n"
                                       "hpvmremove: Unable to continue.\n"),
    ("hpvmstop -P vm", "n\n", 0, "hpvmstop: Stop the virtual machine 'vm'? [n/y]: ", ""),
    ("hpvmstop -a -F", "", 0, "Stopping virtual machine vm\n", ""),
    ("hpvmremove -P vm", "\n", 0, "hpvmremove: Remove the virtual machine 'vm'? [n/y]: ", ""),
    ("hpvmnet -c -S clan1", "", 0, "", ""),
    ("hpvmnet -c -S VMLAN1", "", 0, "", ""),
    ("hpvmnet -S clan1 -b", "", 0, "", ""),
    ("hpvmnet -S VMLAN1 -b", "", 0, "", ""),
    ("hpvmnetd --name VMLAN1", "", 1, "", "hpvmnetd: Switch 0000564d4c414e31 already exists\n"),
    ("hpvmnet -S clan1 -d", "", 1, "", "hpvmnet: The vswitch is currently active\n"
                                       "hpvmnet: Unable to continue\n"),
    ("hpvmnet -S clan1 -h", "y\n", 0, "hpvmnet: Halt the vswitch 'clan1'? [n/y]: ", ""),
    ("hpvmnet -S clan1 -d", "y\n", 0, "hpvmnet: Remove the vswitch 'clan1'? [n/y]: ", ""),
]

# Of hpvmconsole -c "pc -on".
POWER_ON = ["System will be powered on.", "-> System is being powered on.",
            "Please wait for the guest start sequence to complete. Use of the attention\ncharacter can "
            "prevent the guest from running.", "-> Command successful."]

# Typed in a console (of a guest with discs in a directory), and what then comes.
CONSOLE = [
    ("co\r", "(Use Ctrl-B to return to vMP main menu.)"),
    ("\x02", "vMP> "),
    ("in\r", "Enter menu item number or [Q] to Quit: "),
    ("1\r", "Enter menu item number or [Q] to Quit: "),
    ("1\r", "Confirm insertion action"),
    ("", "G - Go"),
    ("", "F - Force"),
    ("", "Enter menu item or [Q] to Quit: "),
    ("G\r", "vMP> "),
    ("ej\r", "Enter menu item number or [Q] to Quit: "),
    ("1\r", "Confirm eject action"),
    ("", "G - Go"),
    ("", "F - Force"),
    ("", "Enter menu item or [Q] to Quit: "),
    ("G\r", "vMP> "),
    ("rs -nc\r", "vMP> "),
    ("co\r", "*** VM restarting ***"),
]

NEVER = {
    "Attempting to increase memory from ...; Attempting to decrease ...; Successfully began to change ...":
        "hpvmmgmt is a command of HP-UX guests with HP's driver",
    "Dynamic memory driver not found on guest.": "hpvmmgmt, too",
    "Failed to open dynamic memory driver, error: No such device.": "hpvmmgmt, too",
    "vmunix: (hpvmdvr) Dynamic memory version mismatch Guest ...; Please update the guest kit":
        "the kernel of an HP-UX host",
    "could not write monParams: ...; hpvmnet * already exists; /sbin/init.d/hpvm start ran without ...":
        "the installation on HP-UX",
    "diskinfo: can't open /dev/rtape/...: Device busy; diskinfo: can't open /dev/rmt/...":
        "a program of HP-UX, with attached tapes",
    "Error: hpvmmigrate: Remote execution error on ...": "comes in e2e_hpvm_migrate, which has two hosts",
    "hpvminfo: Running inside an HPVM guest.": "comes below, and in a guest in e2e_guest_kit",
}


def fits(got, wanted):
    if wanted is None:
        return True
    return re.search(wanted[1:], got, re.M) is not None if wanted.startswith("/") else got == wanted


def session(h):
    for line, typed, status, out, err in SESSION:
        p = subprocess.run([os.path.join(BIN, line.split()[0]), *line.split()[1:]], env=h.env,
                           input=typed, capture_output=True, text=True, timeout=120)
        check(p.returncode == status and fits(p.stdout, out) and fits(p.stderr, err),
              "%s: status %d\n%s%s" % (line, p.returncode, p.stdout, p.stderr))
    h.until(lambda: not h.processes(), "the end of the guest")


def console(h):
    discs = os.path.join(h.dir, "discs")
    os.mkdir(discs)
    with open(os.path.join(discs, "one.iso"), "wb") as f:
        f.truncate(1 << 20)
    os.chmod(f.name, 0o644)
    h.run("hpvmcreate", "-F", "-P", "cd", "-r", "512", "-a", "dvd:scsi:0,0,0:null:" + discs)
    out = h.run("hpvmconsole", "-P", "cd", "-q", "-c", "pc -on")
    for text in POWER_ON:
        check(text in out, "%r is not in\n%s" % (text, out))
    c = Console(h, "cd")
    c.expect(r"vMP> ")
    for typed, text in CONSOLE:
        if typed:
            c.type(typed)
        c.expect(re.escape(text))
    c.close()
    h.run("hpvmstop", "-h", "-F", "-P", "cd")


def in_a_guest(h):
    dmi = os.path.join(h.dir, "dmi")
    os.mkdir(dmi)
    with open(os.path.join(dmi, "product_name"), "w") as f:
        f.write("server Integrity Virtual Machine\n")
    out = subprocess.run(["sh", os.path.join(SOURCE, "dist", "guest", "hpvminfo")], text=True,
                         env=dict(os.environ, HPVM_DMI=dmi), capture_output=True).stdout
    check(out == "hpvminfo: Running inside an HPVM guest.\n", out)


def test():
    with Host() as h:
        try:
            session(h)
            console(h)
            in_a_guest(h)
        finally:
            h.run("hpvmnet", "-h", "-Q", status=None)
        for text, reason in NEVER.items():
            print("%s\n    %s" % (text, reason))


guest.main(test)
