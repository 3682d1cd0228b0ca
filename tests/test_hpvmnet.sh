#!/bin/sh
# hpvmnet with real switches: the manuals' sessions and command lines, ports of guests, VLANs,
# forwards, questions, damaged files. Guests "run" here by holding the lock their process would
# hold. With the right to make network interfaces, also a switch on a bridge.
bin=$(dirname "${KITTSON:?}")
golden=$KITTSON_SOURCE/tests/hpvmnet
[ -e "$bin/hpvmnet" ] || { echo "no hpvm commands in $bin"; exit 1; }
PATH=$bin:$PATH
if [ "$1" != inside ] && [ "$(id -u)" = 0 ] && unshare -n ip link show > /dev/null 2>&1; then
    exec unshare -n sh "$0" inside # interfaces of our own
fi
[ "$1" != inside ] || ip link set lo up
work=$(mktemp -d) || exit 1
HPVM_RUNTIME=$work/run
export HPVM_RUNTIME
holders=
clean() {
    for root in "$work"/state-*; do HPVM_ROOT=$root hpvmnet -h -Q > /dev/null 2>&1; done
    [ -z "$holders" ] || kill $holders 2> /dev/null
    rm -rf "$work"
}
trap clean EXIT

fail() { echo "FAILED: $*"; : > "$work/failed"; } # a file: also from the parts of pipelines
new_state() { # the switches of the one before end
    [ -z "$HPVM_ROOT" ] || hpvmnet -h -Q || fail "halt all"
    HPVM_ROOT=$work/state-$1
    export HPVM_ROOT
}
same() { diff -u "$golden/$1" - || fail "$1"; }
refused() { # TEXT COMMAND...
    text=$1
    shift
    "$@" > "$work/out" 2> "$work/err" && fail "accepted: $*"
    grep -qF -e "$text" "$work/err" || { fail "$*: not '$text'"; cat "$work/err"; }
}
next_number() { sed -i "s/^next = .*/next = $1/" "$HPVM_ROOT/common/vswitches"; }
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

local_switches() {
    new_state local
    hpvmnet | same fresh.txt
    hpvmnet -b -S localnet || fail "boot localnet"
    hpvmnet -c -S myswitch || fail "create"
    hpvmnet -S myswitch -b || fail "boot"
    next_number 5
    hpvmnet -c -S clan0 || fail "create clan0"
    hpvmnet | same local.txt
    hpvmnet -v | sed 's/(Kittson .*)/(Kittson)/' | same version.txt
    hpvmnet -M | same machine.txt
    refused 'Vswitch '"'clan0'"' already exists.' hpvmnet -c -S clan0
    # A killed switch is seen at once and can be booted again.
    pid=$(hpvmnet -S myswitch -V | sed -n 's/^PID *: //p')
    kill -9 "$pid"
    for i in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
    hpvmnet | grep -q '^myswitch      2 Down ' || fail "killed and up"
    hpvmnet -b -s 2 || fail "boot after a kill"
    refused 'The vswitch is already active' hpvmnet -b -s 2
    # A second process for a switch: its name as eight bytes, as Integrity VM writes it.
    hpvmnet -c -S VMLAN1 && hpvmnet -b -S VMLAN1
    hpvmnetd --name VMLAN1 > "$work/out" 2> "$work/err" && fail "two processes"
    [ "$(cat "$work/err")" = 'hpvmnetd: Switch 0000564d4c414e31 already exists' ] ||
        { fail "hpvmnetd's message"; cat "$work/err"; }
    hpvmnet -h -Q -S VMLAN1 && hpvmnet -d -F -S VMLAN1
    hpvmnet -r -S myswitch -F || fail restart
    # Questions: no by default; a switch that is up is not removed.
    refused 'The vswitch is currently active' hpvmnet -S myswitch -d
    [ "$(tail -n 1 "$work/err")" = 'hpvmnet: Unable to continue' ] || fail "second line"
    [ "$(echo | hpvmnet -S myswitch -h)" = "hpvmnet: Halt the vswitch 'myswitch'? [n/y]: " ] ||
        fail "halt prompt"
    hpvmnet | grep -q '^myswitch      2 Up ' || fail "halted without a yes"
    echo y | hpvmnet -S myswitch -h > /dev/null
    hpvmnet | grep -q '^myswitch      2 Down ' || fail "not halted"
    [ "$(echo y | hpvmnet -S myswitch -d)" = \
        "hpvmnet: Remove the vswitch 'myswitch'? [n/y]: " ] || fail "remove prompt"
    hpvmnet | grep -q myswitch && fail "not removed"
    hpvmnet -c -S again && hpvmnet | grep -q '^again         7 Down ' || fail "number used again"
    grep -q 'hpvmnet -S myswitch -d$' "$HPVM_ROOT/common/command.log" || fail command.log
}

