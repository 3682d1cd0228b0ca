"""The firmware's built-in EFI shell on two FAT volumes: every command, scripts, redirection, line
editing, a program with arguments, boot options; GRUB from disk.img started by path."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fatimage
import guest

TOOLS = shutil.which("mcopy")
BIG = bytes((i * 7 + (i >> 9)) & 0xff for i in range(5 << 20))
DEVICE = r"Acpi(PNP0A03,0)/Pci(0|0)/Scsi(Pun%d,Lun0)"
PROMPT = r"(?s)\n(Shell|[a-z0-9]+:\\[^\r\n]*)> $"

SCRIPT = r"""
# A comment
echo -off
echo first %1 second "%2"
shift
echo now %1
for %i in red green
  for %n run (1 3 2)
    echo %i-%n
  endfor
endfor
for %f in *.txt
  echo file %f
endfor
if exist hello.txt then
  echo there
else
  echo missing
endif
if not exist nothing.txt then
  if "%colour%" == "BLUE" then
    echo blue
  endif
endif
goto end
echo not reached
:end
nothing
echo status %lasterror%
"""

FILES = {"HELLO.TXT": b"Hello, world.\r\nSecond line.\r\n", "BIG.BIN": BIG,
         "TEST.NSH": SCRIPT.replace("\n", "\r\n").encode(),
         "DEEP.NSH": b"echo -off\r\ndeep\r\n", "LOOP2.NSH": b"echo going round\r\n:again\r\ngoto again\r\n",
         "BAD.NSH": b"echo -off\r\nif exist x then\r\necho y\r\n",
         "NOTEXE.EFI": b"This is no program.", "EMPTY.EFI": b"",
         "EFI": {"TOOLS": {"TOOL.NSH": b"@echo tool %1\r\n"}}}


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r", "")


class Shell:
    def __init__(self, g):
        self.g = g

    def start(self, downs=0):
        """Chooses the entry of the shell in the boot manager's list."""
        self.g.expect(r"will be booted in \d+ seconds", 60)
        self.g.send("\x1b[B" * downs + "\r")
        self.g.expect(r"EFI Shell version 1\.10 \[14\.62\]\r\nDevice mapping table\r\n", 60)
        return self.prompt()

    def prompt(self):
        start = self.g.seen
        self.g.expect(PROMPT, 120)
        return plain(self.g.text[start:self.g.seen])

    def run(self, line):
        """What a command printed."""
        self.g.send(line + "\r")
        self.g.expect(re.escape(line[-30:]) + r"\r\n", 60)
        return self.prompt().rsplit("\n\n", 1)[0]

    def want(self, line, *texts):
        out = self.run(line)
        for t in texts:
            check(t in out, "%s: %r is not in\n%s" % (line, t, out))
        check("Exit status code" not in out, "%s failed:\n%s" % (line, out))
        return out

    def fails(self, line, status, *texts):
        out = self.run(line)
        for t in texts + ("Exit status code: " + status,):
            check(t in out, "%s: %r is not in\n%s" % (line, t, out))


def dump(data):
    """Lines of hexdump."""
    out = []
    for at in range(0, len(data), 16):
        part = data[at:at + 16]
        cells = ["%02X" % b for b in part]
        text = " ".join(cells[:8]) + ("-" + " ".join(cells[8:]) if len(cells) > 8 else "")
        out.append("  %08X: %s" % (at, text))
    return out


def maps(sh):
    out = sh.want("map", "Device mapping table\n")
    for i, name in enumerate(("fs0", "fs1")):
        check("\n  %-4s : %s\n" % (name, DEVICE % i) in out + "\n", out)
    for i, name in enumerate(("blk0", "blk1")):
        check("\n  %-4s : %s" % (name, DEVICE % i) in out, out)
    sh.want("map -v", "FAT16", "25,165,824 bytes, blocks of 512")
    sh.want("map mine fs1")
    sh.want("map m*", "  mine : " + DEVICE % 1)
    sh.want("map -d mine")
    sh.fails("mine:", "Not Found", "'mine:'")
    sh.fails(r"\efi\hpux\hpux", "Invalid Parameter", r"'\efi\hpux\hpux' not found")
    sh.fails("ls", "No mapping")
    sh.run("fs0:")


