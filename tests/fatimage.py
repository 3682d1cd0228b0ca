"""Makes a FAT16 volume from a few files, for end-to-end tests: short names, no partition table."""
import struct

SECTOR, CLUSTER, ROOT = 512, 2048, 512  # bytes, bytes, root entries


def short(name):
    base, _, ext = name.upper().partition(".")
    return base.ljust(8)[:8].encode() + ext.ljust(3)[:3].encode()


def entry(name, attributes, cluster, size):
    raw = name if isinstance(name, bytes) else short(name)
    return struct.pack("<11sBBBHHHHHHHI", raw, attributes, 0, 0, 0, 0, 0, 0, 0, 0x5821, cluster,
                       size)


class Volume:
    def __init__(self, megabytes):
        self.sectors = megabytes * 2048
        self.clusters = self.sectors * SECTOR // CLUSTER
        self.fat_sectors = (2 * (self.clusters + 2) + SECTOR - 1) // SECTOR
        self.fat = [0xfff8, 0xffff]
        self.data = bytearray()

    def put(self, content):
        """Clusters for some bytes; returns the first."""
        first, n = len(self.fat), max(1, -(-len(content) // CLUSTER))
        self.fat += [first + i + 1 for i in range(n - 1)] + [0xffff]
        self.data += content.ljust(n * CLUSTER, b"\0")
        return first

    def fill(self, cluster, content):
        assert len(content) <= CLUSTER, "a directory has one cluster here"
        at = (cluster - 2) * CLUSTER
        self.data[at:at + CLUSTER] = content.ljust(CLUSTER, b"\0")

    def directory(self, tree, own):
        """Entries of a dictionary of name: bytes or dictionary; own is its cluster, 0 the root."""
        out = b""
        for name, content in tree.items():
            if isinstance(content, dict):
                first = self.put(b"")
                dots = entry(b".          ", 0x10, first, 0) + entry(b"..         ", 0x10, own, 0)
                self.fill(first, dots + self.directory(content, first))
                out += entry(name, 0x10, first, 0)
            else:
                out += entry(name, 0x20, self.put(content), len(content))
        return out

    def image(self, tree, label="KITTSON"):
        root = entry(label.ljust(11).encode(), 8, 0, 0) + self.directory(tree, 0)
        boot = struct.pack("<3s8sHBHBHHBHHHIIBBBI11s8s", b"\xeb\x3c\x90", b"KITTSON ", SECTOR,
                           CLUSTER // SECTOR, 1, 2, ROOT,
                           self.sectors if self.sectors < 65536 else 0, 0xf8, self.fat_sectors, 32,
                           64, 0, 0 if self.sectors < 65536 else self.sectors, 0x80, 0, 0x29,
                           0x12345678, label.ljust(11).encode(), b"FAT16   ")
        fat = struct.pack("<%dH" % len(self.fat), *self.fat).ljust(self.fat_sectors * SECTOR, b"\0")
        out = boot.ljust(510, b"\0") + b"\x55\xaa" + fat + fat + root.ljust(ROOT * 32, b"\0")
        return (out + bytes(self.data)).ljust(self.sectors * SECTOR, b"\0")


def write(path, tree, megabytes=24):
    with open(path, "wb") as f:
        f.write(Volume(megabytes).image(tree))
