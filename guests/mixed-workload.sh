#!/bin/sh
# Runs in a Linux guest: archives, compression, text processing, sorting, a database and an
# interpreter, over and over, each round checked against the first one. For soak runs.
#
#   mixed-workload.sh [ROUNDS]        prints MIXED-DONE when all rounds agreed
rounds=${1:-3}
dir=/tmp/mixed.$$
mkdir -p "$dir/tree" && cd "$dir" || exit 1

one_round() {
    i=0
    while [ $i -lt 20 ]; do
        awk -v s=$i 'BEGIN { for (n = 0; n < 400; n++) { s = (s * 1103515245 + 12345) % 2147483648
            print s, n, sin(n) * 1000, sqrt(s) } }' > tree/$i.txt
        i=$((i + 1))
    done
    tar cf all.tar tree
    gzip -c all.tar > all.tar.gz
    gzip -dc all.tar.gz | cmp - all.tar || echo DIFFERENT
    tar tf all.tar | sort | md5sum
    cat tree/*.txt | sort -n | md5sum
    cat tree/*.txt | sort -k 3 | awk '{ t += $1 % 97; u += $3 } END { print t, u }'
    sqlite3 :memory: "with recursive n(x) as (select 1 union all select x + 1 from n
        where x < 4000) select sum(x * x % 977), avg(x / 3.0), count(distinct x % 31) from n;"
    lua -e 'local t, s = {}, 7
        for i = 1, 4000 do s = (s * 16807) % 2147483647 t[i] = string.format("%d:%g", s, s / 3) end
        table.sort(t) print(#table.concat(t), t[1], t[#t], math.exp(1.5), 2 ^ 0.5)'
    sha256sum tree/1.txt tree/19.txt
}

one_round > first
n=1
while [ "$n" -lt "$rounds" ]; do
    one_round > again
    cmp first again || exit 1
    n=$((n + 1))
done
grep -q DIFFERENT first && exit 1
cat first
cd / && rm -rf "$dir"
echo MIXED-DONE "$rounds"
