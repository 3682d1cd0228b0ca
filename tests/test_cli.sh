#!/bin/sh
# The command line: help, suggestions, bad input (one line naming the file or option, status 2,
# nothing left running), the demo guest, and the manual page's option list.
set -u
kittson=${KITTSON:-build/bin/kittson}
source=${KITTSON_SOURCE:-.}
demo=${KITTSON_BUILD:-build}/guests/demo.elf
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    sed 's/^/    /' "$tmp/out" "$tmp/err" 2>/dev/null
    failures=$((failures + 1))
}

run() { # seconds, arguments
    limit=$1
    shift
    timeout "$limit" "$kittson" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
}

# Status 2, nothing on standard output, exactly one line on standard error with the pattern.
refused() { # pattern, arguments
    pattern=$1
    shift
    run 20 "$@"
    status=$?
    [ $status -eq 2 ] || fail "kittson $*: status $status, not 2"
    [ ! -s "$tmp/out" ] || fail "kittson $*: output on standard output"
    [ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "kittson $*: not one line"
    grep -q -e "$pattern" "$tmp/err" || fail "kittson $*: no '$pattern'"
}

accepted() { # pattern, arguments
    pattern=$1
    shift
    run 60 "$@" || fail "kittson $*: status $?"
    grep -q -e "$pattern" "$tmp/out" || fail "kittson $*: no '$pattern'"
}

# --- help ---
accepted 'usage: kittson COMMAND' --help
accepted 'usage: kittson COMMAND' help
accepted '^kittson [0-9]' --version
accepted 'usage: kittson run' help run
accepted '--deterministic' run --help
accepted 'usage: kittson vectors' vectors --help
accepted 'usage: kittson disasm' help disasm
accepted 'usage: kittson doctor' help doctor
run 20 doctor
[ $? -le 1 ] && grep -q 'processor' "$tmp/out" || fail "doctor"

# --- words mistyped or not there yet ---
refused 'no command'
refused 'did you mean doctor' docter
refused 'did you mean disasm' disams
refused 'unknown command frobnicate' frobnicate
refused 'did you mean --version' --versoin
refused 'usage: kittson snapshot' snapshot
refused 'usage: kittson restore' restore
refused 'No such file' restore /none/none
refused 'did you mean --kernel' run --kernal x
refused 'did you mean --deterministic' run --determinstic
refused 'unknown option --frobnicate' run --frobnicate
refused 'unknown option -z' run -z
refused 'jit, interp or lockstep' run --cpu both
refused 'none or fma' run --host-features sse9
refused 'virtual address' run --jit-dump 12g
refused 'virtual address' run --jit-dump ''
refused 'give unix:PATH' run --monitor /tmp/x
refused 'give unix:PATH' run --monitor unix:
refused 'No such file' run --monitor unix:"$tmp"/none/x
refused 'usage: kittson monitor' monitor
refused 'usage: kittson monitor' monitor "$tmp"
refused 'No such file' monitor unix:"$tmp"/none status

# --- values ---
for size in 0 1 1M 63M 1T abc -1 1.5G '' 99999999999999999999 512G 67108865; do
    refused '-m' run -m "$size"
done
refused '-m needs a value' run -m
for net in '' bridge userx user,x user,mac=1 user,mac=01-00-00-00-00-01 user,mac=0x0200000000011 \
    user,hostfwd= user,hostfwd=tcp::-:22 user,hostfwd=tcp::70000-:22 user,hostfwd=icmp::1-:1 \
    user,hostfwd=tcp:localhost:22-:22 user,hostfwd=tcp::2222 user,bootfile= user,tftp= \
    user,tftp=/nowhere/at/all user,tftp=/dev/null user,dns=x user,port=1 tap: tap:x,port=1 \
    tap:no-such-interface-name switch: switch:123456789 switch:a/b switch:..,port=1 switch:a,port=0 \
    switch:a,port=101 switch:a,vlan=4095 switch:a,vlan=-1 switch:a,hostfwd=tcp::1-:1 switch:a,pcap= \
    user,pcap=/nowhere/x user,hostfwd=tcp:[::1]:1-:1 none,mac=2; do
    refused '--net' run --net "$net"
done
refused '--deterministic' run --net user --deterministic
for cpus in 0 17 x '' -3; do
    refused '-c' run -c "$cpus"
done
refused '--cpu fast' run --cpu fast
refused '--cpu-model merced' run --cpu-model merced
refused '--machine rx2660' run --machine rx2660
refused '--console' run --console tape
refused '--console' run --console unix:
refused '/nonexistent/x' run --console file:/nonexistent/x
refused '--uuid 123' run --uuid 123
refused '--serial' run --serial 'a b'
refused 'argument vmlinux' run vmlinux
refused '--initrd' run --initrd "$tmp/x"
refused '--disk (empty)' run --disk ''
refused '--disk sparse' run --disk x,sparse
for at in '' 0 0:0 7:0:0 0:8:0 0:0:15 0:0:1x -1:0:0 1:2:3:4; do
    refused '--disk at.*give BUS:SLOT:TARGET' run --disk "x,at=$at"
done
refused 'drive 0,0,1: there is one already' run --disk "$demo,ro,at=0:0:1" --disk "$demo,ro,at=0:0:1"
refused '--disk /nonexistent/x: cannot be opened' run --disk /nonexistent/x
refused 'exclude each other' run --disk "$demo,ro,overlay=$tmp/o"
refused "not an overlay file" run --disk "$demo,overlay=$0"
refused '--cdrom /nonexistent/x: cannot be opened' run --cdrom /nonexistent/x
refused 'neither a file nor' run --cdrom /dev/null
refused 'usage' overlay
refused 'the choice is info' overlay frobnicate x
refused 'cannot be opened' overlay info /nonexistent/x

# --- files ---
cp "$demo" "$tmp/good.elf"
: >"$tmp/empty"
head -c 50 "$tmp/good.elf" >"$tmp/short.elf"
head -c 5000 "$tmp/good.elf" >"$tmp/truncated.elf"
cp "$tmp/good.elf" "$tmp/far.elf"
# p_paddr of the first segment: above any RAM.
printf '\000\000\000\000\377\377\000\000' |
    dd of="$tmp/far.elf" bs=1 seek=88 conv=notrunc 2>/dev/null
gzip -c "$tmp/good.elf" >"$tmp/corrupt.gz"
printf 'garbage garbage' | dd of="$tmp/corrupt.gz" bs=1 seek=2000 conv=notrunc 2>/dev/null
gzip -c "$tmp/good.elf" | head -c 3000 >"$tmp/short.gz"
echo 'this is no kernel' >"$tmp/text"
refused "$tmp/missing" run --kernel "$tmp/missing"
refused "$tmp/empty" run --kernel "$tmp/empty"
refused "$tmp/text" run --kernel "$tmp/text"
refused "$tmp" run --kernel "$tmp"
refused "$kittson" run --kernel "$kittson"
refused "$tmp/short.elf" run --kernel "$tmp/short.elf"
refused "$tmp/truncated.elf" run --kernel "$tmp/truncated.elf"
refused "$tmp/far.elf" run --kernel "$tmp/far.elf"
refused "$tmp/corrupt.gz" run --kernel "$tmp/corrupt.gz"
refused "$tmp/short.gz" run --kernel "$tmp/short.gz"
refused "$tmp/missing" run --kernel "$tmp/good.elf" --initrd "$tmp/missing"
head -c 70000000 /dev/zero >"$tmp/large"
refused "$tmp/large" run -m 64M --kernel "$tmp/good.elf" --initrd "$tmp/large"
rm "$tmp/large"

# --- the demo guest ---
demo_run() { # arguments
    rm -f "$tmp/console"
    run 120 run --console "file:$tmp/console" "$@" || fail "demo $*: status $?"
    for text in 'demo guest' 'conventional memory' 'PAL version' ' 8; took' \
        'this processor: arrived' 'I/O SAPIC: arrived' '355 / 113 = 3.141592' 'Powering off'; do
        grep -q "$text" "$tmp/console" || {
            fail "demo $*: no '$text'"
            sed 's/^/    console: /' "$tmp/console"
            break
        }
    done
}
demo_run
demo_run -c 4 --cpu-model madison -m 64M
grep -q 'tables: 4; others started and answering: 3' "$tmp/console" || fail "demo: processors"
gzip -c "$tmp/good.elf" >"$tmp/good.gz"
demo_run --kernel "$tmp/good.gz" -m 5G --stats
grep -q 'instruction' "$tmp/err" || fail "--stats printed nothing"

# Deterministic runs print the same, date and timer cycles included.
demo_run --deterministic -c 2
cp "$tmp/console" "$tmp/first"
demo_run --deterministic -c 2
cmp -s "$tmp/console" "$tmp/first" || fail "deterministic runs differ"

# --- manual page and --help name the same options ---
man=$source/docs/man/kittson.1
{ "$kittson" help run; "$kittson" help replay; "$kittson" help trace; } | grep -o -e '--[a-z][a-z-]*' | sort -u >"$tmp/help-options"
sed -n 's/^\.It .*\\-\\-\([a-z\\-]*\).*/--\1/p; s/^\.B.*\\-\\-\([a-z\\-]*\).*/--\1/p' "$man" |
    tr -d '\\' | sort -u >"$tmp/man-options"
grep -v -x -e --help -e --version "$tmp/man-options" >"$tmp/a"
grep -v -x -e --help -e --version "$tmp/help-options" >"$tmp/b"
cmp -s "$tmp/a" "$tmp/b" || fail "manual page and --help differ: $(diff "$tmp/a" "$tmp/b")"

[ $failures -eq 0 ] || {
    echo "$failures failed"
    exit 1
}
