"""The limits and defaults of Integrity VM (hpvm.md section 2), one table: what is the most and the least that
is accepted, and with which words the next value is refused. Limits of hosts that Kittson has none of are
in it with the reason."""
import fcntl
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest
from hpvm_host import Host, check

CPUS = os.cpu_count()
MODIFY = ["hpvmmodify", "-F", "-P", "vm"]

# (subject, command line without its last word, words accepted, {word: refusal})
VALUES = [
    ("virtual processors", MODIFY + ["-c"], ["1", "4", "16"],
     {"0": "Invalid number of virtual CPUs '0'.", "17": "Invalid number of virtual CPUs '17'."}),
    ("entitlement", MODIFY + ["-e"], ["0", "5", "100"],
     {"101": "Invalid entitlement (0 to 100) '101'.", "-1": "Invalid entitlement (0 to 100) '-1'."}),
    ("memory", MODIFY + ["-r"], ["512", "512M", "64G"],
     {"511M": "Invalid memory size (512 MB to 64 GB) '511M'.",
      "65537": "Invalid memory size (512 MB to 64 GB) '65537'."}),
    ("reserved memory", MODIFY + ["-R"], ["32M", "64G"],
     {"31M": "Invalid reserved memory size (32 MB to 64 GB) '31M'.", "65G": "Invalid reserved memory"}),
    ("buses of storage", MODIFY + ["-a"], ["disk:scsi:0,0,0:file:/f", "disk:scsi:6,7,0:file:/g"],
     {"disk:scsi:7,0,0:file:/h": "Invalid bus in '7,0,0': 0 to 6."}),
    ("slots of a bus", MODIFY + ["-a"], ["disk:scsi:0,7,0:file:/i"],
     {"disk:scsi:0,8,0:file:/h": "Invalid device in '0,8,0': 0 to 7."}),
    ("targets of an adapter", MODIFY + ["-a"], ["disk:scsi:0,7,14:file:/j"],
     {"disk:scsi:0,7,15:file:/h": "Invalid target in '0,7,15': 0 to 14."}),
    ("buses of networks", MODIFY + ["-a"], ["network:lan:6,0:vswitch:eightchs"],
     {"network:lan:7,0:vswitch:x": "Invalid bus in '7,0': 0 to 6."}),
    ("name of a vswitch", MODIFY + ["-a"], ["network:lan:6,1:vswitch:12345678"],
     {"network:lan:6,2:vswitch:123456789": "is longer than 8 characters."}),
    ("name of a vswitch, made", ["hpvmnet", "-c", "-S"], ["12345678"],
     {"123456789": "A vswitch name is 1 to 8 letters"}),
    ("ports of a vswitch, reserved", MODIFY + ["-a"],
     ["network:lan:6,3:vswitch:sw:portid:1", "network:lan:6,4:vswitch:sw:portid:100"],
     {"network:lan:6,5:vswitch:sw:portid:0": "Invalid port '0': 1 to 100.",
      "network:lan:6,5:vswitch:sw:portid:101": "Invalid port '101': 1 to 100."}),
    ("ports of a vswitch, configured", ["hpvmnet", "-S", "localnet", "-u"],
     ["portid:1:vlanid:5", "portid:100:vlanid:5"],
     {"portid:0:vlanid:5": "A port is a number from 1 to 100.",
      "portid:101:vlanid:5": "A port is a number from 1 to 100."}),
    ("VLAN ids", ["hpvmnet", "-S", "localnet", "-u"], ["portid:1:vlanid:0", "portid:1:vlanid:4094"],
     {"portid:1:vlanid:4095": "an ID from 0 to 4094"}),
    ("server identifiers", ["hpvmdevmgmt", "-m"],
     ["server:s:attr:SERVERID=1", "server:s:attr:SERVERID=255"],
     {"server:s:attr:SERVERID=0": "is a number from 1 to 255.",
      "server:s:attr:SERVERID=256": "is a number from 1 to 255."}),
    ("name of a guest", ["hpvmcreate", "-F", "-P"], ["n", "n" * 255],
     {"n" * 256: "Invalid", "": "Invalid", "-n": "Invalid", "n n": "Invalid", "n/n": "Invalid"}),
    ("label", MODIFY + ["-l"], ["l" * 256, "with blanks"], {"l" * 257: "Invalid label"}),
    ("version of the system", MODIFY + ["-O"], ["hpux:" + "v" * 256],
     {"hpux:" + "v" * 257: "Invalid"}),
    ("names of devices", MODIFY + ["-a"], [],
     {"disk:scsi::disk:/dev/a;b": "/dev/a;b", "disk:scsi::disk:/dev/a,b": "/dev/a,b",
      "disk:scsi::disk:/dev/a:b": "/dev/a:b"}),
    ("distributed", MODIFY + ["-j"], ["0", "1", "0"], {"2": "Invalid distributed attribute '2'."}),
    ("chunks of dynamic memory", MODIFY + ["-r", "2G", "-x", "ram_dyn_type=any", "-x"],
     ["ram_dyn_min=512M", "ram_dyn_max=2G"], {"ram_dyn_min=511M": "between 512 MB and ram_dyn_max"}),
]

