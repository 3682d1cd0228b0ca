"""The rows "large program" of bench/run: a database, a script and a compiler, on the host and in the
Linux guest.

The programs are the host's sqlite3 and lua5.4 and the guest's sqlite3 and lua, both as Debian builds
them; what they work on is in bench/large/ and reaches the guest as the contents of a second disk.
What they print must be the same on both sides.
"""
import os
import shutil
import statistics
import subprocess
import tarfile
import tempfile

import bench
import guest

HERE = os.path.dirname(os.path.abspath(__file__))
# What, program on the host, program in the guest, file.
ROWS = [
    ("database (sqlite3)", ["sqlite3", ":memory:"], "sqlite3 :memory:", "query.sql"),
    ("script (lua)", ["lua5.4", "-"], "lua -", "script.lua"),
    ("compiler (of lua)", ["lua5.4", "-"], "lua -", "compile.lua"),
]


def native(command, path, repeat):
    """Median seconds, and what the program printed."""
    seconds = []
    for _ in range(repeat):
        start = bench.children_seconds()
        with open(path) as source:
            text = subprocess.run(command, stdin=source, capture_output=True, text=True,
                                  check=True).stdout
        seconds.append(bench.children_seconds() - start)
    return statistics.median(seconds), text.strip()


def in_guest(g, command, repeat):
    seconds = []
    for _ in range(repeat):
        before = bench.cpu_seconds(g.process.pid)
        text = g.command(command, 3600)
        seconds.append(bench.cpu_seconds(g.process.pid) - before)
    return statistics.median(seconds), text.strip()


def archive(directory):
    path = os.path.join(directory, "programs.tar")
    with tarfile.open(path, "w") as tar:
        for row in ROWS:
            tar.add(os.path.join(HERE, "large", row[3]), row[3])
    with open(path, "ab") as f:
        f.truncate((os.path.getsize(path) + 511) & ~511)
    return path


def guest_times(kernel, initrd, kind, tar, rows, repeat):
    with guest.Guest("--kernel", kernel, "--initrd", initrd, "--cpu", kind, "-m", "1G", "--disk",
                     tar + ",ro", "--append", "console=ttyS0,115200n8 quiet") as g:
        g.connect()
        g.expect("guest# ", 600)
        g.command("cd /tmp && tar xf /dev/sda", 60)
        return [in_guest(g, "%s < /tmp/%s" % (row[2], row[3]), repeat) for row in rows]


def table(kernel, initrd, repeat):
    rows = [r for r in ROWS if shutil.which(r[1][0])]
    for r in ROWS:
        if r not in rows:
            print("skipped: %s (no %s on this computer)" % (r[0], r[1][0]))
    natives = [native(r[1], os.path.join(HERE, "large", r[3]), repeat) for r in rows]
    with tempfile.TemporaryDirectory(prefix="kittson-") as directory:
        tar = archive(directory)
        interp = guest_times(kernel, initrd, "interp", tar, rows, 1)
        jit = guest_times(kernel, initrd, "jit", tar, rows, repeat)
    print("| large program | native s | interpreter | translator |")
    print("|---|---|---|---|")
    ratios = []
    for r, n, i, j in zip(rows, natives, interp, jit):
        if not n[1] == i[1] == j[1]:
            raise guest.GuestError("%s: results differ\n%s\n---\n%s\n---\n%s" %
                                   (r[0], n[1], i[1], j[1]))
        ratios.append((i[0] / n[0], j[0] / n[0]))
        print("| %s | %.3f | %.1f x | %.1f x |" % (r[0], n[0], *ratios[-1]))
    if ratios:
        print("| **geometric mean** | | %.1f x | %.1f x |" %
              tuple(bench.mean([r[k] for r in ratios]) for k in range(2)))
    print("\nTarget for the translator: 10 x.\n")
