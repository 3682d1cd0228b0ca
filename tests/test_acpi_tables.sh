#!/bin/sh
# The ACPI tables disassemble without complaint, and the DSDT assembles again.
command -v iasl >/dev/null || { echo "skipped: iasl (acpica-tools) is not installed"; exit 77; }
dump="${KITTSON_BUILD:-build}/bin/test_efi"
[ -x "$dump" ] || { echo "skipped: $dump is not built"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
"$dump" --dump "$dir" || exit 1
cd "$dir" || exit 1
status=0
for t in XSDT FACP APIC SPCR FACS DSDT; do
    if ! iasl -d "$t.dat" >"$t.log" 2>&1 || grep -iE 'error|warning|invalid|incorrect' "$t.log" ||
       grep -iE 'error|warning|invalid|incorrect|should be' "$t.dsl"; then
        echo "$t does not disassemble cleanly:"
        cat "$t.log"
        status=1
    fi
done
if ! iasl DSDT.dsl >DSDT.asl.log 2>&1 || ! grep -q '0 Errors, 0 Warnings' DSDT.asl.log; then
    echo "DSDT does not assemble again:"
    cat DSDT.asl.log
    status=1
fi
exit $status