# (subject, line of hpvmstatus -V of a guest made with a name only)
DEFAULTS = [
    ("operating system", "Operating System        : UNKNOWN"),
    ("virtual processors", "Number Virtual CPUs     : 1"),
    ("most virtual processors", "Maximum Virtual CPUs    : 4"),
    ("entitlement", "Percent Entitlement     : 10.0%"),
    ("most entitlement", "Maximum Entitlement     : 100.0%"),
    ("memory", "Total memory            : 2 GB"),
    ("least memory", "Minimum memory limit    : 512 MB"),
    ("most memory", "Maximum memory limit    : 64 GB"),
    ("reserved memory", "Reserved memory         : 64 MB"),
    ("VHPT", "VHPT Size               : 1 MB"),
    ("start attribute", "Start type              : Auto"),
]

ELSEWHERE = {  # limits that another test shows, or why there is none
    "blocks of tapes": "attached tapes are configured only",
    "HP-UX guests have 1 GB at least": "HP-UX's own rule",
    "750 MB + 7.5 % of the host's memory; swap of physical memory + 4 GB":
        "HP-UX hosts; on Linux 7 % per guest count",
    "kernel parameters of HP-UX": "there are none on Linux",
    "size of the monitor log": "test_mon_log, test_hpvmapp",
    "240 characters of EFI boot option data": "e2e_screens",
    "size and alignment of backing stores": "test_hpvmapp, test_hpvm_warnings",
    "guidance for HP-UX on reducing memory": "guidance, not a limit",
}


def values(h):
    h.run("hpvmcreate", "-F", "-P", "vm")
    h.run("hpvmdevmgmt", "-a", "server:s")
    for subject, line, good, bad in VALUES:
        for word in good:
            h.run(*line, word)
        before = h.run("hpvmstatus", "-V") + h.run("hpvmnet", "-M") + h.run("hpvmdevmgmt", "-l", "all")
        for word, text in bad.items():
            h.run(*line, word, status=1)
            check(text in h.err, "%s: %r is refused with %s" % (subject, word[:50], h.err))
        after = h.run("hpvmstatus", "-V") + h.run("hpvmnet", "-M") + h.run("hpvmdevmgmt", "-l", "all")
        check(before == after, subject + ": what was refused changed something")


