#!/bin/sh
# dmidecode reads the SMBIOS tables without complaint and finds the machine in them.
command -v dmidecode >/dev/null || { echo "skipped: dmidecode is not installed"; exit 77; }
dump="${KITTSON_BUILD:-build}/bin/test_efi"
[ -x "$dump" ] || { echo "skipped: $dump is not built"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
"$dump" --dump "$dir" || exit 1
dmidecode --from-dump "$dir/SMBIOS.dat" >"$dir/text" 2>&1 || { cat "$dir/text"; exit 1; }
status=0
expect() {
    grep -q "$1" "$dir/text" || { echo "dmidecode does not say: $1"; status=1; }
}
expect 'SMBIOS 2.3 present'
expect 'Manufacturer: hp$'
expect 'Product Name: server Integrity Virtual Machine$'
expect 'Serial Number: VM00000000$'
expect 'UUID: 10111213-1415-1617-1819-1a1b1c1d1e1f$'
expect 'Family: Itanium$'
expect 'End Of Table'
[ "$(grep -c 'Processor Information' "$dir/text")" = 4 ] || { echo "not 4 processors"; status=1; }
if grep -iE 'broken|invalid|wrong|truncated|mismatch|overflow|out of spec|bad' "$dir/text"; then
    status=1
fi
[ $status = 0 ] || cat "$dir/text"
exit $status