def files(sh):
    out = sh.want("ls", "Directory of: fs0:\\", "29  HELLO.TXT", "5,242,880  BIG.BIN", "<DIR>")
    check("8 File(s)" in out and "1 Dir(s)" in out, out)
    sh.want("dir *.nsh", "4 File(s)")
    sh.want("ls -r efi", "Directory of: fs0:\\efi\\TOOLS", "TOOL.NSH", "Total Summary")
    sh.fails("ls nothing", "Not Found")
    sh.want("type hello.txt", "Hello, world.\nSecond line.\n")
    sh.want("hexdump hello.txt", *dump(FILES["HELLO.TXT"]))
    sh.want(r"mkdir work work\inner", "")
    sh.fails("mkdir work", "Access Denied", "already exists")
    sh.want("cp big.bin fs1:", " - [ok]")
    sh.want(r"comp big.bin fs1:\big.bin", "[no difference encountered]")
    sh.want(r"cp *.txt work\inner", "copying fs0:\\HELLO.TXT -> fs0:\\work\\inner\\HELLO.TXT")
    sh.want(r"cp -r work fs1:\saved", " - [ok]")
    sh.want(r"ls fs1:\saved\inner", "HELLO.TXT")
    sh.fails(r"cp -r work work\inner\again", "Invalid Parameter", "into itself")
    sh.fails("cp work x", "Invalid Parameter", "use -r")
    sh.want("cd work", "")
    sh.want("cd", "fs0:\\work")
    sh.want(r"mv inner\hello.txt renamed.txt", " - [ok]")
    sh.want("ren renamed.txt again.txt", " - [ok]")
    sh.want("attrib +r again.txt", "attrib: A  R fs0:\\work\\again.txt")
    sh.fails("rm again.txt", "Access Denied")
    sh.want("attrib -r again.txt", "attrib: A    ")
    sh.want("rm again.txt", "removing fs0:\\work\\again.txt\n - [ok]")
    sh.fails(r"rm -q \work", "Access Denied")
    sh.want("touch new.txt", "[ok]")
    sh.want("ls", " 0  new.txt")
    sh.want("cd ..")
    sh.fails("cd hello.txt", "Invalid Parameter")
    sh.g.send("rm work\r")
    sh.g.expect(r"remove subtree 'fs0:\\work' \[y/n\]\? ", 30)
    sh.g.send("y")
    check("removing fs0:\\work\n - [ok]" in sh.prompt(), "rm of a tree")
    sh.g.send("cp hello.txt test.nsh\r")
    sh.g.expect(r"Replace it\? \(Yes/No/All/Cancel\) ", 30)
    sh.g.send("n")
    sh.prompt()
    sh.want("type test.nsh", "# A comment")
    sh.want("vol -n NEWNAME", "Volume NEWNAME (rw)")
    sh.fails("comp hello.txt test.nsh", "Aborted", "File sizes mismatch")


def text(sh):
    sh.want("echo one \"two  three\" ^> four > out.txt")
    sh.want("hexdump out.txt", *dump("\ufeffone two  three > four\r\n".encode("utf-16-le")))
    sh.want("echo more >>a ascii.txt")
    sh.want("echo more >>a ascii.txt")
    sh.want("hexdump ascii.txt", *dump(b"more\r\nmore\r\n"))
    sh.fails(r"echo x > \no\such", "Not Found")
    sh.fails("echo \"open", "Invalid Parameter", "quotation mark")
    sh.want("set colour blue")
    sh.want("set", "    colour   : blue", "  * path ")
    sh.want("echo %colour%-%nothing%-%", "blue--%")
    sh.want("alias say echo said")
    sh.want("say it", "said it")
    sh.want("alias", "say      : echo said", "copy     : cp")
    sh.want("alias -d say")
    sh.fails("say it", "Invalid Parameter", "'say' not found")
    sh.fails("x" * 3000, "Invalid Parameter", "not found")
    sh.want("echo " + "y" * 3900, "y" * 60)
    sh.g.send("eco done\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dh\x1b[F!\r")
    sh.g.expect(r"\r\ndone!\r\n", 30)
    sh.prompt()
    sh.g.send("\x1b[A\x1b[A\r")  # the line before the last
    sh.g.expect(r"\r\ny+", 30)
    sh.prompt()
    sh.g.send("type hel\t\r")
    sh.g.expect(r"Hello, world\.", 30)
    sh.prompt()
    sh.want("history", "echo done!")


