#!/bin/sh
# The hpvm commands that need no running guest: the manuals' listings byte for byte, their command
# lines, damaged files, commands at once, killed commands. Guests "run" here by holding the lock
# their process would hold.
bin=$(dirname "${KITTSON:?}")
golden=$KITTSON_SOURCE/tests/hpvm
[ -e "$bin/hpvmstatus" ] || { echo "no hpvm commands in $bin"; exit 1; }
PATH=$bin:$PATH
work=$(mktemp -d) || exit 1
holders=
trap 'kill $holders 2>/dev/null; rm -rf "$work"' EXIT

fail() { echo "FAILED: $*"; : > "$work/failed"; } # a file: also from the parts of pipelines
new_state() { HPVM_ROOT=$work/$1; export HPVM_ROOT; rm -rf "$HPVM_ROOT"; }
same() { # FILE: standard input is what was printed
    diff -u "$golden/$1" - || fail "$1"
}
next_number() { echo "$1" > "$HPVM_ROOT/common/next_number"; }
config() { ls -d "$HPVM_ROOT/guests/$1/vmm_config.current"; }
hold() { # GUEST STATE: it runs until the end of the test or until stop_guest
    run=$HPVM_ROOT/guests/$1/run
    printf 'state = %s\npid = 24447\n' "$2" > "$run"
    sh -c 'exec 9< "$1"; flock 9; exec sleep 300' hold "$run" &
    holder=$!
    holders="$holders $holder"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        flock -n -s "$run" true || return 0
        sleep 0.1
    done
    fail "no lock on $run"
}
disks() { # COUNT NAME: that many -a options
    i=0
    while [ "$i" -lt "$1" ]; do printf ' -a disk:scsi::file:/%s%d' "$2" "$i"; i=$((i + 1)); done
}

summaries() {
    new_state summary
    hpvmstatus 2>&1 | same empty.txt
    hpvmcreate -F -P config1 -O hpux -r 512 $(disks 5 a) -a network:lan::vswitch:localnet
    hpvmcreate -F -P config2 -O HP-UX -r 1G $(disks 7 b) -a network:lan::vswitch:localnet
    next_number 5
    hpvmcreate -F -P winguest1 -O windows -r 1G $(disks 5 c) -a network:lan::vswitch:localnet
    next_number 9
    hpvmcreate -F -P winguest2 -O Windows $(disks 3 d) -a network:lan::vswitch:localnet
    next_number 12
    hpvmcreate -F -P compass1 || fail "create compass1"
    hold winguest1 'On (OS)'
    hpvmstatus | same s1-summary.txt
    hold compass1 'On (EFI)'
    hpvmstatus | same s1-started.txt
    kill -9 "$holder"
    wait "$holder" 2>/dev/null
    hpvmstatus | same s1-summary.txt # its process crashed: seen at once
    new_state chip
    hpvmcreate -F -P chip -O hpux -c 2 -r 3G $(disks 1 a) -a network:lan::vswitch:localnet
    next_number 5
    hpvmcreate -F -P dale -O hpux -c 2 -r 3G $(disks 1 b) -a network:lan::vswitch:localnet
    hold chip 'On (OS)'
    hold dale 'On (OS)'
    hpvmstatus | same s1-chip.txt
    long=$(printf 'n%.0s' $(seq 255))
    hpvmcreate -F -P "$long" || fail "a name of 255"
    hpvmstatus | grep -q '^nnnnnnnnnnnnnnnnnnnn     6 UNKNOWN' || fail "name cut to 20"
    hpvmcreate -F -P "n$long" 2>/dev/null && fail "a name of 256"
}

