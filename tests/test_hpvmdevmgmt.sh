#!/bin/sh
# hpvmdevmgmt: the manuals' records and command lines, dependents, replaced devices, files, damaged
# databases; what the entries mean for starts. Guests "run" here by holding the lock their process
# would hold.
bin=$(dirname "${KITTSON:?}")
golden=$KITTSON_SOURCE/tests/hpvmdevmgmt
[ -e "$bin/hpvmdevmgmt" ] || { echo "no hpvm commands in $bin"; exit 1; }
PATH=$bin:$PATH
work=$(mktemp -d) || exit 1
HPVM_RUNTIME=$work/run
export HPVM_RUNTIME
holders=
trap '[ -z "$holders" ] || kill $holders 2> /dev/null; rm -rf "$work"' EXIT
failed=0

fail() { echo "FAILED: $*"; failed=1; }
new_state() { HPVM_ROOT=$work/state-$1; export HPVM_ROOT; rm -rf "$HPVM_ROOT"; }
refused() { # TEXT COMMAND...
    text=$1
    shift
    "$@" > "$work/out" 2> "$work/err" && fail "accepted: $*"
    grep -qF -e "$text" "$work/err" || { fail "$*: not '$text'"; cat "$work/err"; }
}
listed() { # FILTER: standard input is what is listed
    hpvmdevmgmt -l "$1" | sed "s,$work,WORK,g" > "$work/listed" || fail "-l $1"
    diff -u - "$work/listed" || fail "list of $1"
}
hold() { # GUEST: it runs until the end of the test
    run=$HPVM_ROOT/guests/$1/run
    printf 'state = On (OS)\npid = 24447\n' > "$run"
    sh -c 'exec 9< "$1"; flock 9; exec sleep 300' hold "$run" > /dev/null &
    holders="$holders $!"
    for i in $(seq 100); do
        flock -n -s "$run" true || return 0
        sleep 0.1
    done
    fail "no lock on $run"
}

