#!/bin/sh
# Golden instruction vectors: the ones of this tree and, if they are there, the large set in
# ../shared/vectors. Every line must agree, apart from tests/vectors-exceptions.tsv.
set -eu

source=${KITTSON_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
kittson=${KITTSON:-$source/build/bin/kittson}
shared=${KITTSON_SHARED:-$source/../shared}
exceptions=$source/tests/vectors-exceptions.tsv

"$kittson" vectors --exceptions "$exceptions" "$source/tests/vectors-extra.tsv"
if [ ! -r "$shared/vectors/int.tsv.gz" ]; then
    echo "skipped part: no vectors in $shared/vectors"
    exit 0
fi
"$kittson" vectors --exceptions "$exceptions" "$shared"/vectors/*.tsv.gz
