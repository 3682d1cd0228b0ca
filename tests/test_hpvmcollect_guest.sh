#!/bin/sh
# hpvmcollect for Linux guests (dist/guest): the report line by line, crash dumps, archives, names,
# refusals; with files of a system made for it. In a real guest it runs in e2e_guest_kit.
script=$KITTSON_SOURCE/dist/guest/hpvmcollect
golden=$KITTSON_SOURCE/tests/hpvmcollect/guest.txt
command -v tar > /dev/null || { echo "skipped: tar is not installed"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
fail() { echo "FAILED: $*"; failed=1; }
collect() { sh "$script" "$@"; }
refused() { # TEXT OPTION...
    text=$1
    shift
    collect "$@" > out 2> err && fail "accepted: $*"
    grep -qF -e "$text" err || { fail "$*: not '$text'"; cat err; }
}

mkdir -p bin system/proc/net system/var/log system/var/crash/2026-01 system/var/crash/2026-02
printf '#!/bin/sh\necho a message\n' > bin/dmesg
printf '#!/bin/sh\n[ "$1 $2 $4" = "-qrB -- support:" ] && cp "$3" away/\n' > bin/scp
chmod +x bin/dmesg bin/scp
mkdir away
PATH=$work/bin:$PATH HPVM_SYSTEM=$work/system
export PATH HPVM_SYSTEM
echo "a version" > system/proc/version
echo "a mount" > system/proc/mounts
echo "eth0" > system/proc/net/dev
echo "a line" > system/var/log/messages
ln -s /etc/passwd system/proc/swaps
echo core1 > system/var/crash/2026-01/vmcore
echo core2 > system/var/crash/2026-02/vmcore

collect -b one > out || fail "collect"
sed "s/hostname '.*'/hostname 'compass1'/; s,\"$work/,\"," out | diff -u "$golden" - || fail "report"
tar -xzf hpvmcollect_archive/one.tar.gz || fail "archive"
grep -q "a version" one/guest.sysinfo || fail "system info"
grep -q "== /proc/mounts" one/guest.fsinfo || fail "filesystem info"
grep -rq root: one && fail "a link was followed"
[ "$(stat -c %a hpvmcollect_archive/one.tar.gz)" = 600 ] || fail "the archive is everybody's"
[ ! -e hpvmcollect_archive/one ] || fail "the directory is left"

collect -c -b two > out || fail "-c"
grep -qx 'Collecting crash dump 2 \.* OK' out || fail "the newest dump"
[ "$(grep 'crash dump 2' out | wc -c)" = 72 ] || fail "$(grep 'crash dump' out)"
tar -xOf hpvmcollect_archive/two.tar two/crash.2/vmcore | grep -qx core2 || fail "its contents"
collect -c -n 1 -l -b three > out || fail "-n"
grep -qx core1 hpvmcollect_archive/three/crash.1/vmcore || fail "the other dump"
collect -c -n 3 -l -b four | grep -q '^Collecting crash dump \.* N/A$' || fail "no such dump"

collect -b one > out || fail "again"
[ "$(ls -d hpvmcollect_archive/one.tar.gz* | wc -l)" = 2 ] || fail "the old one was lost"
collect -b one -f > out || fail "-f"
[ "$(ls -d hpvmcollect_archive/one.tar.gz* | wc -l)" = 2 ] || fail "the old one was kept"
mkdir elsewhere
collect -d elsewhere > out || fail "-d"
ls elsewhere/hpvmcollect_archive |
    grep -qE '^.+_[A-Z][a-z]{2}\.[0-9]{2}\.[0-9]{2}_[0-9]{6}[A-Z0-9+-]+\.tar\.gz$' || fail "its name"
collect -b five -s support > out || fail "-s"
[ -e away/five.tar.gz ] || fail "not copied"
collect -b six -s nowhere > out && fail "a copy that failed"
grep -q '^Remote copying the archive \.* N/A$' out || fail "N/A"

refused "Invalid option '-x'" -x
refused "Option '-b' needs a value" -b
refused "Option '-c' is repeated" -c -c
refused "Option '-n' needs '-c'" -n 1
refused "Invalid label '../x'" -b ../x
refused "Invalid host '-oX'" -s -oX
refused "Unexpected argument 'x'" x
refused "no directory can be made" -d /dev/null
collect -h | grep -q usage || fail "-h"
exit $failed
