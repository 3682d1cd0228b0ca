"""hpvmmigrate over a real ssh: a server of its own with its own keys on a port of this computer. A
key that is not known there is refused without a question."""
import getpass
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hpvm_host import BIN, check
from hpvm_pair import Pair

CONFIG = """Port {port}
ListenAddress 127.0.0.1
HostKey {dir}/host
PidFile none
AuthorizedKeysFile {dir}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
"""
REMOTE = "#!/bin/sh\nHPVM_ROOT='{root}' HPVM_RUNTIME='{run}' HPVM_CONF='{conf}' exec '{bin}' \"$@\"\n"


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            return s.recv(4) == b"SSH-"
    except OSError:
        return False


def own_run():
    """For root the server wants a directory that its package makes at the start of the system."""
    if os.getuid() != 0 or os.path.isdir("/run/sshd"):
        return []
    return ["unshare", "-m", "sh", "-c",
            'mount -t tmpfs none /run && mkdir /run/sshd && exec "$0" "$@"']


def set_up(p, sshd):
    """Starts the server; its process."""
    port = free_port()
    for key in ("host", "client", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.path(key)],
                       check=True)
    shutil.copy(p.path("client.pub"), p.path("authorized"))
    with open(p.path("host.pub")) as f, open(p.path("known"), "w") as known:
        known.write("[127.0.0.1]:%d %s" % (port, f.read()))
    with open(p.path("sshd_config"), "w") as f:
        f.write(CONFIG.format(port=port, dir=p.dir))
    with open(p.path("remote"), "w") as f:
        f.write(REMOTE.format(root=p.b.root, run=p.b.runtime, conf=p.b.conf,
                              bin=os.path.join(BIN, "hpvmmigrate")))
    os.chmod(p.path("remote"), 0o755)
    p.a.env["HPVM_REMOTE"] = p.path("remote")
    p.a.env["HPVM_SSH"] = "ssh -F none -p %d -o UserKnownHostsFile='%s' -o IdentitiesOnly=yes -i " % (
        port, p.path("known"))
    with open(p.path("sshd.log"), "w") as log:
        server = subprocess.Popen(own_run() + [sshd, "-D", "-e", "-f", p.path("sshd_config")],
                                  stderr=log)
    p.a.until(lambda: answers(port) or server.poll() is not None, "the ssh server")
    if server.poll() is not None:
        with open(p.path("sshd.log")) as f:
            skip("sshd does not run here: " + f.read().strip()[-200:])
    return server


def test(p):
    host = getpass.getuser() + "@127.0.0.1"
    disk = p.image("disk.img", 64 << 20, os.urandom(5 << 20), at=10 << 20)
    p.a.run("hpvmcreate", "-F", "-P", "vm1", "-r", "512", "-a", "disk:scsi:0,0,1:file:" + disk)
    line = ("hpvmmigrate", "-P", "vm1", "-h", host, "-C", "-m",
            "disk:scsi:0,0,1:file:" + p.path("there.img"))
    ssh = p.a.env["HPVM_SSH"]
    p.a.env["HPVM_SSH"] = ssh + "'%s'" % p.path("stranger")
    p.a.run(*line, status=1)
    check("Error: hpvmmigrate: SSH execution error.\n" in p.a.err, p.a.err)
    p.a.env["HPVM_SSH"] = ssh + "'%s'" % p.path("client")
    out = p.a.run(*line)
    check(out == "hpvmmigrate: Guest migrated successfully.\n", out)
    check("vm1" in p.b.guests() and "vm1" not in p.a.guests(), "vm1 is in the wrong place")
    with open(disk, "rb") as a, open(p.path("there.img"), "rb") as b:
        check(a.read() == b.read(), "the copy differs")
    check(not p.leftovers(), str(p.leftovers()))


def main():
    sshd = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if sshd is None or not shutil.which("ssh") or not shutil.which("ssh-keygen"):
        skip("no openssh-server here")
    with Pair() as p:
        server = set_up(p, sshd)
        try:
            test(p)
        finally:
            server.terminate()
            server.wait()
    print("over ssh: fine")


main()