details() {
    new_state details
    hpvmcreate -F -P config2 -O hpux -x ram_dyn_type=driver -x ram_dyn_min=1024 \
        -x ram_dyn_target_start=2039 -a disk:scsi:0,1,0:disk:/dev/rdsk/c3t2d0 \
        -a network:lan:0,0,f6-92-cf-35-86-78:vswitch:vswitch1
    hold config2 'On (OS)'
    hpvmstatus -P config2 | same details-config2.txt
    hpvmstatus -V -p 1 | grep -q '^Ioscan format           : 0/0/1/0.0.0$' || fail ioscan
    hpvmstatus -V -p 1 | grep -q '^Running on pid          : 24447$' || fail pid
    hpvmstatus -V | grep -q '^NOTE: Dynamic data unavailable, configured values only$' || fail note
    # A running guest keeps its configuration; the change waits.
    hpvmmodify -F -P config2 -c 2 || fail "modify a running guest"
    hpvmstatus -M | grep -q '^config2:1:HPUX:On (OS):1:1:1:2 GB:0$' || fail "active"
    hpvmstatus -D -P config2 -M | grep -q '^config2:1:HPUX:On (OS):2:' || fail "deferred"
    [ -e "$HPVM_ROOT/guests/config2/vmm_config.next" ] || fail vmm_config.next
    hpvmremove -F -P config2 2>"$work/err" && fail "running guest removed"
    printf '%s\n' 'hpvmremove: The guest is currently running, not able to remove.' \
        'hpvmremove: Unable to continue.' | diff - "$work/err" || fail "remove message"
    new_state devices
    hpvmcreate -F -P hpvm0014 -a disk:scsi:0,0,1:lv:/dev/vg01/rlv2 \
        -a network:lan:0,1,0x56A3E9D74099:vswitch:myswitch
    hpvmstatus -P hpvm0014 -d | same devices.txt
    hpvmcreate -F -P myvmm -a disk:scsi:0,1,0:disk:/dev/rdsk/c7t0d0 \
        -a disk:scsi:0,1,1:disk:/dev/rdsk/c3t2d0 -a disk:scsi:0,1,2:disk:/dev/rdsk/c9t0d0
    hpvmstatus -P myvmm | grep '^disk' | same s2-before.txt
    hpvmmodify -F -P myvmm -m disk:scsi:0,1,1:lv:/dev/lvrackA/rdisk2
    hpvmstatus -P myvmm | grep '^disk' | same s2-modified.txt
    hpvmmodify -F -P myvmm -m disk:scsi:0,1,1:disk:/dev/rdsk/c3t2d0
    hpvmmodify -F -P myvmm -d disk:scsi::disk:/dev/rdsk/c3t2d0
    hpvmstatus -P myvmm | grep '^disk' | same s2-deleted.txt
    hpvmcreate -F -P vmwin0 -a disk:scsi::file:/hpvm/VHD/vmwin0/vhd0 \
        -a dvd:scsi::file:/ISO/MS_Ent_Ed_wSP1.iso
    hpvmstatus -P vmwin0 | grep scsi | same s2-vmwin0.txt
    hpvmcreate -F -P vm1 -a network:lan:0,1,de-19-57-23-74-bd:vswitch:localnet \
        -a network:lan:0,2,7a-fb-4e-68-4f-5f:vswitch:localnet \
        -a network:lan:0,4,16-e8-c6-fa-b5-bc:vswitch:vmlan4 \
        -a network:lan:0,5,fa-18-82-9f-1a-95:vswitch:vmlan4 \
        -a network:lan:0,6,86-81-0b-6d-52-36:vswitch:vmlan900 \
        -a network:lan:0,7,6a-b9-cf-06-02-94:vswitch:vmlan900
    hpvmstatus -P vm1 | grep -e '^Interface Ad' -e '^========= =' -e '^vswitch' |
        same s2-network.txt
    hpvmclone -F -P vm1 -N vmclone1 -S
    hpvmstatus -P vmclone1 | grep -q '^vswitch   lan        vmlan4     2 .*fa-18' &&
        fail "the clone has the same MAC"
    hpvmstatus -P vmclone1 | grep -q '^vswitch   lan        vmlan4     2 ' || fail "clone -S"
    hpvmclone -F -P vm1 -N vmclone2
    hpvmstatus -P vmclone2 | grep -q '^vswitch   lan        vmlan4     3 ' || fail "clone ports"
}

command_lines() {
    while IFS='|' read -r expected before line; do
        case $expected in '#'*) continue ;; esac
        new_state lines
        [ "$before" = - ] || hpvmcreate -F $before || fail "hpvmcreate $before"
        $line > "$work/out" 2> "$work/err"
        status=$?
        [ "$status" = "$expected" ] || { fail "$line: $status"; cat "$work/err"; }
        [ "$expected" = 0 ] || grep -q "^${line%% *}: " "$work/err" || fail "$line: no message"
    done < "$golden/commands.txt"
}

prompt() {
    new_state prompt
    hpvmcreate -P compass1
    [ "$(echo | hpvmremove -P compass1)" = \
        "hpvmremove: Remove the virtual machine 'compass1'? [n/y]: " ] || fail prompt
    hpvmstatus -P compass1 > /dev/null || fail "removed without a yes"
    echo y | hpvmremove -P compass1 > /dev/null
    hpvmstatus 2>&1 | same empty.txt
    hpvmcreate -s -P compass1 || fail "create -s"
    hpvmstatus > /dev/null 2>&1 && fail "create -s created"
}

shows() { # PATTERN: a line of hpvmstatus -V -P vm
    hpvmstatus -V -P vm > "$work/out"
    grep -q "^$1\$" "$work/out" || fail "not shown: $1"
}

