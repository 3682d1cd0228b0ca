#!/bin/sh
# Rows of the hpvm checklist that no other test shows: labels, cycles, limits, application
# controllers, overrides of a clone, the forms of hpvmstatus. Guests "run" by a held lock.
bin=$(dirname "${KITTSON:?}")
golden=$KITTSON_SOURCE/tests/hpvm
PATH=$bin:$PATH
work=$(mktemp -d) || exit 1
holders=
trap 'kill $holders 2>/dev/null; rm -rf "$work"' EXIT
HPVM_ROOT=$work/state HPVM_CONF=$work/hpvmconf
export HPVM_ROOT HPVM_CONF
: > "$HPVM_CONF"

fail() { echo "FAILED: $*"; : > "$work/failed"; } # a file: also from the parts of pipelines
shows() { # GUEST PATTERN...: lines of hpvmstatus -V
    hpvmstatus -V -P "$1" > "$work/out" || fail "status of $1"
    guest=$1
    shift
    for pattern; do
        grep -q "^$pattern\$" "$work/out" || { fail "$guest does not show: $pattern"; cat "$work/out"; }
    done
}
refused() { # MESSAGE COMMAND...
    message=$1
    shift
    "$@" > /dev/null 2> "$work/err" && fail "accepted: $*"
    grep -qF "$message" "$work/err" || { fail "$*"; cat "$work/err"; }
}
same() { diff -u "$golden/$1" - || fail "$1"; }
hold() { # GUEST STATE: it runs until the end of the test
    run=$HPVM_ROOT/guests/$1/run
    printf 'state = %s\npid = 24447\n' "$2" > "$run"
    sh -c 'exec 9< "$1"; flock 9; exec sleep 300' hold "$run" &
    holders="$holders $!"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        flock -n -s "$run" true || return 0
        sleep 0.1
    done
    fail "no lock on $run"
}

labels() { # F011
    longest=$(printf 'l%.0s' $(seq 256))
    hpvmcreate -F -P label -l 'a label with blanks' || fail "label with blanks"
    shows label 'Virtual Machine Label   : a label with blanks'
    hpvmmodify -F -P label -l "$longest" || fail "label of 256"
    shows label "Virtual Machine Label   : $longest"
    refused "Invalid label" hpvmmodify -F -P label -l "l$longest"
    refused "Invalid label" hpvmmodify -F -P label -l 'say "this"'
    shows label "Virtual Machine Label   : $longest"
}

reserved_group() { # F300
    hpvmcreate -F -P group || fail "create"
    refused "Reserved group 'hpvmsys" hpvmmodify -F -P group -g hpvmsys
    refused "Reserved group 'hpvmsys" hpvmmodify -F -P group -g hpvmsys:admin
    refused "Reserved group 'hpvmsys" hpvmcreate -F -P another -g hpvmsys
    hpvmmodify -F -P group -g hpvmsystem:admin || fail "a group with a longer name"
    shows group 'Admin Groups: hpvmsystem'
    hpvmmodify -F -P group -g -hpvmsys || fail "taking out a group that is not there"
}

