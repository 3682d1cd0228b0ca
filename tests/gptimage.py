"""Makes a disk with a GUID partition table and one EFI system partition, for end-to-end tests."""
import struct
import zlib

SECTOR = 512
FIRST, ENTRY, ENTRIES = 64, 128, 128  # first block of the partition, bytes and number of entries
ESP = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")


def header(here, other, blocks, place, entries, **change):
    fields = {"first": FIRST, "last": blocks - 34, "table": place, "count": ENTRIES, "size": ENTRY,
              "crc": zlib.crc32(entries)}
    fields.update(change)
    head = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, here, other,
                       fields["first"], fields["last"], b"kittson test gpt", fields["table"],
                       fields["count"], fields["size"], fields["crc"])
    return head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]


def disk(content, **change):
    """The partition holds `content`; the headers can be given other numbers, with right checksums:
    first, last, table, count, size, crc."""
    blocks = FIRST + len(content) // SECTOR + 34
    entries = (ESP + b"kittson testpart" + struct.pack("<QQQ", FIRST, blocks - 35, 0)).ljust(
        ENTRY * ENTRIES, b"\0")
    mbr = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff" * 3, 1, blocks - 1)
    out = bytearray(blocks * SECTOR)
    out[:512] = mbr.ljust(510, b"\0") + b"\x55\xaa"
    for here, other, table in ((1, blocks - 1, 2), (blocks - 1, 1, blocks - 33)):
        head = header(here, other, blocks, table, entries, **change)
        out[here * SECTOR:here * SECTOR + len(head)] = head
        out[table * SECTOR:table * SECTOR + len(entries)] = entries
    out[FIRST * SECTOR:FIRST * SECTOR + len(content)] = content
    return out
