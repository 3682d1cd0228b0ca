#!/bin/sh
# Compares `kittson disasm` with GNU objdump, line for line: on pseudo-random bundles and on all code
# of a Linux kernel. Differences must be listed in tests/objdump-exceptions.txt.
#
# usage: objdump_compare.sh [BUNDLES [SEED]]   (default: KITTSON_BUNDLES or 2000000 bundles, seed 2)
# Environment: KITTSON (program), KITTSON_SOURCE (tree), KITTSON_SHARED (for guests/vmlinux.gz).
set -eu

count=${1:-${KITTSON_BUNDLES:-2000000}}
seed=${2:-2}
source=${KITTSON_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
kittson=${KITTSON:-$source/build/bin/kittson}
shared=${KITTSON_SHARED:-$source/../shared}
prefix=ia64-linux-gnu

if ! command -v $prefix-objdump >/dev/null; then
    echo "skipped: $prefix-objdump is not installed (package binutils-ia64-linux-gnu)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only the lines of instructions: headings and symbols are objdump's own.
code_lines() {
    grep -E '^ *[0-9a-f]+:	' "$1" >"$1.code"
}

# Prints differing lines that no exception covers; fails if there are any.
compare() {
    code_lines "$work/objdump"
    code_lines "$work/kittson"
    paste -d '\n' "$work/objdump.code" "$work/kittson.code" | awk -v what="$1" '
        NR == FNR { if ($0 !~ /^#/ && NF) { split($0, part, "\t"); except[part[1]] = 1 } next }
        FNR % 2 { theirs = $0; next }
        { lines++ }
        theirs == $0 { next }
        { for (e in except) if (theirs ~ e) { excepted++; next } }
        { if (bad++ < 20) printf "objdump: %s\nkittson: %s\n", theirs, $0 }
        END {
            printf "%s: %d lines, %d differ, %d listed exceptions\n", what, lines, bad, excepted
            exit bad > 0 || lines == 0
        }' "$source/tests/objdump-exceptions.txt" -
}

expect_status() {
    want=$1
    shift
    got=0
    "$@" >"$work/out" 2>"$work/err" || got=$?
    if [ "$got" != "$want" ] || [ ! -s "$work/err" ]; then
        echo "$*: exit status $got instead of $want, or no message"
        exit 1
    fi
}

python3 "$source/tests/objdump_compare.py" "$count" "$seed" "$work/bundles"
$prefix-objdump -z -D -b binary -m ia64 "$work/bundles" >"$work/objdump"
"$kittson" disasm "$work/bundles" >"$work/kittson"
compare "$count pseudo-random bundles, seed $seed"

# Wrong input: a sentence and exit status 2.
printf 'short' >"$work/odd"
: >"$work/empty"
head -c 200 "$work/bundles" >"$work/cut"
printf '\177ELF\002\001' | cat - "$work/bundles" | head -c 4096 >"$work/noise"
for file in odd empty cut noise absent; do
    expect_status 2 "$kittson" disasm "$work/$file"
done
expect_status 2 "$kittson" disasm /bin/sh

if [ ! -r "$shared/guests/vmlinux.gz" ]; then
    echo "skipped part: no $shared/guests/vmlinux.gz"
    exit 0
fi
gunzip -c "$shared/guests/vmlinux.gz" >"$work/vmlinux"
$prefix-strip "$work/vmlinux" # without symbols objdump prints plain target addresses
$prefix-objdump -z -d "$work/vmlinux" >"$work/objdump"
"$kittson" disasm "$work/vmlinux" >"$work/kittson"
compare "Linux kernel"