servers() { # F320: the manual's two servers, whose second has an identifier of its own (C19)
    HPVM_ROOT=$work/servers
    own=$(uname -n)
    [ "$(hpvmstatus -m)" = 'No HPVM multi-server environment configured' ] || fail "no servers"
    for server in "$own:1:1.2.3.4" cloud:2:1.3.5.7; do
        name=${server%%:*} rest=${server#*:}
        hpvmdevmgmt -a "server:$name:attr:SERVERID=${rest%%:*}" || fail "server $name"
        hpvmdevmgmt -m "server:$name:attr:SERVERADDR=${rest#*:}" || fail "address of $name"
    done
    hpvmstatus -m | sed "s/^Server_hostname=$own\$/Server_hostname=rake/" | same rows-servers.txt
    [ "$(hpvmstatus -m -M)" = "1:1;1;1.2.3.4;$own:2;0;1.3.5.7;cloud" ] || fail "-m -M"
    hpvmstatus -m -X | python3 -c 'import sys, xml.dom.minidom as m
d = m.parse(sys.stdin)
sys.exit(len(d.getElementsByTagName("server")) != 2)' || fail "-m -X is not XML"
    HPVM_ROOT=$work/state
}

processors() { # F030, F032, F025
    for count in 1 2 3 4; do
        hpvmcreate -F -P "cpu$count" -c $count || fail "-c $count"
        shows "cpu$count" "Number Virtual CPUs     : $count"
    done
    hpvmcreate -P cpu5 -c 5 2> "$work/err"
    grep -q 'Warning 1: Guest needs more vcpus than server supports.$' "$work/err" || fail "-c 5"
    echo 'MAXVCPUS=8' > "$HPVM_CONF"
    hpvmmodify -F -P cpu4 -c 8
    shows cpu4 'Number Virtual CPUs     : 8'
    hpvmcreate -P cpu6 -c 6 2> "$work/err"
    grep -q 'more vcpus than server supports' "$work/err" && fail "MAXVCPUS"
    : > "$HPVM_CONF"
    hpvmcreate -F -P mhz -E 1000
    hpvmcreate -F -P mega -E 1000M
    hpvmcreate -F -P giga -E 1G
    for guest in mhz mega giga; do
        hpvmstatus -V -P $guest | grep '^Percent Entitlement' > "$work/$guest"
        grep -Eq ': [0-9]+\.[0-9]%$' "$work/$guest" || fail "-E of $guest"
    done
    cmp -s "$work/mhz" "$work/mega" || fail "-E 1000 is not -E 1000M"
    cmp -s "$work/mega" "$work/giga" || fail "-E 1000M is not -E 1G"
    # 1000 MHz of the host's clock, cut, not rounded (F124)
    clock=$(hpvmstatus -s | sed -n 's/^Processor speed = \([0-9]*\) Mhz$/\1/p')
    share=$((1000000 / clock))
    [ "$clock" -le 1000 ] || shows mhz "Percent Entitlement     : $((share / 10)).$((share % 10))%"
    hpvmmodify -F -P mhz -e 33
    shows mhz 'Percent Entitlement     : 33.0%'
    refused "ycle" hpvmmodify -F -P mhz -E 10X
}

attributes() { # F040 to F042, F127, F128
    hpvmcreate -F -P attr -i gWLM -j 1 -r 4G -x ram_dyn_type=any -x ram_dyn_min=1G \
        -x ram_dyn_max=3G -x ram_dyn_target_start=2G -x dynamic_memory_control=1 || fail attr
    shows attr 'Application controllers : gWLM' 'Distributed             : 1' \
        'Type                    : any' 'Minimum memory          : 1024 MB' \
        'Target memory           : 2048 MB' 'Maximum memory          : 3072 MB' \
        'EFI location            : built in' 'Pattern File location   : built in' \
        'Running on serverid     : 0' 'Running on pid          : 0'
    hpvmmodify -F -P attr -i NONE -j 0 -x ram_dyn_type=none
    shows attr 'Application controllers : NONE' 'Distributed             : 0'
    grep -q 'Dynamic Memory' "$work/out" && fail "dynamic memory of a guest without"
    refused "Invalid application controller 'HP'" hpvmmodify -F -P attr -i HP
    refused "Invalid distributed attribute '2'" hpvmmodify -F -P attr -j 2
    refused "Invalid keyword 'ram'" hpvmmodify -F -P attr -x ram=1
    refused "" hpvmmodify -F -P attr -x dynamic_memory_control=2
}

ranges() { # F274
    between='ram_dyn_target_start must lie between ram_dyn_min and ram_dyn_max.'
    minimum='ram_dyn_min must lie between 512 MB and ram_dyn_max.'
    while IFS='|' read -r message settings; do
        set --
        for setting in $settings; do set -- "$@" -x "ram_dyn_$setting"; done
        refused "$message" hpvmcreate -F -P ranges -x ram_dyn_type=any "$@"
    done <<END
$between|min=1G target_start=512M
$between|max=1G target_start=2G
$minimum|min=2G max=1G
$minimum|min=10M
Invalid ram_dyn_type 'some'.|type=some
END
    hpvmstatus -P ranges > "$work/out" 2>&1 && fail "a guest with a range that was refused"
}

dynamic() { # F278: S.5, a guest whose driver does not answer
    hpvmcreate -F -P dynamic -r 3G -x ram_dyn_type=driver -x ram_dyn_min=1G \
        -x ram_dyn_target_start=2G -x ram_dyn_max=3G || fail dynamic
    hpvmstatus -V -P dynamic | sed -n '/^\[Dynamic/,/^$/p' > "$work/out"
    diff -u - "$work/out" <<'END' || fail "dynamic memory of a guest without a driver"
[Dynamic Memory Information]
NOTE: Dynamic data unavailable, configured values only
Type                    : driver
Minimum memory          : 1024 MB
Target memory           : 2048 MB
Maximum memory          : 3072 MB

END
}

crowd() { # F197
    set --
    for n in $(seq 256); do set -- "$@" -a "disk:avio_stor::disk:/dev/rdisk/disk$n"; done
    hpvmcreate -F -P crowd "$@" || fail "256 devices in a command"
    [ "$(hpvmstatus -d -P crowd | grep -c '^disk:avio_stor:')" = 256 ] || fail "256 devices"
    hpvmstatus | grep -q '^crowd  *[0-9]* UNKNOWN Off  *1  *256 ' || fail "#Devs of 256"
    refused "A guest has at most 256 avio_stor devices." \
        hpvmmodify -F -P crowd -a disk:avio_stor::disk:/dev/rdisk/disk257
    refused "A guest has at most 256 avio_stor devices." \
        hpvmcreate -F -P crowd2 "$@" -a disk:avio_stor::disk:/dev/rdisk/disk257
    hpvmremove -F -P crowd
}

modifies() { # F054, F056, F064
    hpvmcreate -F -P nic -a network:lan:0,2,0x02000000000b:vswitch:other
    hpvmmodify -F -P nic -m network:lan:0,2:vswitch:mine || fail "another switch"
    hpvmstatus -P nic -d | grep -qx 'network:lan:0,2,0x02000000000B:vswitch:mine' || fail "the MAC"
    hpvmcreate -F -P change -a disk:scsi:0,5,0:file:/f
    hpvmmodify -F -P change -c 2 -e 40 -r 3G -O windows -B manual -l changed || fail change
    shows change 'Number Virtual CPUs     : 2' 'Percent Entitlement     : 40.0%' \
        'Total memory            : 3 GB' 'Operating System        : WINDOWS' \
        'Start type              : Manual' 'Virtual Machine Label   : changed'
    hpvmmodify -F -P change -m hba:avio_stor:0,5 || fail "to AVIO"
    shows change 'Guest Adaptor type      : avio_stor' 'Physical Device         : /f'
    hpvmmodify -F -P change -m hba:scsi:0,5 || fail "from AVIO"
    shows change 'Guest Adaptor type      : scsi'
}

clones() { # F072, F073, F104, S.1
    hpvmcreate -F -P compass2 -r 1G -a disk:scsi:0,0,0:file:/f \
        -a network:lan:0,1,0x020000000001:vswitch:localnet -l old -u ann
    hpvmclone -P compass2 -N other -c 1 -r 3G -e 25 -l new -B manual -O hpux -u bob:admin -g ops \
        -d network:lan:0,1 -a disk:scsi:0,0,3:file:/g -m disk:scsi:0,0,0:file:/h \
        -x ram_dyn_type=any 2> "$work/err" || fail "clone with overrides"
    shows other 'Number Virtual CPUs     : 1' 'Total memory            : 3 GB' \
        'Percent Entitlement     : 25.0%' 'Virtual Machine Label   : new' \
        'Start type              : Manual' 'Operating System        : HPUX' 'Admin Users: bob' \
        'Oper Groups: ops' 'Oper Users: ann' 'Physical Device         : /g' \
        'Physical Device         : /h' 'Type                    : any'
    grep -q 'Guest Adaptor type      : lan' "$work/out" && fail "the adapter was not taken out"
    grep -q ' on item /g backing device does not exist.$' "$work/err" || fail "warnings of a clone"
    shows compass2 'Virtual Machine Label   : old' 'Total memory            : 1 GB'
}

removes() { # F077
    echo precious > "$work/disk"
    hpvmcreate -F -P gone -a "disk:scsi::file:$work/disk"
    hpvmremove -F -P gone || fail hpvmremove
    [ "$(cat "$work/disk")" = precious ] || fail "the disk was removed, too"
}

fixed() { # the listings of one guest, without what differs from host to host
    sed -e 's/[0-9a-f]\{8\}-[-0-9a-f]\{27\}/UUID/' -e 's/VM[0-9]\{8\}/VM00000000/' \
        -e '/^VM.s Config Label/d' -e '/^Maximum Virtual CPUs/d' \
        -e 's/config_label="[^"]*"//'
}

forms() { # F021, F022, F112, F113, F118, F119, F121
    HPVM_ROOT=$work/forms
    hpvmcreate -F -P vm -c 2 -e 12 -r 1536 -O linux:6.1 -l label -u ann:admin -g ops \
        -a disk:scsi:0,0,0:file:/f -a dvd:scsi:0,0,1:null:/discs \
        -a network:lan:0,1,0x020000000001:vswitch:localnet
    hpvmstatus -V -P vm | fixed | same rows-verbose.txt
    grep -vE '^$|^\[|^(Oper|Admin) |^NOTE' "$golden/rows-verbose.txt" | grep -qvE '^.{24}: |^.{24}:$' &&
        fail "a label that is not 24 wide"
    [ "$(hpvmstatus -M -P vm)" = \
        'vm:1:LINUX:Off:2:2:1:1536 MB:0:2;12.0%;100.0%:1536 MB;64 MB:disk;scsi;0;0;0;0;0;file;/f,dvd;scsi;0;0;0;1;0;null;/discs:vswitch;lan;localnet;1;0;1;0;02-00-00-00-00-01' ] ||
        { fail "-M"; hpvmstatus -M -P vm; }
    hpvmstatus -P vm -d | same rows-devices.txt
    hpvmcreate -F -P other
    [ "$(hpvmstatus -V | grep -c '^Virtual Machine Name    : ')" = 2 ] || fail "-V of all guests"
    hpvmstatus -X > "$work/xml"
    python3 -c 'import sys, xml.dom.minidom as m
d = m.parse(sys.argv[1])
sys.exit(len(d.getElementsByTagName("virtual_machine")) != 2)' "$work/xml" || fail "-X is not XML"
    hpvmstatus -s | sed 's/[0-9][0-9]*/N/g' | uniq > "$work/host"
    for line in '\[HPVM Server System Resources\]' 'Processor speed = N Mhz' \
        'Total physical memory = N Mbytes' 'Total number of processors = N' \
        'Available memory = N Mbytes' 'Available swap space = N Mbytes' \
        'Maximum vcpus for an HP-UX virtual machine = N' \
        'Maximum vcpus for a Windows virtual machine = N' \
        'Maximum vcpus for a Linux virtual machine = N' \
        'Available entitlement for a N way virtual machine = N Mhz'; do
        grep -qx "$line" "$work/host" || fail "hpvmstatus -s: $line"
    done
    [ "$(hpvmstatus -S)" = 'HPVM scheduler is running in NORMAL mode.' ] || fail "-S"
}

cloned() { # the manual's listing after hpvmclone -P compass2 -N clone1, F104
    HPVM_ROOT=$work/cloned
    hpvmcreate -F -P first
    i=0
    for guest in 'compass1 -O hpux -r 2G' 'compass2 -r 1G' 'compass3 -O hpux -r 2G'; do
        hpvmcreate -F -P $guest -a "disk:scsi::file:/f$i" -a network:lan::vswitch:localnet
        i=$((i + 1))
    done
    hpvmremove -F -P first
    hold compass1 'On (OS)'
    hpvmclone -F -P compass2 -N clone1
    hpvmstatus | same s1-clone.txt
}

package() { # the manual's listing of a guest whose process says no more than On
    HPVM_ROOT=$work/package
    hpvmcreate -F -P compass1 -O hpux -r 512 -a disk:scsi::file:/a -a disk:scsi::file:/b \
        -a disk:scsi::file:/c -a disk:scsi::file:/d -a disk:scsi::file:/e \
        -a network:lan::vswitch:localnet
    hold compass1 On
    hpvmstatus | same s1-package.txt
}

labels
reserved_group
servers
processors
attributes
ranges
dynamic
crowd
modifies
clones
removes
forms
cloned
package
[ -e "$work/failed" ] && exit 1
echo "hpvm rows: all fine"