def defaults(h):
    h.run("hpvmcreate", "-F", "-P", "plain")
    out = h.run("hpvmstatus", "-V", "-P", "plain")
    for subject, line in DEFAULTS:
        check(re.search("^%s$" % re.escape(line), out, re.M), "%s: no %r in\n%s" % (subject, line, out))
    for given, shown in (("1", "5.0%"), ("4", "5.0%"), ("6", "6.0%")):
        h.run("hpvmmodify", "-F", "-P", "plain", "-e", given)
        check("Percent Entitlement     : %s\n" % shown in h.run("hpvmstatus", "-V", "-P", "plain"),
              "an entitlement of " + given)
    most = min(4, CPUS)
    for system in ("an HP-UX", "a Windows", "a Linux"):
        check("Maximum vcpus for %s virtual machine = %d\n" % (system, most) in
              h.run("hpvmstatus", "-s"), "most virtual processors on this host")
    h.run("hpvmcreate", "-F", "-P", "dynamic", "-r", "4G", "-x", "ram_dyn_type=any")
    check(re.search("^Target memory +: 2048 MB$", h.run("hpvmstatus", "-V", "-P", "dynamic"), re.M),
          "default of ram_dyn_target_start")
    h.run("hpvmcreate", "-F", "-P", "a-name-of-more-than-twenty-characters")
    check("\na-name-of-more-than-" + " " in h.run("hpvmstatus"), "names are shown to 20 characters")


def many_devices(h):
    """15 on an adapter, 30 in a guest."""
    h.run("hpvmcreate", "-F", "-P", "full")
    for i in range(30):
        h.run("hpvmmodify", "-F", "-P", "full", "-a", "disk:scsi:%d,0,%d:file:/f%d" % (i // 15, i % 15, i))
    h.run("hpvmmodify", "-F", "-P", "full", "-a", "disk:scsi:2,0,0:file:/g", status=1)
    check("30" in h.err, "the 31st device: " + h.err)
    out = h.run("hpvmstatus", "-P", "full", "-d")
    check(len(re.findall("^disk:", out, re.M)) == 30, out)


def run_file(h, name):
    """Holds the lock that a guest's process would hold."""
    f = open(h.file(name, "run"), "w")
    f.write("state = On (OS)\npid = 1\n")
    f.flush()
    fcntl.flock(f, fcntl.LOCK_EX)
    return f


def processors(h):
    """More virtual processors than the host has, and entitlements over 100 % of them, do not start."""
    h.run("hpvmcreate", "-P", "wide", "-r", "512", "-c", str(min(16, CPUS + 1)), status=None)
    check("Guest" in h.err and "cpus" in h.err or "vcpus" in h.err, "no warning: " + h.err)
    h.run("hpvmstart", "-P", "wide", status=1)
    check("vcpus" in h.err and "Unable to continue." in h.err, h.err)
    held = []
    for i in range(CPUS):
        h.run("hpvmcreate", "-F", "-P", "busy%d" % i, "-r", "512", "-e", "100")
        held.append(run_file(h, "busy%d" % i))
    h.run("hpvmcreate", "-F", "-P", "late", "-r", "512", "-e", "10")
    h.run("hpvmstart", "-P", "late", status=1)
    check("Insufficient cpu resource for guest." in h.err, h.err)
    held.pop().close()
    h.run("hpvmstart", "-s", "-P", "late", status=None)
    check("Insufficient cpu resource" not in h.err, "room was made: " + h.err)
    for f in held:
        f.close()


def many_guests(h):
    """As many as one likes are configured; 256 run."""
    names = ["n%d" % i for i in range(260)]
    for name in names:
        h.run("hpvmcreate", "-F", "-P", name, "-r", "512")
    held = [run_file(h, name) for name in names[:256]]
    h.run("hpvmstart", "-F", "-Q", "-P", names[256], status=1)
    check("256 guests, the most that this software supports, are running." in h.err, h.err)
    check(list(h.states().values()).count("On (OS)") == 256, "states of 256 guests")
    held.pop().close()
    h.run("hpvmstart", "-F", "-Q", "-P", names[256])
    h.run("hpvmstop", "-h", "-F", "-P", names[256])
    for f in held:
        f.close()


def test():
    with Host() as h:
        values(h)
        defaults(h)
        many_devices(h)
        processors(h)
        many_guests(h)
        for subject, reason in ELSEWHERE.items():
            print("%s: %s" % (subject, reason))


guest.main(test)
