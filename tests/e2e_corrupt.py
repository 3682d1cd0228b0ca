"""Corrupt media at power-on: damaged partition tables, file systems, discs and programs. The boot
manager comes up, what cannot be started ends with an EFI status, what is still usable is used, and
the process ends when it is told to. Needs nothing outside the tree."""
import os
import signal
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fatimage
import gptimage
import guest
import peimage

TEXT = "Started from a medium with a history."
GOOD = peimage.program(TEXT)
# An EFI error, as number or name.
STATUS = r"[Ss]tatus[^\r\n]*?(8[0-9A-Fa-f]{15}|: [A-Z][a-z]+ [A-Z][a-z]+)|failed:\s+[A-Z]"


def check(condition, text):
    if not condition:
        raise guest.GuestError(text)


# --- media ---


class Volume(fatimage.Volume):
    """A FAT volume whose tables can be spoilt before it is written."""

    def __init__(self, megabytes=12):
        super().__init__(megabytes)
        self.spoil = lambda volume: None

    def directory(self, tree, own):
        out = super().directory(tree, own)
        if own == 0:
            self.spoil(self)
        return out


def volume(program=GOOD, spoil=None):
    v = Volume()
    if spoil:
        v.spoil = spoil
    return v.image({"EFI": {"BOOT": {"BOOTIA64.EFI": program}}})


def disk(content=None, **change):
    return gptimage.disk(volume() if content is None else content, **change)


def disc(catalogue=19, image=20):
    """An ISO 9660 disc with a root directory and an El Torito boot image at these sectors."""
    content = volume()
    out = bytearray(20 * 2048) + content
    root = struct.pack("<BBIIII7sBBBHHB1s", 34, 0, 18, 18 << 24, 2048, 2048 << 8 & 0xffffffff,
                       bytes(7), 2, 0, 0, 1, 256, 1, b"\0")
    blocks = len(out) // 2048
    pvd = struct.pack("<B5sBB32s32s8sII32sHHHHHHIIIIII", 1, b"CD001", 1, 0, b" " * 32,
                      b"KITTSON".ljust(32), bytes(8), blocks,
                      int.from_bytes(blocks.to_bytes(4, "big"), "little"), bytes(32), 1, 256, 1, 256,
                      2048, 8, 0, 0, 0, 0, 0, 0)
    out[16 * 2048:16 * 2048 + len(pvd)] = pvd
    out[16 * 2048 + 156:16 * 2048 + 190] = root
    record = struct.pack("<B5sB32s32sI", 0, b"CD001", 1, b"EL TORITO SPECIFICATION", bytes(32),
                         catalogue)
    out[17 * 2048:17 * 2048 + len(record)] = record
    out[18 * 2048:18 * 2048 + 68] = root + root[:33] + b"\1"
    if catalogue == 19:
        validation = bytearray(struct.pack("<BBH24sHBB", 1, 0xef, 0, bytes(24), 0, 0x55, 0xaa))
        total = sum(struct.unpack("<16H", validation))
        struct.pack_into("<H", validation, 28, -total & 0xffff)
        entry = struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, len(content) // 512 & 0xffff, image)
        out[19 * 2048:19 * 2048 + 64] = validation + entry.ljust(32, b"\0")
    return out


# --- what is done to them ---


def flip(image, *offsets):
    for at in offsets:
        image[at] ^= 0xff
    return image


def end_of(image):
    return len(image) - gptimage.SECTOR


def loop_file(v):
    v.fat[-1] = len(v.fat) - 1  # the program's last cluster


def loop_directories(v):
    """\\EFI and everything below it go on in themselves."""
    for cluster in range(2, len(v.fat)):
        v.fat[cluster] = cluster


def endless_file(v):
    """A program of 4 GB, in a chain that never ends."""
    loop_file(v)
    at = bytes(v.data).find(b"BOOTIA64EFI")
    struct.pack_into("<I", v.data, at + 28, 0xffffffff)


def wild_chain(v):
    v.fat[4] = 0xffef  # outside the volume


def bpb(offset, form, value):
    image = bytearray(volume())
    struct.pack_into(form, image, offset, value)
    return image


def pe(at, form, *values):
    return disk(volume(peimage.patched(GOOD, at, form, *values)))


