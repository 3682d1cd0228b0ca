#!/bin/sh
# The style that tools can check: clang-format, line length, file length.
set -u
cd "${KITTSON_SOURCE:-.}" || exit 1
status=0
files=$(ls utils/*.[ch] mem/*.[ch] cpu/*.[ch] bus/*.[ch] net/*.[ch] usb/*.[ch] efi/*.[ch] machine/*.[ch] vmp/*.[ch] cli/*.[ch] \
    tests/*.[ch] 2>/dev/null)

for f in $files; do
    lines=$(wc -l <"$f")
    if [ "$lines" -gt 1500 ]; then
        echo "$f has $lines lines; 1500 is the most"
        status=1
    fi
    if grep -n '.\{101\}' "$f" | head -1 | grep -q .; then
        echo "$f has lines of more than 100 columns"
        status=1
    fi
done

case $(clang-format --version 2>/dev/null) in
*"version 14."*) ;;
*)
    # Other versions format a few constructs differently.
    echo "clang-format 14 is not installed: formatting not checked"
    [ $status -ne 0 ] || status=77
    exit $status
    ;;
esac
bad=$(clang-format --dry-run --Werror $files 2>&1 | sed -n 's/^\([^:]*\):.*error:.*/\1/p' | sort -u)
if [ -n "$bad" ]; then
    echo "not formatted; run: clang-format -i" $bad
    status=1
fi
exit $status
