"""hpvmconsole: options, scripts and exit codes with a guest that is off; terminal modes, keys and
signals on a pseudo-terminal; and its side of the console socket, with a server played here that
follows the protocol or breaks it. Every wait has a deadline.
"""
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from terminal import Terminal

BIN = os.path.dirname(os.environ["KITTSON"])
SECONDS = 120
failed = 0


def fail(text):
    global failed
    failed += 1
    print("FAILED:", text)


def check(condition, text):
    if not condition:
        fail(text)


def same(got, wanted, what):
    check(got == wanted, "%s: %r instead of %r" % (what, got, wanted))


def part(text, wanted, what):
    check(wanted in text, "%s: %r is not in %r" % (what, wanted, text))


def command(*args, stdin="", name="hpvmconsole"):
    return subprocess.run([os.path.join(BIN, name), *args], input=stdin, capture_output=True,
                          text=True, timeout=SECONDS)


MENU = """
   vMP MAIN MENU

         CO: Console
         CM: Command Menu
         CL: Console Log
         SL: Show Event Logs
         VM: Virtual Machine Menu
         HE: Main Help Menu
         X: Exit Connection

[compass1] vMP> """


def terminal(*args, **more):
    return Terminal(os.path.join(BIN, "hpvmconsole"), *args, **more)


def scripts():
    r = command("-P", "compass1", "-c", "zz", "-c", "x")
    same(r.stdout, MENU + "zz\n-> Unknown command 'zz'. Enter HE for help.\n"
         "[compass1] vMP> x\n", "two commands")
    same(r.returncode, 2, "a command failed")
    r = command("-p", "1", "-q", "-c", "ps")
    same(r.stdout, "\nSystem Power State      : Off\nVirtual Machine State   : Off\n"
         "Operating System        : UNKNOWN\n\n", "quiet")
    same(r.returncode, 0, "a command")
    same(command("-Pcompass1", "-qc", "cl").stdout, "", "empty console log")
    r = command("-P", "compass1", "-qi", "-c", "ps", stdin="id\nx\n")
    part(r.stdout, "Virtual Machine Name    : compass1\n", "-i reads standard input")
    r = command("-P", "compass1", "-q", "-c", "ps", stdin="id\n")
    check("Name" not in r.stdout, "without -i it is not read")
    r = command("-P", "compass1", "-q", "-c", "pc", "-c", "q")
    same(r.returncode, 0, "an answer by -c")
    r = command("-P", "compass1", "-q", "-c", "pc")
    part(r.stdout, "\n-> Command cancelled.\n", "no answer")
    same(r.returncode, 2, "no answer")
    r = command("-P", "compass1", stdin="zz\n")
    same(r.returncode, 0, "a person sees what fails")
    part(r.stdout, "vMP> zz\n->", "keys from a pipe")
    for args, status in ((("-P", "nobody"), 2), (("-p", "77"), 2), ((), 1), (("-P",), 1),
                         (("-P", "compass1", "-p", "1"), 1), (("-Z",), 1), (("-p", "x"), 1),
                         (("-P", "compass1", "-e", "ab"), 1), (("-P", "compass1", "-e", ""), 1),
                         (("-P", "compass1", "extra"), 1),
                         (("-P", "compass1", "-q", "-q"), 1)):
        r = command(*args)
        same(r.returncode, status, "exit status of %r" % (args,))
        same(r.stdout, "", "output of %r" % (args,))
        for line in r.stderr.splitlines():
            check(line.startswith("hpvmconsole: "), line)
    r = subprocess.run(["%s -P compass1 -c he > /dev/full" % os.path.join(BIN, "hpvmconsole")],
                       shell=True, timeout=SECONDS)
    same(r.returncode, 2, "output that cannot be written")