OPTIONAL, SECTION = peimage.OPTIONAL, peimage.SECTIONS
# What it is, option, bytes, what must come: started, an error status, or nothing to start.
CASES = [
    ("a good disk", "--disk", disk, "started"),
    ("a good disc", "--cdrom", disc, "started"),
    ("GPT header with a wrong checksum, good backup", "--disk", lambda: flip(disk(), 512 + 16),
     "started"),
    ("GPT table with a wrong checksum, good backup", "--disk", lambda: flip(disk(), 1024 + 40),
     "started"),
    ("both GPT headers with a wrong checksum", "--disk",
     lambda: flip(disk(), 512 + 16, end_of(disk()) + 16), "status"),
    ("4 billion GPT entries", "--disk", lambda: disk(count=0xffffffff), "status"),
    ("GPT entries of 0 bytes", "--disk", lambda: disk(size=0), "status"),
    ("GPT entries of 4 GB", "--disk", lambda: disk(size=0xfffffff8), "status"),
    ("GPT table beyond the disk", "--disk", lambda: disk(table=1 << 60), "status"),
    ("usable blocks beyond the disk", "--disk", lambda: disk(last=1 << 62), "status"),
    ("FAT with sectors of 0 bytes", "--disk", lambda: bpb(11, "<H", 0), "status"),
    ("FAT with clusters of 0 sectors", "--disk", lambda: bpb(13, "<B", 0), "status"),
    ("FAT with 65535 reserved sectors", "--disk", lambda: bpb(14, "<H", 0xffff), "status"),
    ("FAT with tables larger than itself", "--disk", lambda: bpb(22, "<H", 0xffff), "status"),
    ("a file that loops", "--disk", lambda: volume(spoil=loop_file), "any"),
    ("a file of 4 GB that loops", "--disk", lambda: volume(spoil=endless_file), "not started"),
    ("directories that loop", "--disk", lambda: volume(spoil=loop_directories), "any"),
    ("a chain that leads outside", "--disk", lambda: volume(spoil=wild_chain), "not started"),
    ("a disc cut off in its boot image", "--cdrom", lambda: disc()[:21 * 2048], "status"),
    ("a disc cut off in its descriptors", "--cdrom", lambda: disc()[:16 * 2048 + 100], "status"),
    ("El Torito catalogue beyond the end", "--cdrom", lambda: disc(catalogue=0x7fffffff),
     "status"),
    ("El Torito image beyond the end", "--cdrom", lambda: disc(image=0xfffffffe), "status"),
    ("PE header far outside", "--disk", lambda: pe(0x3c, "<I", 0xfffffff0), "status"),
    ("PE image of 4 GB", "--disk", lambda: pe(OPTIONAL + 56, "<I", 0xfffff000), "status"),
    ("65535 PE sections", "--disk", lambda: pe(peimage.PE + 6, "<H", 0xffff), "status"),
    ("PE section of 4 GB", "--disk", lambda: pe(SECTION + 8, "<I", 0xffffffff), "status"),
    ("PE section with 4 GB of data", "--disk", lambda: pe(SECTION + 16, "<I", 0xffffffff), "any"),
    ("PE entry point outside", "--disk", lambda: pe(OPTIONAL + 16, "<I", 0x7ffffff8), "status"),
    ("PE relocations outside", "--disk", lambda: pe(OPTIONAL + 156, "<I", 0xfffffff0), "any"),
    ("a program of 0 bytes", "--disk", lambda: disk(volume(b"")), "not started"),
    ("a program that is noise", "--disk", lambda: disk(volume(bytes(range(256)) * 16)), "status"),
    ("a disk of 0 bytes", "--disk", bytes, "status"),
    ("a disk of one sector", "--disk", lambda: bytes(512), "nothing"),
    ("a disc of 0 bytes", "--cdrom", bytes, "status"),
    ("a disc of 100 bytes", "--cdrom", lambda: bytes(100), "status"),
]


# --- the test ---


def outcome(g):
    """Lets the boot manager try what it found; what came of it. That it goes on at all shows in
    the list that it prints again when nothing could be started."""
    g.expect(r"EFI Boot Manager ver 1\.10", 60)
    g.expect(r"will be booted in \d+ seconds|EFI Shell \[Built-in\]", 60)
    g.send("\r")
    match = g.expect("(%s)|%s|(EFI Shell version|Shell> |Loading\\.: EFI Shell)" %
                     (TEXT.replace(".", r"\."), STATUS), 120)
    return "started" if match.group(1) else "nothing" if match.group(3) else "status"


def case(tmp, what, option, make, wanted):
    path = os.path.join(tmp, "medium")
    with open(path, "wb") as f:
        f.write(make())
    with guest.Guest("-m", "64M", option, path) as g:
        g.connect()
        got = outcome(g)
        allowed = {"any": ("started", "status", "nothing"),
                   "not started": ("status", "nothing")}.get(wanted, (wanted,))
        check(got in allowed, "%s: %s, not %s\n%s" % (what, got, wanted, g.text))
        g.process.send_signal(signal.SIGTERM)
        status = g.wait(60)
        check(status == 1 and "signal" in g.stderr().lower(),
              "%s: status %d after SIGTERM\n%s" % (what, status, g.stderr()))
        print("%s: %s" % (what, got))


def test():
    with tempfile.TemporaryDirectory(prefix="kittson-") as tmp:
        for c in CASES:
            case(tmp, *c)


guest.main(test)