def scripts(sh):
    out = sh.run("test.nsh a b")
    want = ["first a second b", "now b", "red-1", "red-3", "green-1", "green-3",
            "file fs0:\\HELLO.TXT", "there", "blue", "'nothing' not found",
            "status 0x8000000000000002"]
    at = 0
    for w in want:
        check(w in out[at:], "test.nsh: %r is not in\n%s" % (w, out))
        at = out.index(w, at)
    check("not reached" not in out and "missing" not in out, out)
    sh.want("tool there", "tool there")
    check("too deeply" in sh.run("deep"), "a script that calls itself")
    check("an if without its endif" in sh.run("bad"), "a script with a mistake")
    sh.g.send("loop2\r")
    sh.g.expect(r"going round", 60)
    sh.g.send("\x03")
    sh.g.expect(r"\^C", 60)
    sh.prompt()
    check("Exit status code: " in sh.run("notexe"), "a file that is no program")
    check("Exit status code: " in sh.run("empty"), "an empty program")


def raw(sh, image):
    with open(image, "rb") as f:
        sector = f.read(1024)
    sh.want("dblk blk0 0", *dump(sector[:512])[:4])
    sh.want("dblk blk0 1 1", *dump(sector[512:])[:4])
    sh.fails("dblk blk0 ffffffff", "Invalid Parameter")
    sh.fails("dblk blk9", "Not Found")
    sh.want("mm 200000 11223344 -w 4")
    sh.want("mm 200000 -w 4 -n", "MEM  0x0000000000200000 : 0x11223344")
    sh.want("mm 200002 -n", ": 0x22")
    sh.want("mem 200000 8", "  00200000: 44 33 22 11")
    sh.fails("mem ffffffffff000 10", "Invalid Parameter")
    sh.fails("mm 200001 -w 4 -n", "Invalid Parameter")
    sh.g.send("mm 200000 -w 1\r")
    for value in ("55", "", "q"):
        sh.g.expect(r"0x[0-9A-F]{2} > ", 30)
        sh.g.send(value + "\r")
    sh.prompt()
    sh.want("mm 200000 -w 4 -n", ": 0x11223355")
    sh.want("mm 0 -PCI -w 4 -n", "PCI  0x0000000000000000 : 0x00301000")
    sh.want("mm ff5e0005 -MMIO -n", "MMIO ")
    sh.fails("mm 10000 -IO -n", "Invalid Parameter")
    sh.want("memmap", "available  0000000000000000", "Total Memory: 256 MB")
    sh.want("pci", "Vendor 1000 Device 0030")
    sh.want("pci 0 0 0 -i", "00000000: 00 10 30 00", "Vendor ID(0): 1000")
    sh.fails("pci 0 1f 0", "Not Found")
    sh.want("smbiosview -t 1", "System Information", "String 1: hp")


def database(sh):
    out = sh.want("dh", "PciRootBridgeIo", "Fs")
    number = re.search(r"\n *([0-9A-F]+): [^\n]*Pun0[^\n]*", out).group(1)
    sh.want("dh " + number, "AsStr: '%s'" % (DEVICE % 0))
    sh.want("dh -p Fs", "Pun0", "Pun1")
    sh.want("openinfo " + number, "BlkIo")
    sh.want("devices", DEVICE % 0)
    sh.want("devtree", "Ctrl[%s] %s" % (number.zfill(2), DEVICE % 0))
    sh.want("drivers", "DRV")
    sh.want("connect " + number, "Success")
    sh.want("reconnect " + number, "Success")
    sh.want("disconnect " + number, "Success")
    sh.fails("connect fff", "Invalid Parameter")
    sh.fails("unload " + number, "Invalid Parameter")
    check("Exit status code: " in sh.run("load notexe.efi"), "load of no driver")
    sh.want("guid", "964E5B21-6459-11D2-8E39-00A0C969723B")