def terminals():
    for name, number in (("TERM", signal.SIGTERM), ("HUP", signal.SIGHUP),
                         ("INT", signal.SIGINT), ("SEGV", signal.SIGSEGV)):
        t = terminal("-P", "compass1")
        t.expect("[compass1] vMP> ")
        t.wait_raw(True)
        t.process.send_signal(number)
        t.end(-number)
    t = terminal("-P", "compass1")
    t.expect("vMP> ")
    t.type("psx\x7f\r")
    part(t.expect("vMP> "), "psx\b \b\r\n\r\nSystem Power State      : Off\r\n", "a terminal")
    t.process.send_signal(signal.SIGTSTP)
    t.wait_raw(False)
    t.process.send_signal(signal.SIGCONT)
    t.wait_raw(True)
    t.type("co\r")
    t.expect("Prior Console Output - - - - - - - - - -\r\n")
    t.type("\x03\x04\x1a\x02")
    part(t.expect("vMP> "), "vMP MAIN MENU", "Ctrl-B")
    t.type("X\r")
    t.end(0)
    t = terminal("-P", "compass1", "-e", "^t")
    t.expect("vMP> ")
    t.type("co\r")
    t.expect("(Use Ctrl-T to return")
    t.type("\x02\x14")
    t.expect("vMP> ")
    t.type("x\r")
    t.end(0)
    t = terminal("-P", "compass1", "-fi", "-c", "ps")
    t.expect("vMP> CO\r\n")
    t.expect("Prior Console Output")
    t.type("\x02")
    t.end(0)
    t = terminal("-P", "compass1", "-c", "ps")
    t.expect("[compass1] vMP> ps\n".replace("\n", "\r\n"))
    t.end(0)
    readable, writable = os.pipe()
    os.close(readable)
    t = terminal("-P", "compass1", out=writable)
    os.close(writable)
    t.end(2)


