#!/bin/sh
# kittson nvram and run --nvram: what is printed, exit status, files left behind.
set -u
kittson=${KITTSON:?} source=${KITTSON_SOURCE:?}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
store=$tmp/store sample=$source/tests/nvram/v1

fail()
{
    echo "FAIL: $*" >&2
    exit 1
}

# refused STATUS TEXT COMMAND...: one line on standard error that has the text
refused()
{
    want=$1 text=$2
    shift 2
    "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
    status=$?
    [ "$status" -eq "$want" ] || fail "$*: status $status, not $want"
    [ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "$*: not one line: $(cat "$tmp/err")"
    grep -q -e "$text" "$tmp/err" || fail "$*: says $(cat "$tmp/err")"
}

refused 2 'usage: ' "$kittson" nvram
refused 2 'export or import' "$kittson" nvram frobnicate "$store"
refused 2 'No such file' "$kittson" nvram export "$store"
refused 2 'No such file' "$kittson" nvram import "$tmp/none/store"
refused 2 'give the name of a file' "$kittson" run --nvram ''
refused 2 'Is a directory' "$kittson" run --nvram "$tmp"

"$kittson" nvram import "$store" <"$sample.txt" || fail "import"
"$kittson" nvram export "$store" | cmp -s - "$sample.txt" || fail "export differs from import"
cmp -s "$store" "$sample.nvram" || fail "the store differs from the sample of its version"
echo 'neither this nor that' >"$tmp/bad"
"$kittson" nvram import "$store" <"$tmp/bad" 2>"$tmp/err" && fail "bad text was taken"
grep -q 'line 1' "$tmp/err" || fail "no line number: $(cat "$tmp/err")"
cmp -s "$store" "$sample.nvram" || fail "bad text changed the store"

if command -v flock >/dev/null; then
    refused 2 'another process' flock "$store" "$kittson" nvram import "$store"
    refused 2 'another process' flock "$store" "$kittson" run --nvram "$store"
fi

"$kittson" run --nvram "$store" </dev/null >"$tmp/out" 2>"$tmp/err" || fail "a run with a store"
"$kittson" nvram export "$store" | sed '/"MTC"/,+1d' | cmp -s - "$sample.txt" ||
    fail "a run without changes changed more of the store than the monotonic count"
printf X | dd of="$store" bs=1 seek=70 conv=notrunc 2>/dev/null
refused 0 'damaged-1' "$kittson" run --nvram "$store"
[ -e "$store.damaged-1" ] || fail "the damaged store is gone"
refused 2 'is damaged' "$kittson" nvram export "$store.damaged-1"
[ "$("$kittson" nvram export "$store" | grep -v MTC | grep -c '^[0-9a-f]')" -eq 3 ] || fail "what was whole is lost"
"$kittson" run -v </dev/null 2>&1 | grep -q 'live in memory' || fail "nothing said without --nvram"
