"""gdb attached to a running Linux: breakpoints at kernel functions, stacked registers of the two
innermost frames, a step over a call, watchpoints, threads, monitor commands, registers and memory
written, and a debugger that dies. With the interpreter and with translated code."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from poweron import check, quiet

GDB = shutil.which("gdb-multiarch") or shutil.which("gdb")
KERNEL_GZ, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
WORDS = "twelve bytes"  # what the guest writes: 13 bytes with the line's end


def knows_ia64():
    out = subprocess.run([GDB, "-nx", "-batch", "-ex", "set architecture ia64-elf64"],
                         capture_output=True, text=True)
    return "set to \"ia64-elf64\"" in out.stdout + out.stderr


class Gdb:
    """gdb with a script; the guest goes on doing `line` meanwhile."""

    def __init__(self, where, kernel, *commands):
        script = ["set pagination off", "set confirm off", "set height 0", "set width 0",
                  "file " + kernel, "target remote " + where, *commands]
        args = [GDB, "-nx", "-batch"]
        for c in script:
            args += ["-ex", c]
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def result(self, seconds=120):
        try:
            out, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, _ = self.process.communicate()
            check(False, "gdb did not come to an end\n" + out)
        return out


def value(out, name):
    """echo NAME= and what `output` printed after it."""
    m = re.search(r"^%s=(.*)$" % name, out, re.M)
    check(m is not None, "no %s in\n%s" % (name, out))
    return m.group(1)


def number(out, name):
    return int(value(out, name), 0) & (1 << 64) - 1


def show(name, expression, how="/x"):
    return 'printf "%s=' % name + ("0x%lx" if how == "/x" else how) + '\\n", ' + expression


def writes(g):
    g.send("while :; do echo %s > /dev/null; done &\n" % WORDS)


def frames(where, kernel):
    """A breakpoint at a function's first instruction: its arguments are the caller's outputs."""
    out = Gdb(where, kernel, "break *vfs_write if $r34 == %d" % (len(WORDS) + 1), "continue",
              show("pc", "$pc"), show("here", "(long)&vfs_write"), show("count", "$r34"),
              'printf "text=%s\\n", (char*)$r33', show("buffer", "$r33"), show("file", "$r32"),
              show("bof", "$bof"), show("sof", "$cfm & 0x7f"),
              "up", show("outer", "$pc"), show("outer_fd", "$r32"),
              show("outer_buffer", "$r33"), show("outer_count", "$r34"), "down",
              "delete", "detach").result()
    check(number(out, "pc") == number(out, "here"), "stopped somewhere else\n" + out)
    check(number(out, "count") == len(WORDS) + 1, "in2 of vfs_write\n" + out)
    check(value(out, "text").strip() == WORDS, "the text in the user's memory\n" + out)
    # ksys_write has the same buffer and count as its own arguments.
    check(number(out, "outer_buffer") == number(out, "buffer"), "r33 of the caller\n" + out)
    check(number(out, "outer_count") == len(WORDS) + 1, "r34 of the caller\n" + out)
    check(number(out, "outer_fd") == 1, "r32 of the caller\n" + out)
    return number(out, "outer")


def over_a_call(where, kernel, back):
    """nexti at br.call comes to the bundle behind it; stepi goes into the function."""
    call = back - 16 + 2
    out = Gdb(where, kernel, "break *0x%x" % call, "continue", show("at", "$pc"), "stepi",
              show("in", "$pc"), "continue", show("again", "$pc"), "nexti", show("behind", "$pc"),
              "stepi", show("slot", "$pc"), "delete", "detach").result()
    check(number(out, "at") == call, "not at the call\n" + out)
    check("vfs_write" in out, "the call goes to vfs_write\n" + out)
    check(number(out, "again") == call, "not at the call again\n" + out)
    check(number(out, "behind") == back, "nexti did not step over the call\n" + out)
    check(number(out, "slot") in (back + 1, back + 2), "stepi is one slot\n" + out)


def watching(where, kernel):
    """The kernel's clock is written by one place and read by others."""
    out = Gdb(where, kernel, "watch *(unsigned long*)&jiffies_64", "continue", "delete",
              "rwatch *(unsigned long*)&jiffies_64", "continue", "delete", "detach").result()
    m = re.search(r"Old value = (\d+)\s+New value = (\d+)", out)
    check(m and int(m.group(2)) == int(m.group(1)) + 1, "watch of jiffies_64\n" + out)
    check(re.search(r"Hardware read watchpoint 2:.*?Value = \d+", out, re.S), "rwatch\n" + out)


