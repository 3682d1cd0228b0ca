"""The first five minutes of README.md, typed exactly as printed there: its indented lines are run by
a shell; after hpvmconsole what the table's left column says is typed, and the quoted texts of its
right column must appear. Changing the README changes the test."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from terminal import Terminal, TerminalError

DISK_GZ, CD_GZ = guest.need("guests/disk.img.gz", "guests/cd.iso.gz")
BIN = os.path.dirname(os.path.abspath(guest.PROGRAM))
SECONDS = 400  # a boot on a busy computer
KEYS = {"Ctrl-B": "\x02"}


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def section():
    with open(os.path.join(guest.SOURCE, "README.md")) as f:
        text = f.read()
    return re.search(r"^## .*first five minutes\n(.*?)^## ", text, re.M | re.S).group(1)


def spans(cell):
    return re.findall(r"`([^`]*)`", cell)


def steps(text):
    """("run", line) and ("type", text, [wanted]), in the README's order."""
    found = []
    for line in text.split("\n"):
        if line.startswith("    "):
            found.append(("run", line.strip()))
        elif line.startswith("| `"):
            cells = [c.strip() for c in line.strip("|").split(" | ")]
            check(len(cells) == 2 and len(spans(cells[0])) == 1, "a row of the README: " + line)
            found.append(("type", spans(cells[0])[0], spans(cells[1])))
    return found


class Newcomer:
    def __init__(self, directory):
        self.exports = ""
        self.console = None
        self.typed = 0
        self.env = dict(os.environ, HPVM_ROOT=os.path.join(directory, "state"),
                        HPVM_RUNTIME=os.path.join(directory, "run"))

    def run(self, line):
        if line.startswith("export "):
            self.exports += line + "; "
        elif line.startswith("hpvmconsole"):
            self.console = Terminal("sh", "-c", self.exports + "exec " + line, env=self.env)
            self.console.expect("vMP> ")
        else:
            r = subprocess.run(["sh", "-c", self.exports + line], input="y\n", text=True,
                               capture_output=True, env=self.env, timeout=600)
            check(r.returncode == 0, "%s: status %d\n%s%s" % (line, r.returncode, r.stdout,
                                                              r.stderr))
            return r.stdout
        return ""

    def type(self, text, wanted):
        self.typed += 1
        self.console.type(KEYS.get(text, text + "\r"))
        if KEYS.get(text) is None and "vMP" not in "".join(wanted):
            self.console.expect("\n", SECONDS)  # its echo is not its answer
        for part in wanted:
            if part == "discs":  # a name on the host
                continue
            self.console.expect(part, SECONDS)
        if text == "X":
            self.console.end(0)
            self.console = None

    def states(self):
        r = subprocess.run([os.path.join(BIN, "hpvmstatus"), "-M"], text=True, env=self.env,
                           capture_output=True, timeout=300)
        return {l.split(":")[0]: l.split(":")[3] for l in r.stdout.splitlines()}


def after(line, who, states):
    """What must be true when a command has ended."""
    name = re.search(r" -P (\w+)", line)
    name = name.group(1) if name else None
    if line.startswith("hpvmstart"):
        check(states[name] == "On (EFI)", "%s: %s" % (line, states))
    elif line.startswith("hpvmstop"):
        check(set(states.values()) == {"Off"}, "%s: %s" % (line, states))
    elif line.startswith("hpvmclone"):
        same = subprocess.run(["cmp", "disk.img", "second.img"]).returncode == 0
        check(same and states == {"first": "Off", "second": "Off"}, "%s: %s" % (line, states))
    elif line.startswith("hpvmremove"):
        check(name not in states, "%s: %s" % (line, states))
    elif who.typed == 0 and line.startswith("hpvmcreate"):
        check(states == {"first": "Off"}, "%s: %s" % (line, states))


def prepare(directory):
    os.chdir(directory)
    os.makedirs("build")
    os.symlink(BIN, "build/bin")
    os.mkdir("discs")
    for path, to in ((guest.unpacked(DISK_GZ), "disk.img"), (guest.unpacked(CD_GZ), "discs/cd.iso")):
        subprocess.run(["cp", "--sparse=always", path, to], check=True)
    os.chmod("discs/cd.iso", 0o644)


def test():
    todo = steps(section())
    commands = [s[1] for s in todo if s[0] == "run"]
    for name in ("create", "start", "status", "console", "stop", "clone", "remove"):
        check(any(c.startswith("hpvm" + name) for c in commands), "README has no hpvm" + name)
    check(sum(s[0] == "type" for s in todo) >= 12, "README has no console session")
    with tempfile.TemporaryDirectory(prefix="hpvm-") as directory:
        os.chmod(directory, 0o711)
        prepare(directory)
        who = Newcomer(directory)
        try:
            for kind, *step in todo:
                if kind == "type":
                    who.type(*step)
                else:
                    who.run(*step)
                    after(step[0], who, who.states())
            check(who.states() == {}, "guests are left: %s" % who.states())
            check(os.path.getsize("second.img") == os.path.getsize("disk.img"), "disks stay")
        except TerminalError as e:
            raise guest.GuestError(str(e))
        finally:
            if who.console:
                who.console.process.kill()
            subprocess.run([os.path.join(BIN, "hpvmstop"), "-a", "-F", "-h"], env=who.env,
                           capture_output=True, timeout=300)
            os.chdir("/")


guest.main(test)
