#!/bin/sh
# Address and undefined-behaviour sanitizers: builds with them in a folder of its own and runs the
# golden vectors, the unit tests and random programs. By hand; `./kit test` runs the same programs.
#
#   tests/sanitize.sh [RANDOM_PROGRAMS [FIRST_SEED]]
set -u
cd "$(dirname "$0")/.." || exit 2
build=build-sanitize
shared=${KITTSON_SHARED:-../shared}
count=${1:-100000}
seed=${2:-1}
failed=0

check() { # name, command...
    name=$1
    shift
    if "$@"; then
        echo "passed: $name"
    else
        echo "FAILED: $name"
        failed=1
    fi
}

cmake --preset debug -B "$build" >/dev/null && cmake --build "$build" -j "$(nproc)" >/dev/null ||
    exit 2
if ls "$shared"/vectors/*.tsv.gz >/dev/null 2>&1; then
    check "golden vectors" "$build/bin/kittson" vectors "$shared"/vectors/*.tsv.gz
else
    echo "skipped: golden vectors ($shared/vectors is missing)"
fi
check "unit tests" ctest --test-dir "$build" -L unit --output-on-failure -j "$(nproc)"
check "$count random programs from seed $seed" "$build/bin/random_programs" "$count" "$seed"
exit $failed