records() {
    new_state records
    truncate -s 1M "$work/a" "$work/b"
    hpvmdevmgmt -a server:host2:attr:SERVERADDR=16.116.8.91 || fail "add server"
    hpvmdevmgmt -m server:host2:attr:SERVERID=2 || fail "server id"
    hpvmdevmgmt -a rdev:/dev/rdsk/c10t0d4 || fail "add rdev"
    hpvmcreate -F -P phantom -a "disk:scsi::file:$work/a" -a network:lan::vswitch:localnet
    hpvmcreate -F -P mirage -a "disk:scsi::file:$work/a" -a disk:scsi::disk:/dev/none
    listed all <<'L'
/dev/rdsk/c10t0d4:CONFIG=rdev,EXIST=NO,DEVTYPE=UNKNOWN,SHARE=NO::WWID_NULL
/dev/none:CONFIG=gdev,EXIST=NO,DEVTYPE=UNKNOWN,SHARE=NO:mirage:WWID_NULL
WORK/a:CONFIG=gdev,EXIST=YES,DEVTYPE=FILE,SHARE=NO:phantom,mirage:WWID_NULL
localnet:CONFIG=gdev,EXIST=YES,DEVTYPE=SWITCH,SHARE=YES:phantom:WWID_NULL
host2:CONFIG=server,EXIST=NO,DEVTYPE=UNKNOWN,SHARE=NO,SERVERADDR=16.116.8.91,SERVERID=2::WWID_NULL
L
    listed rdev <<'L'
/dev/rdsk/c10t0d4:CONFIG=rdev,EXIST=NO,DEVTYPE=UNKNOWN,SHARE=NO::WWID_NULL
L
    listed gdev:depend:mirage <<'L'
/dev/none:CONFIG=gdev,EXIST=NO,DEVTYPE=UNKNOWN,SHARE=NO:mirage:WWID_NULL
WORK/a:CONFIG=gdev,EXIST=YES,DEVTYPE=FILE,SHARE=NO:phantom,mirage:WWID_NULL
L
    for filter in gdev,SHARE=YES gdev:SHARE=YES localnet gdev:localnet; do
        listed "$filter" <<'L'
localnet:CONFIG=gdev,EXIST=YES,DEVTYPE=SWITCH,SHARE=YES:phantom:WWID_NULL
L
    done
    listed server:SERVERID=3 < /dev/null
    hpvmdevmgmt -V -l /dev/none | grep -q '^Dependents              : mirage$' || fail "-V"
    [ "$(hpvmdevmgmt -v | sed 's/(.*)//')" = 'hpvmdevmgmt: Version A.03.00 ' ] || fail "-v"
    hpvmdevmgmt -d server:host2:attr:SERVERID || fail "delete attribute"
    refused "Attribute 'SERVERID' is not set." hpvmdevmgmt -d server:host2:attr:SERVERID
    # Dependents: an entry with some stays; they can be taken off by hand; guests keep theirs.
    refused 'has dependents' hpvmdevmgmt -d "gdev:$work/a"
    hpvmdevmgmt -d "gdev:$work/a:depend:phantom" || fail "delete dependent"
    hpvmdevmgmt -d gdev:all:depend:mirage || fail "delete all dependents"
    listed "gdev:$work/a" <<'L'
WORK/a:CONFIG=gdev,EXIST=YES,DEVTYPE=FILE,SHARE=NO::WWID_NULL
L
    hpvmstatus -P mirage -d | grep -q "$work/a" || fail "the guest changed"
    hpvmdevmgmt -m "gdev:$work/a:attr:SHARE=YES"
    hpvmremove -F -P mirage
    hpvmdevmgmt -d gdev:/dev/none || fail "delete an entry"
    refused 'does not exist' hpvmdevmgmt -l /dev/none
    hpvmcreate -F -P mirage -a disk:scsi::disk:/dev/none
    listed gdev:/dev/none <<'L'
/dev/none:CONFIG=gdev,EXIST=NO,DEVTYPE=UNKNOWN,SHARE=NO:mirage:WWID_NULL
L
    grep -q 'hpvmdevmgmt -a rdev:/dev/rdsk/c10t0d4$' "$HPVM_ROOT/common/command.log" || fail log
}

replaced() {
    new_state replaced
    hpvmcreate -F -P one -a "disk:scsi::file:$work/a"
    hpvmcreate -F -P two -a "disk:scsi:0,0,3:file:$work/a"
    hpvmdevmgmt -m "gdev:$work/a:attr:SHARE=YES"
    hpvmdevmgmt -n "gdev:$work/a:$work/b" || fail "replace"
    listed "gdev:$work/b" <<'L'
WORK/b:CONFIG=gdev,EXIST=YES,DEVTYPE=FILE,SHARE=YES:one,two:WWID_NULL
L
    refused 'does not exist' hpvmdevmgmt -l "$work/a"
    hpvmstatus -P two -d | grep -q "0,3:file:$work/b" || fail "the guest has the old device"
    hold two
    refused "Guest 'two' is running." hpvmdevmgmt -n "gdev:$work/b:$work/a"
}

