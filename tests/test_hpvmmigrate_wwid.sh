#!/bin/sh
# hpvmmigrate and the unique identifiers of block devices: in a mount name space where two devices of
# this computer have identifiers made for it. Both "hosts" are states here, so the same name is the
# same device, and a device without an identifier, or with another one, is refused.
if [ "$1" != inside ]; then
    command -v unshare > /dev/null && unshare -rm true 2> /dev/null ||
        { echo "skipped: no user and mount name spaces here"; exit 77; }
    exec unshare -rm sh "$0" inside
fi
bin=$(dirname "${KITTSON:?}")
PATH=$bin:$PATH
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
HPVM_RUNTIME=$work/run HPVM_CONF=$work/hpvmconf HPVM_SSH=$work/ssh
export HPVM_RUNTIME HPVM_CONF HPVM_SSH work
: > "$HPVM_CONF"
failed=0
fail() { echo "FAILED: $*"; failed=1; }

cat > "$work/ssh" <<'S'
#!/bin/sh
while [ $# -gt 2 ]; do shift; done
HPVM_ROOT=$work/$1 exec sh -c "exec $2"
S
chmod +x "$work/ssh"

# Three block devices with a directory of their own in /sys.
set --
for device in /dev/*; do
    [ -b "$device" ] && [ $# -lt 3 ] || continue
    number=$(stat -c '%Hr:%Lr' "$device")
    [ -d "/sys/dev/block/$number" ] && [ ! -e "/sys/dev/block/$number/partition" ] &&
        set -- "$@" "$device"
done
[ $# = 3 ] || { echo "skipped: not three block devices here"; exit 77; }

identify() { # DEVICE IDENTIFIER: what /sys says about it; none: nothing
    mkdir "$work/sys$2"
    [ "$2" = none ] || echo "naa.$2" > "$work/sys$2/wwid"
    mount --bind "$work/sys$2" "$(readlink -f "/sys/dev/block/$(stat -c '%Hr:%Lr' "$1")")" ||
        { echo "skipped: /sys cannot be replaced here"; exit 77; }
}
identify "$1" 600508b1001c0001
identify "$2" 600508B1001C0002
identify "$3" none

hosta() { HPVM_ROOT=$work/hosta "$@"; }
refused() { # OPTION...
    hosta hpvmmigrate -P vm1 -h hostb "$@" > "$work/out" 2> "$work/err" && fail "accepted: $*"
    grep -qx 'hpvmmigrate: Device WWID does not match.' "$work/err" ||
        { fail "$*"; cat "$work/err"; }
}

hosta hpvmcreate -F -P vm1 -r 512 -a "disk:scsi:0,0,0:disk:$1"
refused -m "disk:scsi:0,0,0:disk:$2"
refused -m "disk:scsi:0,0,0:disk:$3"
hosta hpvmmodify -F -P vm1 -m "disk:scsi:0,0,0:disk:$3"
refused
refused -m "disk:scsi:0,0,0:disk:$1"
hosta hpvmmodify -F -P vm1 -m "disk:scsi:0,0,0:disk:$2"
# It may be refused for other reasons: these devices may be empty, or not be for us to open.
hosta hpvmmigrate -P vm1 -h hostb -s 2> "$work/err" || grep -q 'error - Conf' "$work/err" ||
    fail "the same device"
grep WWID "$work/err" && fail "the same device has another identifier"
hosta hpvmmigrate -P vm1 -h hostb -F -m "disk:scsi:0,0,0:disk:$3" > "$work/out" || fail "-F"
grep -q 'Device WWID does not match' "$work/hostb/common/command.log" || fail "no word in the log"
HPVM_ROOT=$work/hostb hpvmstatus -P vm1 -d | grep -q "disk:scsi:0,0,0:disk:$3" || fail "not there"
exit $failed