ports() {
    new_state ports
    hpvmnet -c -S vmlan4
    hpvmnet -b -S vmlan4
    hpvmnet -S vmlan4 -u portid:1,2:vlanid:100 || fail vlan
    a=network:lan::vswitch:vmlan4:portid
    hpvmcreate -F -P vm1 -a network:lan:0,0,0xEE8D40584D28:vswitch:vmlan4:portid:1 -a $a:3
    hpvmcreate -F -P vm2 -a $a:2 -a $a:4
    hpvmcreate -F -P vm3 -a $a:1 -a $a:3
    hpvmnet -S vmlan4 | same reserved.txt
    hold vm1
    hold vm2
    # They run without being connected: their ports are down.
    hpvmnet -S vmlan4 | same down.txt
    hpvmnet -S vmlan4 -p 2 | same port-2.txt
    hpvmnet -S vmlan4 -p all | same port-all.txt
    hpvmnet -S vmlan4 -M | same machine-ports.txt
    hpvmnet -S vmlan4 -V | sed 's/^\(PID  *: \).*/\1PID/; /^MAC Address.*EE8D40584D28/!s/^\(MAC Address  *: \).*/\1MAC/' |
        same verbose.txt
    refused 'The port is not configured.' hpvmnet -S vmlan4 -p 7
    hpvmnetd --name vmlan4 --ask status | grep -q 'number=2 .* vlan=100 ' || fail "vlan not told"
    hpvmnet -S vmlan4 -u portid:1:vlanid:none
    hpvmnet -r -F -S vmlan4
    hpvmnetd --name vmlan4 --ask status | grep -q 'number=2 .* vlan=100 ' || fail "vlan forgotten"
    hpvmnetd --name vmlan4 --ask status | grep -q 'number=1 .* vlan=100 ' && fail "vlan kept"
    hpvmnet -C -S vmlan4 -n user -N clnvlan || fail "copy"
    hpvmnet -S clnvlan | same copy.txt
}

user_network() {
    new_state user
    hpvmnet -c -S lan1 -n user && hpvmnet -b -S lan1 || fail "user network"
    hpvmnet -S lan1 | grep -q '^lan1          2 Up      Shared    user     N/A' || fail "row"
    hpvmnet -S lan1 --hostfwd tcp:127.0.0.1:0-10.0.2.15:22 2> /dev/null && fail "port 0"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    spec=tcp:127.0.0.1:$port-10.0.2.15:22
    hpvmnet -S lan1 --hostfwd "$spec" || fail "forward"
    [ "$(hpvmnet -S lan1 --hostfwd list)" = "$spec" ] || fail "list of forwards"
    refused 'forwarded already' hpvmnet -S lan1 --hostfwd "$spec"
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 60)" ||
        fail "nobody listens"
    hpvmnet -r -F -S lan1 || fail "restart with a forward"
    [ "$(hpvmnetd --name lan1 --ask 'hostfwd list')" = "hostfwd $spec" ] || fail "forward lost"
    hpvmnet -S lan1 --hostfwd "-tcp:127.0.0.1:$port" || fail "remove forward"
    [ -z "$(hpvmnet -S lan1 --hostfwd list)" ] || fail "forward kept"
    refused 'not on a user network' hpvmnet -S localnet --hostfwd list
}

service() {
    new_state service
    hpvmnet -c -S one && hpvmnet -c -S two
    hpvm start 2> /dev/null
    [ "$(hpvmnet | grep -c ' Up ')" = 3 ] || fail "hpvm start"
    hpvm stop 2> /dev/null
    [ "$(hpvmnet | grep -c ' Up ')" = 0 ] || fail "hpvm stop"
    hpvmcreate -s -P g -a network:lan::vswitch:one 2>&1 | grep -q 'is not active' &&
        fail "hpvm stop halts for good"
    hpvmnet -c -S three
    hpvmcreate -s -P g -a network:lan::vswitch:three 2>&1 |
        grep -q ' on item three: Vswitch three is not active.$' || fail "no warning: not active"
    hpvmcreate -s -P g -a network:lan::vswitch:four 2>&1 |
        grep -q " on item four: 'four' backing device does not exist.\$" || fail "no warning: missing"
}