options() {
    new_state options
    hpvmcreate -P vm 2> "$work/err"
    shows 'Percent Entitlement     : 10.0%'
    shows 'Start type              : Auto'
    shows 'Total memory            : 2 GB'
    hpvmmodify -F -P vm -e 0 -B MANUAL -O HP-UX:B.11.23 -l 'a label' -R 96 -i SG_compass1,gWLM -j 1 \
        -u ann -u bob:admin -g ops:oper -g +wheel:admin -r 1536
    shows 'Percent Entitlement     : 5.0%'
    shows 'Start type              : Manual'
    shows 'OS Version Number       : B.11.23'
    shows 'Virtual Machine Label   : a label'
    shows 'Reserved memory         : 96 MB'
    shows 'Application controllers : SG_compass1,gWLM'
    shows 'Distributed             : 1'
    shows 'Total memory            : 1536 MB'
    shows 'Oper Users: ann'
    shows 'Admin Users: bob'
    shows 'Oper Groups: ops'
    shows 'Admin Groups: wheel'
    hpvmmodify -F -P vm -u -ann -g -ops
    shows 'Oper Users:'
    shows 'Oper Groups:'
    hpvmcreate -P warned -a network:lan::vswitch:missing 2> "$work/err"
    tail -1 "$work/err" | grep -q '^hpvmcreate: The creation process is continuing.$' || fail F047
    hpvmmodify -P vm -x ram_target=2048M 2> "$work/err"
    printf '%s\n' 'hpvmmodify: ERROR (vm): Query to dynamic memory driver failed:'\
' Function is not available.' 'hpvmmodify: Failed to set ram_target.' \
        'hpvmmodify: Unable to modify the guest.' | diff - "$work/err" || fail ram_target
    hold vm 'On (ATTN!)'
    hpvmstatus | grep -q ' On (ATTN!) ' || fail ATTN
    hpvmclone -F -P vm -N copy -x serial_number=same || fail "clone of a running guest"
    [ "$(hpvmstatus -V | grep 'Serial' | sort -u | wc -l)" = 2 ] || fail "serial numbers"
    hpvmclone -F -P warned -N copy2 -x mac_address=same
    [ "$(hpvmstatus -X | grep -o '0x[0-9A-F]*' | sort -u | wc -l)" = 1 ] || fail "same MAC"
    hpvmstatus -v | head -1 | grep -q 'Version A.03.00' || fail version
    hpvmstatus -e -P vm | grep -q -- '-u -ann' || fail "event log"
    hpvmstatus -e | grep -q 'hpvmclone -F -P vm -N copy' || fail "command log"
    hpvmstatus -S | grep -q 'NORMAL mode' || fail scheduler
    hpvmstatus -m | grep -q '^No HPVM multi-server environment configured$' || fail -m
}

damaged() {
    new_state damaged
    for name in one two three four; do hpvmcreate -P $name; done
    echo garbage > "$(config two)"
    head -c 100000 /dev/urandom > "$(config three)"
    rm "$(config four)"
    ln -s /dev/zero "$HPVM_ROOT/guests/four/vmm_config.current"
    hpvmstatus > "$work/out" || fail "status with damaged files"
    [ "$(grep -c 'UNKNOWN Invalid' "$work/out")" = 3 ] || { fail "damaged"; cat "$work/out"; }
    grep -q '^one                      1 UNKNOWN Off' "$work/out" || fail "damaged hides others"
    hpvmstatus -P two 2>&1 | grep -q '^hpvmstatus: ERROR (two): The configuration is damaged' ||
        fail "damaged message"
    hpvmmodify -P two -c 2 2> /dev/null && fail "damaged modified"
    hpvmstatus -X > /dev/null && hpvmstatus -V > /dev/null && hpvmstatus -M > /dev/null ||
        fail "other forms"
    for name in two three four; do hpvmremove -F -P $name || fail "remove damaged $name"; done
    [ "$(ls "$HPVM_ROOT/uuids" | wc -l)" = 1 ] || fail "damaged guests left something"
}

at_once() {
    new_state parallel
    pids=
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        hpvmcreate -F -P "guest$i" -a network:lan::vswitch:localnet & pids="$pids $!"
        hpvmcreate -F -P same 2> /dev/null & pids="$pids $!"
        hpvmstatus > /dev/null 2>&1 & pids="$pids $!"
    done
    for pid in $pids; do wait "$pid"; done
    [ "$(hpvmstatus -M | wc -l)" = 17 ] || fail "guests lost"
    [ "$(hpvmstatus -M | cut -d: -f2 | sort -u | wc -l)" = 17 ] || fail "numbers twice"
    [ "$(hpvmstatus -X | grep -o '0x[0-9A-F]*' | sort -u | wc -l)" = 16 ] || fail "MACs twice"
    for i in $(seq 40); do
        hpvmmodify -F -P guest1 -l "label$i" &
        victim=$!
        hpvmcreate -F -P "new$i" &
        sleep "0.00$((i % 10))"
        kill -9 $victim $! 2> /dev/null
        wait $victim $! 2> /dev/null
        hpvmstatus -P guest1 > /dev/null || fail "guest1 after a kill"
    done
    hpvmstatus | grep -q Invalid && fail "a damaged guest after kills"
    hpvmmodify -F -P guest1 -l end || fail "modify after kills"
    find "$HPVM_ROOT" -name '*~*' -o -name '.new-*' -o -name '.old-*' | grep . && fail leftovers
    [ "$(ls "$HPVM_ROOT/guests" | wc -l)" = "$(ls "$HPVM_ROOT/uuids" | wc -l)" ] || fail links
}

summaries
details
command_lines
prompt
options
damaged
at_once 2> /dev/null
[ -e "$work/failed" ] && exit 1
echo "hpvm: all fine"
