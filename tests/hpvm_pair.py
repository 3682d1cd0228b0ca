"""Two hosts on one computer: two states of the hpvm commands, and a stand-in for ssh (HPVM_SSH) that
runs the command it is given with the other state. As a program it is what such an ssh runs when
something is to go wrong on the way:

    hpvm_pair.py lose-answer COMMAND   forwards frames (vmp/migration.h), but what follows C comes
                                       back to nobody
    hpvm_pair.py flip-bit TYPE COMMAND changes one bit in the data of the first frame of that type
"""
import binascii
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import BIN, Host, check

SSH = """#!/bin/sh
# Stand-in for ssh: the last two arguments are the host and the command.
while [ $# -gt 2 ]; do shift; done
case $1 in
hosta | hostb) ;;
*) echo "ssh: Could not resolve hostname $1" >&2; exit 255 ;;
esac
[ ! -e "$PAIR/fault" ] || { fault=$(cat "$PAIR/fault"); rm "$PAIR/fault"; }
[ ! -e "$PAIR/broken" ] || exit 255
case $fault in
exit:*) exit "${fault#exit:}" ;;
noise) echo "Welcome to the machine" ;;
?*) set -- "$1" "python3 '$PAIR_TOOL' $fault $2" ;;
esac
HPVM_ROOT=$PAIR/$1/state HPVM_RUNTIME=$PAIR/$1/run
export HPVM_ROOT HPVM_RUNTIME
echo $$ > "$PAIR/remote.pid"
exec sh -c "exec $2"
"""


class End(Host):
    """One of the two hosts."""

    def __init__(self, pair, name):
        super().__init__()
        self.name = name
        self.root = os.path.join(pair.dir, name, "state")
        self.runtime = os.path.join(pair.dir, name, "run")
        self.env.update(HPVM_ROOT=self.root, HPVM_RUNTIME=self.runtime, PAIR=pair.dir,
                        PAIR_TOOL=os.path.abspath(__file__), HPVM_SSH=pair.ssh)

    def guests(self):
        return self.states() if os.path.isdir(os.path.join(self.root, "guests")) else {}

    def journals(self):
        common = os.path.join(self.root, "common")
        return [n for n in os.listdir(common) if n.startswith("incoming-")] \
            if os.path.isdir(common) else []


class Pair:
    """a and b; files of both are in dir."""

    def __init__(self):
        self.base = Host()
        self.dir = self.base.dir
        self.ssh = os.path.join(self.dir, "ssh")
        with open(self.ssh, "w") as f:
            f.write(SSH)
        os.chmod(self.ssh, 0o755)
        for name in ("hosta", "hostb"):
            os.mkdir(os.path.join(self.dir, name))
        self.a, self.b = End(self, "hosta"), End(self, "hostb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for host in (self.a, self.b, self.base):
            host.__exit__(*exc)

    def path(self, name):
        return os.path.join(self.dir, name)

    def image(self, name, size=4 << 20, data=b"", at=0):
        with open(self.path(name), "wb") as f:
            f.truncate(size)
            f.seek(at)
            f.write(data)
        return self.path(name)

    def fault(self, text):
        """What happens to the next connection."""
        with open(self.path("fault"), "w") as f:
            f.write(text)

    def leftovers(self):
        """Parts of storage and journals that nobody will need."""
        return [n for n in os.listdir(self.dir) if n.endswith(".hpvmmigrate")] + \
            self.a.journals() + self.b.journals()


def frame(kind, data=b"", crc=None, length=None):
    data = data.encode() if isinstance(data, str) else data
    crc = binascii.crc32(data) if crc is None else crc
    return struct.pack("<cxxxII", kind.encode(), len(data) if length is None else length,
                       crc) + data


def read_exactly(f, n):
    data = b""
    while len(data) < n:
        part = f.read(n - len(data))
        if not part:
            return None
        data += part
    return data


def read_frame(f):
    """(type, data), or None at the end."""
    header = read_exactly(f, 12)
    if header is None:
        return None
    kind, length, _ = struct.unpack("<cxxxII", header)
    data = read_exactly(f, length)
    return None if data is None else (kind.decode(), data)


def lose_answer(command):
    p = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    source, answers = sys.stdin.buffer, {"H": 1, "O": 1, "P": 1}
    while True:
        f = read_frame(source)
        if f is None:
            break
        p.stdin.write(frame(*f))
        p.stdin.flush()
        if f[0] == "C":
            p.stdin.close()
            p.wait()
            break
        for _ in range(answers.get(f[0], 0)):
            sys.stdout.buffer.write(frame(*read_frame(p.stdout)))
            sys.stdout.buffer.flush()


def flip_bit(kind, command):
    p = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE)
    todo = True
    while True:
        f = read_frame(sys.stdin.buffer)
        if f is None:
            break
        data = frame(*f)
        if f[0] == kind and todo:
            data = data[:-1] + bytes([data[-1] ^ 16])
            todo = False
        try:
            p.stdin.write(data)
            p.stdin.flush()
        except BrokenPipeError:
            break
    p.stdin.close()
    sys.exit(p.wait())


if __name__ == "__main__":
    if sys.argv[1] == "lose-answer":
        lose_answer(" ".join(sys.argv[2:]))
    else:
        flip_bit(sys.argv[2], " ".join(sys.argv[3:]))
