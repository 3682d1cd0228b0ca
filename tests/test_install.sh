#!/bin/sh
# `cmake --install` into an empty directory: programs and links run from there, every manual page is
# found, completion loads, the systemd unit names what is there; nothing is anywhere else.
build=${KITTSON_BUILD:?}
source_dir=${KITTSON_SOURCE:?}
work=$(mktemp -d) || exit 1
to=$work/to
trap 'hpvmnet -h -Q -S localnet > /dev/null 2>&1; rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }
commands="hpvmclone hpvmcollect hpvmconsole hpvmcreate hpvmdevmgmt hpvminfo hpvmmigrate hpvmmodify
hpvmnet hpvmremove hpvmstart hpvmstatus hpvmstop"

command -v cmake > /dev/null || { echo "skipped: cmake is not installed"; exit 77; }
cp "$build/install_manifest.txt" "$work/manifest" 2> /dev/null
DESTDIR=$to cmake --install "$build" --prefix /usr > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "cmake --install"; exit 1; }
if [ -e "$work/manifest" ]; then
    cp "$work/manifest" "$build/install_manifest.txt"
else
    rm -f "$build/install_manifest.txt"
fi

HPVM_ROOT=$work/state HPVM_RUNTIME=$work/run HPVM_CONF=$work/hpvmconf
PATH=$to/usr/bin:$to/usr/sbin:/usr/bin:/bin:/usr/sbin:/sbin
export HPVM_ROOT HPVM_RUNTIME HPVM_CONF PATH
: > "$HPVM_CONF"

links() {
    find "$to" -type l > "$work/links"
    [ "$(wc -l < "$work/links")" -ge 28 ] || fail "links: $(cat "$work/links")"
    while read -r link; do
        [ -e "$link" ] || fail "$link leads nowhere"
        case $(readlink "$link") in /*) fail "$link is absolute" ;; esac
        case $(readlink -f "$link") in "$to"/*) ;; *) fail "$link leads away" ;; esac
    done < "$work/links"
}

programs() {
    for command in $commands kittson hpvm; do
        [ "$(command -v "$command")" = "$to/usr/bin/$command" ] || fail "no $command"
    done
    kittson --version > "$work/out" || fail "kittson --version"
    hpvmnetd --help > "$work/out" || fail "hpvmnetd --help"
    hpvmcreate -F -P installed -r 512 || fail hpvmcreate
    hpvmstart -F -Q -P installed || fail "hpvmapp is not found"
    hpvmstatus | grep -q '^installed .* On (EFI)' || fail "hpvmstatus: $(hpvmstatus)"
    hpvmstop -h -F -P installed || fail hpvmstop
    hpvmnet -b -S localnet > "$work/out" || fail "hpvmnetd is not found"
    hpvmnet -h -Q -S localnet > "$work/out" || fail "hpvmnet -h"
}

pages() {
    for page in "$source_dir"/docs/man/*; do
        name=$(basename "$page")
        section=${name##*.}
        installed=$to/usr/share/man/man$(echo "$section" | tr -d m)/$name
        cmp -s "$page" "$installed" || fail "$name is not installed"
        command -v man > /dev/null || continue
        found=$(man -M "$to/usr/share/man" -w "${name%.*}" 2> /dev/null) # as a person asks for it
        [ "$found" = "$installed" ] || fail "man ${name%.*}: '$found'"
    done
}

completion() {
    command -v bash > /dev/null || return
    for command in $commands; do
        bash -c '. "$1/$2" && complete -p "$2"' bash \
            "$to/usr/share/bash-completion/completions" "$command" > "$work/out" ||
            fail "no completion of $command"
    done
}

unit() {
    file=$to/usr/lib/systemd/system/hpvm.service
    grep -qx 'ExecStart=/usr/bin/hpvm start' "$file" && grep -qx 'ExecStop=/usr/bin/hpvm stop' "$file" ||
        { cat "$file"; fail "the unit"; }
    for file in "$source_dir"/dist/*.service "$source_dir"/dist/*.socket; do
        installed=$to/usr/lib/systemd/system/$(basename "$file")
        [ -e "$installed" ] || fail "$installed is not there"
        grep -Hn '/opt/\|Copy' "$installed" && fail "it has other paths"
        sed -n 's/^Exec[A-Za-z]*=[-@:+!]*\([^ ]*\).*/\1/p' "$installed" | while read -r program; do
            [ -x "$to$program" ] || echo "$program"
        done | grep . && fail "$file starts what is not there"
    done
}

others() { # guest commands and scripts run where they are; nothing outside the prefix
    for script in "$to"/usr/share/kittson/guest-images/linux/hpvm* "$to"/usr/share/kittson/media/try-*.sh; do
        [ -x "$script" ] || fail "$script cannot be run"
    done
    [ "$(ls -A "$to")" = usr ] || fail "$(ls -A "$to")"
    grep -rlI "$source_dir" "$to" && fail "these know the source tree"
}

links
programs
pages
completion
unit
others
exit $failed
