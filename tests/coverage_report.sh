#!/bin/sh
# For every operation of the instruction table: is there a decode test and an execution test?
#
# usage: coverage_report.sh [--all]   (--all prints every operation, otherwise only what is missing)
#
# Decode tests: tests/test_decode.c tries every row of the table (column "rows"), and has hand-made
# cases (column "hand"). Execution tests: the golden vectors whose code contains the operation, in
# ../shared/vectors and tests/vectors-extra.tsv, and tests named in tests/coverage-exec.txt.
# Exit status 1 if an operation has no test of either kind.
# Environment: KITTSON (program), KITTSON_SOURCE (tree), KITTSON_SHARED.
set -eu

source=${KITTSON_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
kittson=${KITTSON:-$source/build/bin/kittson}
shared=${KITTSON_SHARED:-$source/../shared}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

set -- "${1:-}" "$source/tests/vectors-extra.tsv"
for file in "$shared"/vectors/*.tsv.gz; do
    if [ -r "$file" ]; then
        set -- "$@" "$file"
    fi
done
show=$1
shift
"$kittson" vectors --ops "$@" >"$work/vectors"
grep -o 'op = OP_[a-z0-9_]*' "$source/tests/test_decode.c" | sed 's/.*OP_//' >"$work/hand"
sed -n 's/^ROW(.*/&/p; s/^    "/&/p' "$source/cpu/insn.def" | tr '\n' ' ' |
    sed 's/ROW(/\n/g' >"$work/rows"

awk -v show="$show" -v shared=$# '
    FILENAME ~ /hand$/ { hand[$1]++; next }
    FILENAME ~ /rows$/ {
        # name, format, unit, bits, operands, op, ...: the op follows the second quoted string
        if (split($0, quoted, "\"") >= 5) {
            split(quoted[5], after, /[ ,]+/)
            rows[after[2]]++
        }
        next
    }
    FILENAME ~ /coverage-exec/ {
        if ($0 !~ /^#/ && NF) { split($0, part, "\t"); elsewhere[part[1]] = part[2] }
        next
    }
    {
        total++
        op = $1
        exec = $2 ? $2 " vectors" : ""
        if (op in elsewhere) exec = exec (exec ? ", " : "") elsewhere[op]
        missing = !rows[op] || exec == ""
        no_rows += !rows[op]; no_exec += exec == ""; with_hand += hand[op] > 0
        if (show == "--all" || missing)
            printf "%-20s %3d rows %3d hand   %s\n", op, rows[op], hand[op], exec ? exec : "NO EXECUTION TEST"
    }
    END {
        printf "%d operations: %d without a row tested, %d with hand-made decode cases, %d without an execution test\n",
            total, no_rows, with_hand, no_exec
        if (shared < 2) { print "skipped: ../shared/vectors is not there, so most operations have no vectors"; exit 77 }
        exit no_rows || no_exec
    }' "$work/hand" "$work/rows" "$source/tests/coverage-exec.txt" "$work/vectors"