def backtraces(where, kernel):
    """monitor bt: by the kernel's unwind table from a function's first instruction to user code."""
    out = Gdb(where, kernel, "break *vfs_write", "continue", "monitor bt", "monitor info registers",
              "monitor info tlb", "monitor info pci", "monitor info firmware", "monitor info cpus",
              "monitor x a000000100000000 16", "monitor xp 4000000 16", "monitor x 0 16",
              "x/2gx 0xa000000100000000", "delete", "detach").result()
    lines = re.findall(r"^#\d+ .*$", out, re.M)
    check([name in line for name, line in zip(("vfs_write+0x0", "ksys_write+", "sys_write+",
                                               "ia64_ret_from_syscall+", "(less privileged)"),
                                              lines)] == [True] * 5 and len(lines) == 5, out)
    check(re.search(r"^r12 e0", out, re.M) and re.search(r"^itr0 ", out, re.M), "registers, TLB\n" + out)
    check("efi-system-table 0x" in out and "00:00.0" not in out, "firmware, no PCI devices\n" + out)
    dumps = re.findall(r"^[0-9a-f]{16}:((?: [0-9a-f]{2}){16})", out, re.M)
    check(len(dumps) == 2 and dumps[0] == dumps[1], "the kernel's text, virtual and physical\n" + out)
    check("there is no memory at" in out, "memory that is not there\n" + out)


def interrupted_kernel(where, kernel):
    """From the timer's interrupt through the idle loop it interrupted to where all began."""
    out = Gdb(where, kernel, "watch *(unsigned long*)&jiffies_64", "continue", "monitor bt", "delete",
              "detach").result()
    for name in ("do_timer+", "ia64_leave_kernel+", "do_idle+", "cpu_startup_entry+"):
        check(name in out, "no %s in the backtrace\n%s" % (name, out))
    last = re.findall(r"^#\d+ .*$", out, re.M)[-1]
    check("_start+" in last and "is not known" not in out, "not to the end\n" + out)


def registers(where, kernel):
    """Of every kind, written and read back; NaT bits."""
    out = Gdb(where, kernel, "break *vfs_write", "continue",
              "set $r14 = 0x123456789abcdef0", show("r14", "$r14"),
              "set $old = $r33", "set $r33 = 77", show("r33", "$r33"), "set $r33 = $old",
              "set $f10 = 1.5", 'printf "f10=%g\\n", (double)$f10',
              "set $b6 = 0x4000", show("b6", "$b6"),
              "set $p6 = !$p6", show("pr", "$pr"), show("p6", "$p6"), "set $p6 = !$p6",
              "set $lc = 9", show("lc", "$lc"), show("nat33", "$nat33"), show("nat14", "$nat14"),
              "info registers r12 gp psr fpsr unat",
              "monitor nats on", "monitor status", "monitor insert 0,0,0 /etc/hosts",
              "monitor snapshot save /tmp/not-this", "monitor no such command",
              "info threads", "delete", "detach").result()
    check(number(out, "r14") == 0x123456789abcdef0, "r14\n" + out)
    check(number(out, "r33") == 77, "a stacked register\n" + out)
    check(float(value(out, "f10")) == 1.5, "a floating-point register\n" + out)
    check(number(out, "b6") == 0x4000, "a branch register\n" + out)
    check(number(out, "pr") >> 6 & 1 == number(out, "p6"), "a predicate\n" + out)
    check(number(out, "lc") == 9, "an application register\n" + out)
    check(number(out, "nat33") == 0 and number(out, "nat14") == 0, "NaT bits\n" + out)
    check(out.count("for the monitor's own socket") == 2, "files of the host\n" + out)
    check("state stopped" in out and "unknown command" in out, "monitor commands\n" + out)
    check("processor 0" in out and "processor 1" in out, "threads\n" + out)


def death(g, where, kernel):
    """A debugger that is killed while it holds the machine: the guest goes on."""
    d = Gdb(where, kernel, "break *vfs_write", "continue", "echo held\\n", "shell sleep 600")
    for line in d.process.stdout:
        if line.startswith("held"):
            break
    d.process.send_signal(signal.SIGKILL)
    d.process.wait()
    d.process.stdout.close()
    check(g.command("echo alive", 60) == "alive", "the guest after the debugger's death")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def session(cpu, option, where):
    with guest.Guest("--cpu", cpu, "-c", "2", "--kernel", KERNEL_GZ, "--initrd", INITRD, "--append",
                     "console=ttyS0,115200n8", "--gdb", option, "--wait") as g:
        kernel = guest.unpacked(KERNEL_GZ)
        g.connect()
        out = Gdb(where, kernel, "break *start_kernel", "continue", show("pc", "$pc"),
                  show("here", "(long)&start_kernel"), "delete", "detach").result()
        check(number(out, "pc") == number(out, "here"), "the kernel's first function\n" + out)
        quiet(g)
        interrupted_kernel(where, kernel)
        writes(g)
        backtraces(where, kernel)
        back = frames(where, kernel)
        over_a_call(where, kernel, back)
        watching(where, kernel)
        registers(where, kernel)
        death(g, where, kernel)


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as d:
        session("interp", "unix:" + d + "/gdb", d + "/gdb")
    port = free_port()
    session("jit", "tcp::%d" % port, "127.0.0.1:%d" % port)


if GDB is None or not knows_ia64():
    print("skipped: gdb-multiarch is not there")
    sys.exit(guest.SKIPPED)
guest.main(test)