# What the entries mean when a guest starts. Nothing starts here: -s.
starts() {
    new_state starts
    hpvmcreate -F -P vm -r 512 -a "disk:scsi::file:$work/a" -a network:lan::vswitch:localnet
    hpvmcreate -F -P other -r 512 -a "disk:scsi::file:$work/a" -a network:lan::vswitch:localnet
    used="Device file '$work/a' in use by another guest."
    taken='on item localnet: Vswitch localnet in use by another guest.'
    hpvmstart -s -P vm > "$work/out" 2>&1
    grep -q "in use by another" "$work/out" && fail "in use by a guest that is off"
    hold other
    refused "$used" hpvmstart -s -P vm
    grep -qF "$taken" "$work/err" && fail "switches are shared"
    hpvmdevmgmt -m "gdev:$work/a:attr:SHARE=YES"
    hpvmstart -s -P vm > "$work/out" 2>&1
    grep -qF "$used" "$work/out" && fail "not shared"
    hpvmdevmgmt -m gdev:localnet:attr:SHARE=NO
    refused "$taken" hpvmstart -s -P vm
    hpvmdevmgmt -d gdev:localnet:attr:SHARE
    hpvmdevmgmt -m "gdev:$work/a:attr:SHARE=NO"
    refused "$used" hpvmstart -s -P vm
    # Restricted, by this or another name.
    ln -s "$work/a" "$work/alias"
    hpvmdevmgmt -a "rdev:$work/alias"
    refused "Device file '$work/a' is a restricted device." hpvmstart -s -P vm
    hpvmdevmgmt -d "rdev:$work/alias" || fail "delete rdev"
    hpvmstart -s -P vm 2>&1 | grep -q restricted && fail "still restricted"
    # A disc in a file is shared unless it is marked.
    hpvmcreate -F -P disc1 -r 512 -a "dvd:scsi::file:$work/b"
    hpvmcreate -F -P disc2 -r 512 -a "dvd:scsi::file:$work/b"
    hold disc2
    hpvmstart -s -P disc1 2>&1 | grep -q "in use" && fail "discs are shared"
    hpvmdevmgmt -m "gdev:$work/b:attr:SHARE=NO"
    refused "Device file '$work/b' in use by another guest." hpvmstart -s -P disc1
}

files() {
    new_state files
    hpvmdevmgmt -S 3M "$work/new" || fail "-S"
    [ "$(stat -c %s "$work/new")" = 3145728 ] || fail "size"
    cmp -s "$work/new" -n 3145728 /dev/zero || fail "not cleared"
    refused 'File exists' hpvmdevmgmt -S 3M "$work/new"
    for size in 3 3K 0M xM M -1M 99999999999G; do
        refused 'size' hpvmdevmgmt -S $size "$work/bad"
    done
    [ ! -e "$work/bad" ] || fail "left behind"
    refused 'file name' hpvmdevmgmt -S 3M
}

damaged() {
    new_state damaged
    hpvmdevmgmt -a rdev:/dev/x
    for line in noise 'x:CONFIG=rdev' 'x:CONFIG=none:' 'x:SHARE=YES:' ':CONFIG=rdev:' \
        '/dev/x:CONFIG=rdev:' 'x:CONFIG=rdev,SHARE=MAYBE:' 'x:CONFIG=gdev:../x' 'x:CONFIG=gdev,=:'; do
        cp "$HPVM_ROOT/common/hpvm_mgmtdb" "$work/good"
        echo "$line" >> "$HPVM_ROOT/common/hpvm_mgmtdb"
        refused 'common/hpvm_mgmtdb is damaged in line 6.' hpvmdevmgmt -l all
        refused 'common/hpvm_mgmtdb is damaged in line 6.' hpvmdevmgmt -a rdev:/dev/y
        hpvmcreate -s -P g 2>&1 | grep -q 'Warning 1: common/hpvm_mgmtdb is damaged' ||
            fail "no warning"
        cp "$work/good" "$HPVM_ROOT/common/hpvm_mgmtdb"
    done
    hpvmdevmgmt -l rdev > /dev/null || fail "not repaired"
}

# expected status | guest's devices and options; - for no guest | entries added before | command
command_lines() {
    while IFS='|' read -r expected guest before line; do
        case $expected in '#'*) continue ;; esac
        new_state lines
        [ "$guest" = - ] || hpvmcreate -F $guest
        for entry in $before; do hpvmdevmgmt -a "$entry" || fail "add $entry"; done
        $line > "$work/out" 2> "$work/err"
        status=$?
        [ "$status" = "$expected" ] || { fail "$line: $status"; cat "$work/err"; }
        [ "$expected" = 0 ] || grep -q "^hpvmdevmgmt: " "$work/err" || fail "$line: no message"
    done < "$golden/commands.txt"
}

records
replaced
starts
files
damaged
command_lines
hpvmdevmgmt --help | grep -q 'man hpvmdevmgmt' || fail help
[ $failed = 0 ] && echo "hpvmdevmgmt: all fine"
exit $failed
