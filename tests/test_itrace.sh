#!/bin/sh
# Instruction traces and channels of a run of the demo guest: text and binary say the same, filters
# hold, the guest is not disturbed, and what cannot be is refused with one line.
set -u
kittson=${KITTSON:?}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

# demo NAME OPTION...: a deterministic run to its end.
demo() {
    name=$1
    shift
    timeout 300 "$kittson" run --deterministic --console "file:$tmp/$name.out" "$@" </dev/null \
        >/dev/null 2>"$tmp/$name.err" || fail "$name: status $?: $(tail -1 "$tmp/$name.err")"
}

refused() {
    words=$1
    shift
    "$kittson" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    [ $? -eq 2 ] || fail "$*: not refused"
    [ "$(wc -l <"$tmp/err")" -eq 1 ] && grep -q -e "$words" "$tmp/err" || fail "$*: $(cat "$tmp/err")"
}

demo plain
demo text --itrace "$tmp/text,events=call+int+tlb"
demo binary --itrace "$tmp/binary,binary,events=call+int+tlb"
cmp -s "$tmp/plain.out" "$tmp/text.out" || fail "tracing changes what the guest prints"
"$kittson" itrace "$tmp/binary" >"$tmp/converted" || fail "itrace: status $?"
cmp -s "$tmp/text" "$tmp/converted" || fail "text and binary differ"
for kind in call return interrupt; do
    grep -q " $kind " "$tmp/text" || fail "no $kind in the trace"
done
size=$(wc -c <"$tmp/binary") lines=$(wc -l <"$tmp/text")
[ "$size" -eq $((8 + 48 * lines)) ] || fail "$size bytes for $lines records"

# One event, one level, a range of addresses.
demo range --itrace "$tmp/range,events=int,level=0,ip=0-ffffffffffffffff"
awk '$3 != 0 || $6 != "interrupt" { exit 1 }' "$tmp/range" || fail "events or level are not kept"
demo none --itrace "$tmp/none,events=int,ip=1000-1010"
[ ! -s "$tmp/none" ] || fail "a range nothing is in has records"

head -c 30 "$tmp/binary" >"$tmp/cut"
refused 'cut off' itrace "$tmp/cut"
refused 'not a binary' itrace "$tmp/text"
refused 'No such file' itrace "$tmp/nowhere"
refused 'usage' itrace
for spec in ,binary x,ip=5 x,ip=g-h x,level=4 x,events=nothing x,rid=1000000 x,colour; do
    refused '--itrace' run --itrace "$spec"
done
refused 'No such file' run --itrace "$tmp/no/where"
refused 'lockstep' run --itrace "$tmp/x" --cpu lockstep

# Channels.
demo channels --trace firmware,io,irq
for name in firmware io irq; do
    grep -q "^kittson: $name: " "$tmp/channels.err" || fail "nothing on channel $name"
done
grep -q 'firmware: processor 0 PAL ' "$tmp/channels.err" || fail "no PAL call"
grep -q 'io: write 1 000ff5e0000 = ' "$tmp/channels.err" || fail "no character to the serial port"
cmp -s "$tmp/plain.out" "$tmp/channels.out" || fail "channels change what the guest prints"
[ ! -s "$tmp/plain.err" ] || fail "messages without --trace: $(cat "$tmp/plain.err")"
refused '--trace wifi' run --trace io,wifi
refused '--trace' run --trace ''
exit $failed