# expected status | switches made before | command line
command_lines() {
    while IFS='|' read -r expected before line; do
        case $expected in '#'*) continue ;; esac
        rm -rf "$work/state-lines"
        new_state lines
        for name in $before; do hpvmnet -c -S "$name" || fail "create $name"; done
        $line > "$work/out" 2> "$work/err" < /dev/null
        status=$?
        [ "$status" = "$expected" ] || { fail "$line: $status"; cat "$work/err"; }
        [ "$expected" = 0 ] || grep -q "^hpvmnet: " "$work/err" || fail "$line: no message"
        hpvmnet -h -Q
    done < "$golden/commands.txt"
}

damaged() {
    new_state damaged
    hpvmnet -c -S one
    for line in 'vswitch = one 9 - up' 'vswitch = ../x 9 - up' 'vlan = 101 1' 'vlan = 1 4095' \
        'hostfwd = x' 'version = 2' 'noise'; do
        cp "$HPVM_ROOT/common/vswitches" "$work/good"
        echo "$line" >> "$HPVM_ROOT/common/vswitches"
        refused 'common/vswitches is damaged in line 6.' hpvmnet
        refused 'common/vswitches is damaged' hpvmnet -c -S two
        hpvmcreate -F -P "g$(hpvmstatus -M 2> /dev/null | wc -l)" || fail "guests suffer"
        cp "$work/good" "$HPVM_ROOT/common/vswitches"
    done
    hpvmnet | grep -q '^one ' || fail "not repaired"
}

# The manual's hostnet, on a bridge with the manual's addresses.
bridge() {
    new_state bridge
    ip link add lan1 index 71 address 00:30:6e:4a:92:ef type bridge || return 0
    ip addr add 16.116.8.99/24 dev lan1 && ip link set lan1 up
    ip link add lan0 address 00:30:6e:4a:93:e6 type bridge
    hpvmnet -b -S localnet
    hpvmnet -c -S filler && next_number 296
    hpvmnet -d -S filler -F
    hpvmnet -c -S hostnet -n 71 || fail "interface by number"
    hpvmnet -b -S hostnet || { fail "boot on a bridge"; return; }
    hpvmnet | same s3-hostnet.txt
    bridge_ports=$(ip -o link show master lan1 | wc -l)
    [ "$bridge_ports" = 1 ] || fail "not in the bridge"
    hpvmnet -c -S other -n lan1
    refused "Network interface 'lan1' is used by vswitch 'hostnet'." hpvmnet -b -S other
    hpvmnet -C -S hostnet -n lan0 || fail "change the interface"
    hpvmnet -S hostnet -M | grep -q '^hostnet:296:Up:Shared:lan0:0x00306e4a93e6:$' || fail "lan0"
    refused 'is not a LAN interface' hpvmnet -c -S lo -n lo
    ip link add plain type veth peer name end 2> /dev/null || return 0
    hpvmnet -c -S dull -n plain && hpvmnet -b -S dull || fail "boot on a plain interface"
    hpvmnet -S dull -M | grep -q '^dull:[0-9]*:Up:Shared:plain:0x[0-9a-f]*:$' || fail "plain"
    hpvmnetd --name dull --ask status | grep -q ' uplink=nic:plain ' || fail "not beside the host"
    ip link show plain | grep -q '[<,]UP[,>]' || fail "the interface is down"
    hpvmnet -h -Q -S dull && ip link del plain
    refused "Network interface 'plain' does not exist." hpvmnet -b -S dull
    ip link add plain type veth peer name end
    ip link add link plain name tagged type vlan id 5 2> /dev/null &&
        refused 'is a VLAN interface' hpvmnet -c -S vl -n tagged
}

local_switches
ports
user_network
service
command_lines
damaged
if [ "$1" = inside ] && [ -e /dev/net/tun ]; then bridge; else echo "no network interfaces of our own: bridges not tested"; fi
hpvmnet --help | grep -q 'man hpvmnet' || fail help
[ -e "$work/failed" ] && exit 1
echo "hpvmnet: all fine"
