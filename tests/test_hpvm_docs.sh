#!/bin/sh
# Manual pages and completion of the hpvm commands: the pages have no formatting errors, have their
# sections, and name pages that exist; pages and completion have exactly the options that the
# commands take.
source_dir=${KITTSON_SOURCE:?}
bin=$(dirname "${KITTSON:?}")
man=$source_dir/docs/man
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*"; failed=1; }

command -v groff >/dev/null || { echo "skipped: groff is not installed"; exit 77; }
command -v bash >/dev/null || { echo "skipped: bash is not installed"; exit 77; }

letters() { # COMMAND: the option letters in its source
    { [ "$1" != hpvmcollect ] || echo h # which comes alone
    # the last of a string of hpvmnet stands for --hostfwd
    sed -n 's/.*":\([A-Za-z:]*\)\(\\001:\)\{0,1\}".*/\1/p' "$source_dir/vmp/cmd_${1#hpvm}.c" |
        awk 'length > 1' | head -1; } | tr -d ':\n' | fold -w1 | sort
}

format() { # FILE
    for page in "$man"/hpvm*.1m "$man"/hpvm*.5; do
        LC_ALL=C.UTF-8 groff -man -Tutf8 -ww -b -z "$page" > "$work/errors" 2>&1
        [ -s "$work/errors" ] && { cat "$work/errors"; fail "$page has errors"; }
        if command -v mandoc >/dev/null; then
            mandoc -T lint -W warning "$page" | grep -v 'missing date' > "$work/errors"
            [ -s "$work/errors" ] && { cat "$work/errors"; fail "$page: mandoc"; }
        fi
        awk 'length > 400 { exit 1 }' "$page" || fail "$page has a line of more than 400 characters"
    done
}

sections() {
    for page in "$man"/hpvm*.1m "$man"/hpvm*.5; do
        wanted="NAME SYNOPSIS DESCRIPTION EXAMPLES"
        case $page in *.1m) wanted="$wanted OPTIONS" ;; esac
        for section in $wanted; do
            grep -qx "\.SH $section" "$page" || fail "$page has no section $section"
        done
        case $page in
        *.1m) grep -qx '\.SH "EXIT STATUS"' "$page" || fail "$page has no exit status" ;;
        esac
        sed -n '/SEE ALSO/,$s/^\.BR \([a-z]*\) (\([0-9m]*\)).*/\1.\2/p' "$page" > "$work/others"
        [ "$(wc -l < "$work/others")" -ge 10 ] || fail "$page: see also"
        while read -r other; do
            [ -e "$man/$other" ] || fail "$page names $other"
        done < "$work/others"
    done
}

options() {
    for command in $commands; do
        letters "$command" > "$work/wanted"
        [ -s "$work/wanted" ] || fail "no options found in the source of $command"
        sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$man/$command.1m" |
            sed 's/\\-\\-[a-z]*//' | grep -E -A1 '^\.TP' | grep -oE '\\-[A-Za-z]' | sed 's/..//' | sort -u > "$work/page"
        diff -u "$work/wanted" "$work/page" || fail "options in the page of $command"
        bash -c '. "$1"; _hpvm_options "$2"' bash "$source_dir/vmp/completion.bash" "$command" |
            tr ' ' '\n' | grep -v '^--' | sed 's/-//' | sort > "$work/completed"
        diff -u "$work/wanted" "$work/completed" || fail "options completed for $command"
    done
}

complete() { # PROGRAM WORD BEFORE: what is offered
    bash -c '. "$1"; _hpvm "$2" "$3" "$4"; echo ${COMPREPLY[*]}' bash \
        "$source_dir/vmp/completion.bash" "$1" "$2" "$3"
}

offers() { # WANTED PROGRAM WORD BEFORE
    wanted=$1
    shift
    got=$(complete "$@")
    [ "$got" = "$wanted" ] || fail "completion of $*: '$got' instead of '$wanted'"
}

completion() {
    HPVM_ROOT=$work/state
    PATH=$bin:$PATH
    export HPVM_ROOT PATH
    hpvmcreate -F -P alpha && hpvmcreate -F -P alps && hpvmcreate -F -P beta || fail hpvmcreate
    offers "alpha alps" hpvmstart al -P
    offers "1 2 3" /usr/bin/hpvmconsole "" -p
    offers "" hpvmcreate "al" -P
    offers "-P" hpvmremove -P hpvmremove
    offers "auto" hpvmmodify a -B
    offers "ram_dyn_type=" hpvmcreate ram_dyn_ty -x
    offers "mac_address=new mac_address=same" hpvmclone mac -x
    offers "--json" hpvmstatus --j alpha
    offers "ps pc" hpvmconsole p -c
    offers "-f" hpvmconsole -f -q
    offers "network:lan::vswitch:" hpvmmodify net -a
    offers "localnet" hpvmnet "" -S
    offers "user" hpvmnet us -n
    offers "rdev: gdev: server:" hpvmdevmgmt "" -a
    offers "-C" hpvmmigrate -C -b
    offers "alpha alps" hpvmmigrate al -P
    offers "beta" hpvmcollect b -P
    offers "-l" hpvmcollect -l -f
}

commands=$(bash -c '. "$1"; complete -p' bash "$source_dir/vmp/completion.bash" |
    sed -n 's/^complete -F _hpvm //p')
[ "$(echo $commands | wc -w)" = 13 ] || fail "commands: $commands"
for command in $commands; do
    [ -e "$bin/$command" ] || fail "$command is not built"
    [ -e "$man/$command.1m" ] || fail "$command has no page"
done
format
sections
options
completion
exit $failed
