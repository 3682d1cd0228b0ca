#!/bin/sh
# The manuals' complete block of warnings and their listing of the host, byte for byte, from the
# programs themselves: in a mount name space with devices, mounts and figures made for it.
if [ "$1" != inside ]; then
    command -v unshare > /dev/null && unshare -rm true 2> /dev/null ||
        { echo "skipped: no user and mount name spaces here"; exit 77; }
    exec unshare -rm sh "$0" inside
fi
bin=$(dirname "${KITTSON:?}")
golden=$KITTSON_SOURCE/tests/hpvm
PATH=$bin:$PATH
work=$(mktemp -d) || exit 1
HPVM_ROOT=$work/state HPVM_RUNTIME=$work/run HPVM_CONF=$work/hpvmconf
export HPVM_ROOT HPVM_RUNTIME HPVM_CONF
trap 'hpvmnet -h -Q -S hostnet > "$work/out" 2>&1; umount "$work/disk"; rm -rf "$work"' EXIT
: > "$HPVM_CONF"

fail() { echo "FAILED: $*"; : > "$work/failed"; } # a file: also from the parts of pipelines
replace() { # FILE: standard input is what this name space sees there
    cat > "$work/$(basename "$1")" && mount --bind "$work/$(basename "$1")" "$1" ||
        { echo "skipped: $1 cannot be replaced here"; exit 77; }
}
same() { diff -u "$golden/$1" - || fail "$1"; }

host() {
    replace /proc/meminfo <<END
MemTotal:        6279168 kB
MemAvailable:    2618368 kB
CommitLimit:     1577984 kB
Committed_AS:          0 kB
END
    replace /proc/cpuinfo <<END
cpu MHz : 900.000
END
    replace /sys/devices/system/cpu/online <<END
0-1
END
}

devices() {
    mkdir "$work/disk" "$work/run"
    mount -t tmpfs none /dev && mkdir /dev/rdsk /dev/vg00 || fail "no devices"
    for device in rdsk/c2t1d0 rdsk/c3t1d0 vg00/rswap null; do : > /dev/$device; done
    mount -t tmpfs /dev/vg00/rswap "$work/disk" || fail "no file system of the host"
}

guests() {
    hpvmnet -c -S hostnet > "$work/out" || fail hostnet
    hpvmnet -b -S hostnet > "$work/out" || fail "hostnet is not booted"
    hpvmnet -c -S offnet > "$work/out" || fail offnet
    hpvmcreate -F -P other -a disk:scsi::disk:/dev/rdsk/c2t1d0 \
        -a disk:scsi::disk:/dev/rdsk/c3t1d0 -a network:lan:0,1,0x02000000000a:vswitch:hostnet
    hpvmcreate -F -P myguest3 -c 5 -r 4G -a disk:scsi::disk:/dev/rdsk/c2t1d0 \
        -a disk:scsi::lv:/dev/vg00/rswap -a disk:scsi::disk:/dev/rdsk/c1t1d3 \
        -a disk:scsi::disk:/dev/rdsk/c3t1d0 -a network:lan:0,1,0x02000000000a:vswitch:hostnet \
        -a network:lan:0,2:vswitch:offnet -a network:lan:0,4:vswitch:badnet
}

host
hpvmstatus -s | same s6-host-900.txt
devices
guests
hpvmmodify -P myguest3 -l changed 2>&1 | same s4-warnings.txt
# At a start only guests that run are in the way; offnet was never booted and stays down.
hpvmstart -s -P myguest3 > "$work/out" 2> "$work/err" && fail "it would start"
sed -n "s/^    Warning [0-9]*//p" "$work/err" > "$work/start"
sed -n "s/^    Warning [0-9]*//p" "$golden/s4-warnings.txt" | grep -v "another guest\|MAC address" |
    diff -u - "$work/start" || fail "warnings of a start"
hpvmclone -P myguest3 -N copy 2> "$work/err" || fail "a clone with warnings"
grep -q '^These problems will prevent HPVM guest copy from booting.$' "$work/err" || fail clone

# F181, F182: whole blocks, at most 2 TB; the sentence is all that is said.
sizes() {
    printf 'hpvmstart: ERROR (odd): %s\nhpvmstart: Unable to continue.\n' \
        'Configuration error: Device does not show up in guest' > "$work/expected"
    hpvmcreate -F -P odd -r 512 -a "disk:scsi::file:$work/odd"
    hpvmcreate -F -P disc -r 512 -a "dvd:scsi::file:$work/odd"
    for size in 0 1000 2199023256064; do
        : > "$work/odd"
        truncate -s $size "$work/odd"
        hpvmstart -P odd > "$work/out" 2> "$work/err" && fail "a disk of $size bytes"
        diff -u "$work/expected" "$work/err" || fail "what is said of $size bytes"
    done
    sed 's/(odd)/(disc)/' "$work/expected" > "$work/disc"
    truncate -s 2560 "$work/odd"
    hpvmstart -s -P odd > "$work/out" || fail "2560 bytes: a disk"
    hpvmstart -s -P disc > "$work/out" 2> "$work/err" && fail "2560 bytes: no disc"
    diff -u "$work/disc" "$work/err" || fail "what is said of a disc"
    truncate -s 2199023255552 "$work/odd"
    hpvmstart -s -P odd > "$work/out" || fail "a disk of 2 TB"
    hpvmstart -s -P disc > "$work/out" || fail "a disc of 2 TB"
}
sizes
[ -e "$work/failed" ] && exit 1
echo "hpvm warnings: all fine"