def machine(sh):
    sh.want("ver", "EFI Specification Revision : 1.10", "14.62")
    sh.want("date 02/28/2007")
    sh.want("date", "02/28/2007")
    sh.want("time 12:34")
    sh.want("time", "12:3")
    sh.fails("date 13/01/2007", "Invalid Parameter")
    sh.fails("time 25:00", "Invalid Parameter")
    sh.want("stall 1000")
    sh.want("mode", "Col  80 Row  25")
    sh.want("err", "EFI ERROR")
    sh.g.send("pause\r")
    sh.g.expect(r"any other key to continue: ", 30)
    sh.g.send(" ")
    sh.prompt()
    sh.want("help", "hexdump", "smbiosview")
    sh.want("help bcfg", "BCFG boot add NUMBER FILE")
    sh.fails("help nothing", "Not Found")
    sh.g.send("help -b\r")
    sh.g.expect(r"Press ENTER to continue, 'q' to quit: ", 30)
    sh.g.send("q")
    sh.prompt()
    sh.fails("if x", "Unsupported", "only in script files")
    sh.run("cls")


def boot_options(sh):
    sh.want("bcfg boot dump", "The boot option list is:")
    sh.want("bcfg boot add 1 fs0:\\notexe.efi \"Never this\"", "Add")
    sh.want("bcfg boot add 1 fs0:\\notexe.efi \"My own option\"", "Add")
    sh.want("bcfg boot add 3 fs0:\\notexe.efi \"Also not this\"", "Add")
    out = sh.want("bcfg boot dump -v", "Boot0000")
    check(re.search(r"01\. [^\n]*\"My own.*02\. [^\n]*\"Never.*03\. [^\n]*\"Also", out, re.S), out)
    sh.want("bcfg boot mv 3 2", "Move")
    sh.want("bcfg boot rm 3", "Remove")
    out = sh.want("bcfg boot dump", "01. %s/\\notexe.efi \"My own option\"" % (DEVICE % 0))
    check("Never" not in out and "02. " in out and "03. " not in out, out)
    sh.fails("bcfg boot rm 9", "Invalid Parameter")
    sh.fails("bcfg boot add 1 fs0:\\nothing \"x\"", "Not Found")
    sh.want("dmpstore BootOrder", "Variable NV+RT+BS 'Efi:BootOrder' DataSize = 4")


def disk_full(sh):
    """The second volume has 24 MB; 5 MB are on it."""
    for i in range(4):
        out = sh.run("cp -q big.bin fs1:\\copy%d" % i)
    check("Volume Full" in out, "a full volume:\n" + out)
    sh.want("ls fs1:\\", "copy2")
    check("copy3" not in sh.run("ls fs1:\\"), "the file that was not copied whole")
    sh.want("rm fs1:\\copy*", "[ok]")


def on_fat(tmp):
    image, second = os.path.join(tmp, "a.img"), os.path.join(tmp, "b.img")
    fatimage.write(image, FILES)
    fatimage.write(second, {})
    with guest.Guest("-m", "256M", "--disk", image, "--disk", second) as g:
        g.connect()
        sh = Shell(g)
        sh.start()
        maps(sh)
        files(sh)
        text(sh)
        scripts(sh)
        raw(sh, image)
        database(sh)
        machine(sh)
        boot_options(sh)
        disk_full(sh)
        g.send("reset\r")
        g.expect(r"EFI Boot Manager ver 1\.10(?s:.*)My own option(?s:.*)Also not this", 60)
        sh.start(2)
        sh.want("set", "colour   : blue")
        g.send("exit\r")
        g.expect(r"EFI Boot Manager", 60)
    if TOOLS:
        out = subprocess.run(["mcopy", "-n", "-i", second, "::/big.bin", os.path.join(tmp, "big")])
        check(out.returncode == 0, "mcopy")
        with open(os.path.join(tmp, "big"), "rb") as f:
            check(f.read() == BIG, "the copy on the second volume")


