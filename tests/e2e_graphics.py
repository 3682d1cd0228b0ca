"""A Linux guest with a graphics adapter: the frame buffer console with the penguin in the picture that
`--display dump:DIR` and the monitor's screendump write."""
import os
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")


def unfilter(kind, row, above, step):
    for i in range(len(row)):
        a = row[i - step] if i >= step else 0
        b, c = above[i], above[i - step] if i >= step else 0
        if kind == 1:
            row[i] = row[i] + a & 255
        elif kind == 2:
            row[i] = row[i] + b & 255
        elif kind == 3:
            row[i] = row[i] + (a + b) // 2 & 255
        elif kind == 4:
            p = a + b - c
            near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))
            row[i] = row[i] + near[2] & 255
    return row


def read_png(path):
    """Width, height and rows of (r, g, b) bytes of an 8-bit picture without interlacing."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise guest.GuestError("%s is no PNG" % path)
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            packed += body
        at += size + 12
    step = {2: 3, 6: 4}[colour]
    raw, rows, above = zlib.decompress(packed), [], bytearray(width * step)
    for y in range(height):
        start = y * (width * step + 1)
        above = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + width * step]), above, step)
        rows.append([tuple(above[x:x + 3]) for x in range(0, width * step, step)])
    return width, height, rows


def check_picture(path):
    """The logo's yellow feet and white belly at the top left, grey letters below it."""
    width, height, rows = read_png(path)
    if (width, height) != (1024, 768):
        raise guest.GuestError("the picture is %dx%d" % (width, height))
    logo = [p for row in rows[:80] for p in row[:80]]
    yellow = sum(r > 200 and g > 150 and b < 100 for r, g, b in logo)
    white = sum(min(p) > 230 for p in logo)
    letters = sum(p == (170, 170, 170) for row in rows[80:] for p in row)
    if yellow < 200 or white < 200 or letters < 5000:
        raise guest.GuestError("picture: %d yellow, %d white, %d grey" % (yellow, white, letters))


def main():
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "monitor")
        with guest.Guest("--kernel", KERNEL, "--initrd", INITRD, "-m", "512M", "--display",
                         "dump:" + folder, "--monitor", "unix:" + socket, "--append",
                         "console=tty0 console=ttyS0,115200n8") as g:
            g.connect()
            g.expect("bochs-drm", 300)
            g.expect("GUEST-UP", 300)
            g.expect("guest# ", 60)
            shot = os.path.join(folder, "shot.png")
            subprocess.run([guest.PROGRAM, "monitor", "unix:" + socket, "screendump", shot], check=True)
            check_picture(shot)
            g.send("poweroff -f\n")
            g.wait(120)
        check_picture(os.path.join(folder, "screen.png"))


guest.main(main)