class Server:
    """Plays the process of a running guest."""

    def __init__(self, uuid, play):
        directory = os.path.join(os.environ["HPVM_RUNTIME"], uuid)
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, "console")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.settimeout(SECONDS)
        self.play = play
        self.error = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            self.sock, _ = self.listener.accept()
            os.unlink(self.path)
            self.sock.settimeout(SECONDS)
            self.play(self)
            self.sock.close()
        except Exception as e:  # shown by finish
            self.error = e

    def send(self, kind, data=b""):
        self.sock.sendall(kind.encode() + b"\0" + struct.pack("<H", len(data)) + data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            got = self.sock.recv(count - len(data))
            if not got:
                raise EOFError("the client has gone")
            data += got
        return data

    def take(self, kind):
        header = self.exactly(4)
        data = self.exactly(struct.unpack("<H", header[2:])[0])
        assert header[:1].decode() == kind, (header, data, kind)
        return data

    def finish(self):
        self.thread.join()
        self.listener.close()
        if self.error is not None:
            fail("server: %r" % self.error)


def served(uuid, play, *args, stdin=""):
    server = Server(uuid, play)
    r = command(*args, stdin=stdin)
    server.finish()
    return r


def sockets(uuid, version):
    hello = []

    def script(s):
        hello.append(s.take("H"))
        s.send("W", version + b" oper compass1")
        s.send("D", b"menu ")
        assert s.take("C") == b"cl"
        s.send("D", b"log\033[0c\r\n\0")
        s.send("R", b"\0")
        assert s.take("C") == b"ej"
        s.send("R", b"\1")
        s.take("E")
        assert s.take("C") == b""
        s.send("R", b"\0")
    r = served(uuid, script, "-P", "compass1", "-q", "-c", "cl", "-c", "ej")
    same(r.stdout, "menu log\033[0c\n\0", "raw bytes")  # text mode turns CR LF into LF
    same(r.returncode, 2, "the failure of a command of the server")
    same(hello[0], version + b" 2 1 0 1 0", "hello")

    def goodbye(s):
        s.take("H")
        s.send("W", version + b" admin compass1")
        assert s.take("D") == b"x\n"
        s.send("X", b"bye")
    same(served(uuid, goodbye, "-P", "compass1", stdin="x\n").returncode, 0, "bye")

    def refuses(s):
        s.take("H")
        s.send("X", b"error You are not\033 authorized.")
    r = served(uuid, refuses, "-P", "compass1", "-c", "ps")
    same((r.returncode, r.stderr), (2, "hpvmconsole: You are not? authorized.\n"), "refused")

    def other(s):
        s.take("H")
        s.send("W", b"99.9 admin compass1")
        s.sock.recv(100)
    r = served(uuid, other, "-P", "compass1", "-c", "ps")
    same(r.returncode, 2, "another revision")
    part(r.stderr, "different revision levels", "another revision")

    def garbage(s):
        s.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    r = served(uuid, garbage, "-P", "compass1", "-c", "ps")
    same(r.returncode, 2, "garbage")

    def dies(s):
        s.take("H")
        s.send("W", version + b" admin compass1")
        s.take("C")
    r = served(uuid, dies, "-P", "compass1", "-c", "ps")
    same((r.returncode, r.stderr), (2, "hpvmconsole: The process of the guest has ended.\n"),
         "the server dies")

    def stops(s):
        s.take("H")
        s.send("W", version + b" admin compass1")
        assert s.take("C") == b"pc -off -nc"
        s.send("D", b"stopped\n")
        s.send("X", b"off menu")
    r = served(uuid, stops, "-P", "compass1", "-q", "-c", "pc -off -nc", "-c", "ps")
    same(r.returncode, 0, "the guest stops")
    part(r.stdout, "stopped\n\nSystem Power State      : Off\n", "the menus of an off guest")

    def halts(s):
        s.take("H")
        s.send("W", version + b" admin compass1")
        assert s.take("C") == b"CO" or True
        s.send("D", b"Power down.\r\n")
        s.send("X", b"off console")
    r = served(uuid, halts, "-P", "compass1", "-f", "-c", "CO")
    same(r.returncode, 0, "a script ends with its guest")


def handover(uuid, version):
    """A session goes from the menus of an off guest to the process and back."""
    t = terminal("-P", "compass1")
    t.expect("vMP> ")
    t.type("co\r")
    t.expect("Prior Console Output - - - - - - - - - -\r\n")

    def play(s):
        assert s.take("H").endswith(b" 3"), "begins in the console"
        s.send("W", version + b" admin compass1")
        s.send("D", b"EFI boots\r\n")
        assert s.take("D") == b"ls\r"
        s.send("X", b"off console")
    server = Server(uuid, play)
    t.expect("EFI boots\r\n")
    t.type("ls\r")
    t.expect("[The virtual machine is off]\r\n")
    server.finish()
    t.type("\x02")
    t.expect("vMP> ")

    def again(s):
        assert s.take("H").endswith(b" 2"), "begins at the prompt"
        s.send("W", version + b" admin compass1")
        assert s.take("D") == b"p"
        s.sock.shutdown(socket.SHUT_RDWR)
    server = Server(uuid, again)
    t.type("p")
    t.expect("[The process of the virtual machine has ended]\r\n[compass1] vMP> ")
    server.finish()
    t.type("x\r")
    t.end(0)


def stuck(uuid, version):
    """The process says nothing any more: pressing Ctrl-B again and again gets out."""
    said = threading.Event()

    def play(s):
        s.take("H")
        s.send("W", version + b" admin compass1")
        s.send("D", b"ready")
        said.wait(SECONDS)
    server = Server(uuid, play)
    t = terminal("-P", "compass1")
    t.expect("ready")
    deadline = time.monotonic() + SECONDS
    while t.process.poll() is None and time.monotonic() < deadline:
        t.type("\x02")
        time.sleep(0.02)
    part(t.end(2), "does not answer", "a stuck process")
    said.set()
    server.finish()


def login_shell(root):
    """The account's home directory names the guest."""
    if os.geteuid() != 0:
        return
    home = os.path.join(root, "guests", "compass1")
    passwd = os.path.join(root, "passwd")
    with open("/etc/passwd") as f, open(passwd, "w") as out:
        for line in f:
            fields = line.split(":")
            if fields[2] == "0":
                fields[5] = home
            out.write(":".join(fields))
    program = os.path.join(BIN, "hpvmconsole")
    r = subprocess.run(["unshare", "-m", "sh", "-c",
                        'mount --bind "$1" /etc/passwd && exec "$2" -c ps', "sh", passwd, program],
                       capture_output=True, text=True, timeout=SECONDS)
    if "unshare" in r.stderr or "mount" in r.stderr:
        print("login shell not tested: no mount name space here")
        return
    same(r.returncode, 0, "login shell")
    part(r.stdout, "\n   MP MAIN MENU\n", "login shell")
    part(r.stdout, "\n[compass1] vMP> ps\n", "login shell")


def main():
    with tempfile.TemporaryDirectory(prefix="hpvm-") as root:
        os.environ["HPVM_ROOT"] = os.path.join(root, "state")
        os.environ["HPVM_RUNTIME"] = os.path.join(root, "run")
        os.mkdir(os.environ["HPVM_RUNTIME"], 0o711)
        same(command("-F", "-P", "compass1", name="hpvmcreate").returncode, 0, "hpvmcreate")
        uuid = os.path.basename(os.readlink(os.path.join(root, "state", "guests", "compass1")))
        version = subprocess.run([os.environ["KITTSON"], "--version"], capture_output=True,
                                 timeout=SECONDS).stdout.split()[1]
        scripts()
        terminals()
        sockets(uuid, version)
        handover(uuid, version)
        stuck(uuid, version)
        login_shell(os.path.join(root, "state"))
    sys.exit(failed != 0)


main()
