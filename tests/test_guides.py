"""The command lines of README.md and docs/guides: every fenced block is marked `sh run`, `sh media` or
`sh host`. `run` blocks are run, in order, all of a file by one shell in a directory with an empty disk
image and a directory of discs; of the others, commands must exist and their options must be in the
help or the manual page. (README's first five minutes have a test with a guest, e2e_first_minutes.)"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ["KITTSON_SOURCE"]
BIN = os.path.dirname(os.path.abspath(os.environ["KITTSON"]))
MARKS = ("run", "media", "host")
SECONDS = 300
failed = False


def fail(text):
    global failed
    failed = True
    print("FAILED: " + text)


def pages():
    guides = os.path.join(SOURCE, "docs", "guides")
    return [os.path.join(SOURCE, "README.md")] + [
        os.path.join(guides, n) for n in sorted(os.listdir(guides)) if n.endswith(".md")]


def blocks(path):
    """(mark, lines) of each fenced block of shell commands; what is marked `text` is a picture."""
    with open(path) as f:
        text = f.read()
    for info, body in re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        if info == "text":
            continue
        words = info.split()
        if len(words) != 2 or words[0] != "sh" or words[1] not in MARKS:
            fail("%s: a block is marked %r" % (path, info))
        else:
            yield words[1], [l for l in body.split("\n") if l.strip()]


def links(path):
    with open(path) as f:
        text = f.read()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        if not os.path.exists(os.path.join(os.path.dirname(path), target)):
            fail("%s: %s is not there" % (path, target))


def run(path, lines):
    with tempfile.TemporaryDirectory(prefix="hpvm-") as tmp:
        os.chmod(tmp, 0o711)
        work = os.path.join(tmp, "work")
        os.makedirs(os.path.join(work, "discs"))
        with open(os.path.join(work, "disk.img"), "wb") as f:
            f.truncate(1 << 20)
        env = dict(os.environ, HPVM_ROOT=os.path.join(tmp, "state"), SOURCE=SOURCE,
                   HPVM_RUNTIME=os.path.join(tmp, "run"), HPVM_CONF=os.path.join(tmp, "none"),
                   PATH=BIN + ":" + os.environ["PATH"])
        try:
            script = os.path.join(tmp, "script")
            with open(script, "w") as f:
                f.write("\n".join(lines) + "\n")
            r = subprocess.run(["sh", "-eux", script], stdin=subprocess.DEVNULL, text=True, cwd=work,
                               env=env, capture_output=True, timeout=SECONDS)
            if r.returncode != 0:
                fail("%s: status %d\n%s%s" % (path, r.returncode, r.stdout, r.stderr))
            left = subprocess.run(["hpvmstatus", "--json"], env=env, text=True, capture_output=True,
                                  timeout=SECONDS)
            if left.stdout.split() != ['{"guests":', "[]}"]:
                fail("%s: guests are left: %s%s" % (path, left.stdout, left.stderr))
        except subprocess.TimeoutExpired as e:
            fail("%s: not over after %d s\n%s" % (path, SECONDS, e.stderr))
        finally:
            for command in (["hpvmstop", "-a", "-F", "-h"], ["hpvmnet", "-h", "-Q"]):
                subprocess.run([os.path.join(BIN, command[0])] + command[1:], env=env,
                               capture_output=True, timeout=SECONDS)


def help_of(words):
    """What is known about the options of a command of ours; None for others."""
    name = os.path.basename(words[0])
    if name == "kittson":
        r = subprocess.run([os.path.join(BIN, "kittson"), "help"] + words[1:2], text=True,
                           capture_output=True)
        return r.stdout if r.returncode == 0 else ""
    for section in ("1m", "8"):
        page = os.path.join(SOURCE, "docs", "man", "%s.%s" % (name, section))
        if os.path.exists(page):
            with open(page) as f:
                return f.read().replace("\\-", "-")
    if words[0].startswith("guests/") and os.path.exists(os.path.join(SOURCE, words[0])):
        return subprocess.run([os.path.join(SOURCE, words[0]), "--help"], text=True,
                              capture_output=True).stdout
    return None


def check(path, line):
    words = shlex.split(line)
    while words and (words[0] in ("sudo", "export") or "=" in words[0]):
        words = words[1:]
    if not words:
        return
    known = help_of(words)
    if known is None:
        if words[0].startswith(("hpvm", "./")) and not os.path.exists(
                os.path.join(SOURCE, words[0])) and words[0] != "hpvm":
            fail("%s: %s does not exist" % (path, words[0]))
        return
    for word in words[1:]:
        option = word.split("=")[0]
        if re.match(r"--?[A-Za-z]", option) and option not in known and option[:2] not in known:
            fail("%s: %s is not an option of %s: %s" % (path, option, words[0], line))
        elif option.startswith("--") and option not in known:
            fail("%s: %s is not an option of %s: %s" % (path, option, words[0], line))


def main():
    if not shutil.which("sh"):
        sys.exit(77)
    count = 0
    for path in pages():
        links(path)
        lines = []
        for mark, block in blocks(path):
            count += 1
            if mark == "run":
                lines += block
            else:
                for line in block:
                    check(path, line)
        if lines:
            run(path, lines)
    if count < 25:
        fail("only %d blocks were found" % count)
    sys.exit(failed)


main()
