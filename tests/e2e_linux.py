"""Boots the Linux guest to its shell: benchmarks' checksums, sqlite3 and lua, the kernel log,
power-off; then once more with four processors, and a reset."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

BENCH = "loop sieve mixed memstr matmul nbody fib crc hash sha256".split()
KERNEL, INITRD, SOURCES = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz",
                                     "bench/Makefile")
BOOT = ["--kernel", KERNEL, "--initrd", INITRD]
CONSOLE = "console=ttyS0,115200n8"
PROMPT = r"guest# "


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


def native_checksums():
    with tempfile.TemporaryDirectory(prefix="kittson-") as out:
        programs = ["%s/%s.native" % (out, b) for b in BENCH]
        subprocess.run(["make", "-s", "-C", os.path.dirname(SOURCES), "OUT=" + out, *programs],
                       check=True)
        return {b: subprocess.run([p], check=True, capture_output=True, text=True).stdout.strip()
                for b, p in zip(BENCH, programs)}


def check_programs(g):
    check(g.command("echo $((6 * 7))", 30) == "42", "shell arithmetic")
    out = g.command("lua -e 'print(2^53, math.pi, (\"abc\"):rep(2))'", 60)
    check(out.split() == ["9.007199254741e+15", "3.1415926535898", "abcabc"], "lua: " + out)
    out = g.command("sqlite3 :memory: \"with recursive n(x) as (select 1 union all select x+1 "
                    "from n where x<1000) select sum(x), avg(x*1.5), hex('k') from n;\"", 120)
    check(out == "500500|750.75|6B", "sqlite3: " + out)


def check_bench(g):
    want = native_checksums()
    for b in BENCH:
        got = g.expect(r"(?m)^(%s \d+ [0-9a-f]{16})\r?$" % b, 300).group(1)
        check(got == want[b], "%s: native %r, guest %r" % (b, want[b], got))
    g.expect(r"AUTORUN-DONE rc=0", 60)


def shell_and_power_off():
    autorun = "autorun=" + ";+".join("/bench/%s.ia64" % b for b in BENCH)
    with guest.Guest(*BOOT, "-m", "1G", "--append", CONSOLE + " " + autorun) as g:
        g.connect()
        up = g.expect(r"GUEST-UP Linux (\S+) ia64 cpus=(\d+)", 240)
        check(up.group(2) == "1", "one processor")
        check_bench(g)
        g.expect(PROMPT, 60)
        check_programs(g)
        guest.check_kernel_log(g)
        g.send("poweroff -f\n")
        status = g.wait(60)
        check(status == 0, "status after poweroff -f: %d\n%s" % (status, g.stderr()))


def four_processors_and_reset():
    with guest.Guest(*BOOT, "-m", "2G", "-c", "4", "--cpu-model", "madison",
                     "--append", CONSOLE) as g:
        g.connect()
        for boot in range(2):
            up = g.expect(r"GUEST-UP Linux (\S+) ia64 cpus=(\d+)", 400)
            check(up.group(2) == "4", "four processors")
            g.expect(PROMPT, 60)
            g.send("reboot -f\n" if boot == 0 else "poweroff -f\n")
        status = g.wait(60)
        check(status == 0, "status after a reset and poweroff -f: %d" % status)


def reset_without_reboot():
    with guest.Guest(*BOOT, "--no-reboot", "--append", CONSOLE + " autorun=reboot+-f") as g:
        g.connect()
        status = g.wait(400)
        check(status == 1, "status of a reset with --no-reboot: %d" % status)
        check(len(g.stderr().strip().split("\n")) == 1, "one sentence, not:\n" + g.stderr())


def test():
    shell_and_power_off()
    four_processors_and_reset()
    reset_without_reboot()


guest.main(test)
