"""--display sdl: without a screen one line and the serial console goes on; under Xvfb a window whose
picture is that of the guest (as an X client sees it), also after it was resized."""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest

KERNEL, INITRD = guest.need("guests/vmlinux.gz", "guests/initramfs.cpio.gz")
LINUX = ["--kernel", KERNEL, "--initrd", INITRD, "-m", "512M", "--display", "sdl", "--append",
         "console=tty0 console=ttyS0,115200n8"]
for tool in ("Xvfb", "xwd", "xdotool"):
    if shutil.which(tool) is None:
        print("skipped: %s is not installed" % tool)
        sys.exit(guest.SKIPPED)


def without_screen():
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    p = subprocess.run([guest.PROGRAM, "run", "-m", "128M", "--display", "sdl", "--console",
                        "file:/dev/null"], env=dict(env, SDL_VIDEODRIVER="x11"), timeout=120,
                       stderr=subprocess.PIPE)
    if p.returncode != 0 or b"there is no screen" not in p.stderr:
        raise guest.GuestError("without a screen: %d, %s" % (p.returncode, p.stderr))


class Screen:
    """An X server on a number of its own choice; DISPLAY is set inside the with block."""

    def __enter__(self):
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
            pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as f:
            number = f.readline().strip()  # the end of the line comes when it is ready
        if not number:
            raise guest.GuestError("Xvfb does not start")
        os.environ["DISPLAY"] = ":" + number
        os.environ["SDL_VIDEODRIVER"] = "x11"
        return self

    def __exit__(self, *exc):
        del os.environ["DISPLAY"], os.environ["SDL_VIDEODRIVER"]
        self.server.terminate()
        self.server.wait()


def colours():
    """How often each (r, g, b) stands on the screen."""
    data = subprocess.run(["xwd", "-root", "-silent"], check=True, stdout=subprocess.PIPE).stdout
    head = struct.unpack(">25I", data[:100])
    width, height, step, stride = head[4], head[5], head[11] // 8, head[12]
    start, count = head[0] + 12 * head[19], {}
    for y in range(height):
        row = data[start + y * stride:start + y * stride + width * step]
        for x in range(0, len(row), step):
            p = (row[x + 2], row[x + 1], row[x])
            count[p] = count.get(p, 0) + 1
    return count


def wait_for_picture(seconds):
    """The logo's yellow and white and the letters' grey, within a deadline."""
    end = time.monotonic() + seconds
    while True:
        c = colours()
        yellow = sum(n for (r, g, b), n in c.items() if r > 200 and g > 150 and b < 100)
        white = sum(n for p, n in c.items() if min(p) > 230)
        grey = sum(n for p, n in c.items() if p[0] > 100 and p[0] == p[1] == p[2])
        if yellow > 100 and white > 100 and grey > 3000:
            return
        if time.monotonic() > end:
            raise guest.GuestError("window: %d yellow, %d white, %d grey" % (yellow, white, grey))


def xdotool(*words):
    return subprocess.run(["xdotool", *words], check=True, stdout=subprocess.PIPE).stdout.decode()


def main():
    without_screen()
    with Screen(), guest.Guest(*LINUX) as g:
        g.connect()
        g.expect("bochs-drm", 300)
        g.expect("guest# ", 300)
        wait_for_picture(60)
        window = xdotool("search", "--name", "Kittson").split()[0]
        xdotool("windowsize", window, "700", "500")
        wait_for_picture(60)
        if not re.search("Geometry: 700x500", xdotool("getwindowgeometry", window)):
            raise guest.GuestError("the window keeps its size")
        g.send("poweroff -f\n")
        g.wait(120)


guest.main(main)