def startup(tmp):
    """startup.nsh, a disk that is read only, and turning the machine off."""
    image = os.path.join(tmp, "s.img")
    fatimage.write(image, {"STARTUP.NSH": b"echo from startup\r\nfs0:\r\n", "A.TXT": b"a"})
    with guest.Guest("-m", "256M", "--disk", image + ",ro") as g:
        g.connect()
        g.expect(r"will be booted in \d+ seconds", 60)
        g.send("\r")
        g.expect(r"Press ESC in 5 seconds to skip startup\.nsh", 60)
        g.send(" ")
        g.expect(r"\r\nfrom startup\r\n", 60)
        sh = Shell(g)
        sh.prompt()
        sh.fails("mkdir x", "Write Protected")
        sh.fails("cp a.txt b.txt", "Write Protected")
        sh.fails("rm a.txt", "Write Protected")
        sh.fails("echo x > y", "Write Protected")
        sh.want("vol", "(ro)")
        g.send("reset -s\r")
        check(g.wait(60) == 0, "status after reset -s\n" + g.stderr())


def grub(disk):
    with guest.Guest("-m", "512M", "--disk", disk + ",ro") as g:
        g.connect()
        sh = Shell(g)
        sh.start(1)
        sh.want("map", "HD(Part1,Sig")
        sh.run("fs0:")
        sh.want("ls efi\\boot", "BOOTIA64.EFI")
        g.send("efi\\boot\\bootia64 one \"two three\"\r")
        g.expect(r"GNU GRUB", 60)
        g.send("c")
        g.expect(r"grub> ", 60)
        g.send("exit\r")
        g.expect(r"fs0:\\> $", 60)
        sh.want("bcfg boot addp 1 efi\\boot\\bootia64.efi \"Short\"", "Add")
        out = sh.want("bcfg boot dump", "01. HD(Part1,Sig").replace("\n", "")
        check("/\\efi\\boot\\bootia64.efi \"Short\"" in out, out)
        g.send("reset\r")
        g.expect(r"will be booted in \d+ seconds", 60)
        g.send("\r")
        g.expect(r"Loading\.: Short", 60)
        g.expect(r"GNU GRUB", 60)


def recovery(disk, tmp):
    """A system whose boot options are lost is started by hand: its volume, its loader."""
    option = "%s,overlay=%s" % (disk, os.path.join(tmp, "over"))
    with guest.Guest("-m", "512M", "--disk", option) as g:
        g.connect()
        sh = Shell(g)
        sh.start(1)
        sh.want("map", "HD(Part1,Sig")
        sh.run("fs0:")
        sh.fails("\\efi\\hpux\\hpux", "Invalid Parameter", "'\\efi\\hpux\\hpux' not found")
        sh.run("cd \\efi\\boot")
        g.send("bootia64\r")
        g.expect(r"GNU GRUB", 60)
        g.send("\r")
        g.expect(r"GUEST-UP Linux \S+ ia64", 240)
        g.expect(r"guest# ", 60)
        g.send("poweroff -f\n")
        check(g.wait(120) == 0, "status after poweroff -f\n" + g.stderr())


def program(bench, tmp):
    """microbench.efi returns to the shell; its output can be redirected."""
    image = os.path.join(tmp, "p.img")
    with open(bench, "rb") as f:
        fatimage.write(image, {"BENCH.EFI": f.read()})
    with guest.Guest("-m", "256M", "--disk", image) as g:
        g.connect()
        sh = Shell(g)
        sh.start()
        sh.run("fs0:")
        g.send("bench > out.txt\r")
        sh.prompt()
        sh.want("type out.txt", "KBENCH DONE")


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        on_fat(tmp)
        startup(tmp)
        disk, bench = guest.need("guests/disk.img.gz", "guests/microbench.efi")
        grub(guest.unpacked(disk))
        recovery(guest.unpacked(disk), tmp)
        program(bench, tmp)


guest.main(test)
