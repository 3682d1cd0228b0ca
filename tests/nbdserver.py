"""A small NBD server for tests (fixed newstyle, simple replies): serves one file on a Unix socket, or
with "tcp" in its place on a free port of this host.

  nbdserver.py SOCKET FILE [ro] [noflush] [die=N] [hang=N]

die=N: ends in the middle of the Nth write it is sent; hang=N: answers nothing from that one on.
Prints "ready" (and the port) when it listens and a line for every flush; ends with its standard input."""
import os
import socket
import struct
import sys
import threading

HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA, SEND_ZEROES = 1, 2, 4, 8, 64
READ, WRITE, DISCONNECT, FLUSH, ZEROES = 0, 1, 2, 3, 6
EXPORT_NAME, ABORT, LIST, INFO, GO = 1, 2, 3, 6, 7
EINVAL, EPERM = 22, 1


class Server:
    def __init__(self, path, arguments):
        self.fd = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.flags = HAS_FLAGS | SEND_FUA | SEND_ZEROES
        self.flags |= 0 if "noflush" in arguments else SEND_FLUSH
        self.flags |= READ_ONLY if "ro" in arguments else 0
        numbers = dict(a.split("=") for a in arguments if "=" in a)
        self.die, self.hang = int(numbers.get("die", 0)), int(numbers.get("hang", 0))
        self.writes = 0

    def take(self, n):
        data = b""
        while len(data) < n:
            more = self.peer.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def option_reply(self, option, kind, data=b""):
        self.peer.sendall(struct.pack(">QIII", 0x3e889045565a9, option, kind, len(data)) + data)

    def negotiate(self):
        """True when transmission begins."""
        self.peer.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        self.take(4)
        while True:
            magic, option, n = struct.unpack(">8sII", self.take(16))
            self.take(n)
            if magic != b"IHAVEOPT" or option == ABORT:
                return False
            if option == EXPORT_NAME:
                self.peer.sendall(struct.pack(">QH", self.size, self.flags))
                return True
            if option in (INFO, GO):
                self.option_reply(option, 3, struct.pack(">HQH", 0, self.size, self.flags))
                self.option_reply(option, 1)
                if option == GO:
                    return True
            else:
                self.option_reply(option, 0x80000001)

    def perform(self, kind, offset, length, data):
        """Error number and bytes to send back."""
        if offset + length > self.size:
            return EINVAL, b""
        if kind == READ:
            return 0, os.pread(self.fd, length, offset)
        if kind in (WRITE, ZEROES) and self.flags & READ_ONLY:
            return EPERM, b""
        if kind in (WRITE, ZEROES):
            os.pwrite(self.fd, data if kind == WRITE else bytes(length), offset)
        elif kind == FLUSH:
            os.fdatasync(self.fd)
            print("flush", flush=True)
        else:
            return EINVAL, b""
        return 0, b""

    def transmit(self):
        while True:
            magic, flags, kind, cookie, offset, length = struct.unpack(">IHHQQI", self.take(28))
            if magic != 0x25609513 or kind == DISCONNECT:
                return
            self.writes += kind == WRITE
            if self.die and self.writes >= self.die:
                os._exit(0)
            data = self.take(length) if kind == WRITE else b""
            if self.hang and self.writes >= self.hang:
                continue
            error, back = self.perform(kind, offset, length, data)
            if flags & 1 and not error:  # force unit access
                os.fdatasync(self.fd)
            self.peer.sendall(struct.pack(">IIQ", 0x67446698, error, cookie) + back)

    def serve(self, path):
        tcp = path == "tcp"
        listener = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        listener.bind(("127.0.0.1", 0) if tcp else path)
        listener.listen()
        print("ready", *([listener.getsockname()[1]] if tcp else []), flush=True)
        while True:
            self.peer = listener.accept()[0]
            try:
                if self.negotiate():
                    self.transmit()
            except (EOFError, ConnectionError):
                pass
            self.peer.close()


def end_with_input():
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    Server(sys.argv[2], sys.argv[3:]).serve(sys.argv[1])
