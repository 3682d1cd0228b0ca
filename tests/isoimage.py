"""Writes a small ISO 9660 image (level 1, one directory) for tests."""
import struct

SECTOR = 2048
FIRST = 18  # root directory; files follow


def both(value, letter):
    return struct.pack("<" + letter, value) + struct.pack(">" + letter, value)


def record(name, sector, size, directory):
    """A directory record (ECMA-119, 9.1)."""
    date = bytes([100, 1, 1, 0, 0, 0, 0])
    body = (b"\0" + both(sector, "I") + both(size, "I") + date + bytes([2 * directory, 0, 0]) +
            both(1, "H") + bytes([len(name)]) + name)
    body += b"\0" * ((len(body) + 1) % 2)
    return bytes([len(body) + 1]) + body


def write(path, label, files):
    """files: name such as "A.TXT" to bytes."""
    root = record(b"\0", FIRST, SECTOR, 1) + record(b"\1", FIRST, SECTOR, 1)
    data, sector = b"", FIRST + 1
    for name, content in sorted(files.items()):
        root += record(name.encode() + b";1", sector, len(content), 0)
        content += b"\0" * (-len(content) % SECTOR)
        data += content
        sector += len(content) // SECTOR
    assert len(root) <= SECTOR
    volume = bytearray(SECTOR)
    volume[0:8] = b"\1CD001\1\0"
    volume[8:72] = b" " * 32 + label.encode().ljust(32)
    volume[80:88] = both(sector, "I")
    volume[120:132] = both(1, "H") + both(1, "H") + both(SECTOR, "H")
    volume[156:190] = record(b"\0", FIRST, SECTOR, 1)
    volume[190:813] = b" " * 623
    volume[881] = 1
    with open(path, "wb") as f:
        f.write(b"\0" * 16 * SECTOR + bytes(volume) + (b"\xffCD001\1").ljust(SECTOR, b"\0") +
                root.ljust(SECTOR, b"\0") + data)
