# What the scripts beside this one share: a guest from an installation medium that its owner has, its
# console, and a report of how far it came. Sourced by them after they have set:
#
#   system      hpux, windows or linux
#   steps       what a person does at the console, as text
#   milestones  lines "ROW;EXTENDED REGULAR EXPRESSION;WHAT IT SHOWS", looked for in the console log
#
# Uses the hpvm commands only, in whatever state they work on (HPVM_ROOT).

usage() {
    cat <<END
usage: $(basename "$0") --media FILE [--name NAME] [--size SIZE] [--memory SIZE] [--switch NAME]
       [--report FILE] [--wait TEXT [--seconds N]] [--remove]

Makes a guest with a new disk (SIZE, 16G) and the medium FILE in its drive, switches it on and opens
its virtual console. What to do there is printed first. After you leave the console (Ctrl-B, then X)
a report is written (NAME-report.txt) with what was seen, and everything else beside it (hpvmcollect).

--switch   gives it a network adapter on that switch (hpvmnet), for installing over the network
--media    may be left out then
--wait     does not enter the console, but waits N seconds (600) until TEXT appears there
--remove   removes the guest and its disk at the end
END
}

die() {
    echo "$(basename "$0"): $*" >&2
    exit 2
}

take_options() {
    name=try-$system medium= size=16G memory=2G switch= report= text= seconds=600 remove=
    while [ $# -gt 0 ]; do
        case $1 in
        --remove) remove=yes ;;
        --help) usage; exit 0 ;;
        --media | --name | --size | --memory | --switch | --report | --wait | --seconds)
            [ $# -ge 2 ] || die "$1 needs a value"
            case $1 in
            --media) medium=$(realpath "$2") && [ -f "$medium" ] || die "$2: no such file" ;;
            --name) name=$2 ;;
            --size) size=$2 ;;
            --memory) memory=$2 ;;
            --switch) switch=$2 ;;
            --report) report=$2 ;;
            --wait) text=$2 ;;
            --seconds) seconds=$2 ;;
            esac
            shift
            ;;
        *) usage >&2; die "$1 is not known" ;;
        esac
        shift
    done
    [ -n "$medium$switch" ] || { usage >&2; die "--media or --switch is needed"; }
    case $seconds in '' | *[!0-9]*) die "--seconds: $seconds is no number" ;; esac
    report=${report:-$PWD/$name-report.txt}
    disk=$PWD/$name-disk.img
    command -v hpvmcreate > /dev/null || die "the hpvm commands are not in PATH"
}

make_guest() {
    hpvmdevmgmt -S "$size" "$disk" || die "$disk cannot be made"
    set -- -a "disk:scsi:0,0,0:file:$disk"
    [ -z "$medium" ] || set -- "$@" -a "dvd:scsi:0,0,1:file:$medium"
    [ -z "$switch" ] || set -- "$@" -a "network:lan:0,1:vswitch:$switch"
    hpvmcreate -F -P "$name" -O "$system" -r "$memory" "$@" || {
        rm -f "$disk"
        die "the guest cannot be made"
    }
}

console_log() {
    hpvmconsole -P "$name" -q -c cl 2> /dev/null | tr -d '\000\r'
}

# 0: the text has come. 1: it has not in time, or the guest is off.
await_text() {
    end=$(($(date +%s) + seconds))
    until console_log | grep -qF -e "$text"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        hpvmstatus -P "$name" | grep -q ' On' || return 1
        sleep 1
    done
}

run_guest() {
    result=seen-by-a-person
    if [ -z "$text" ]; then
        printf '\n%s\n\nPress Enter to switch it on; then type co for its console. ' "$steps"
        read -r answer
    fi
    hpvmstart -F -Q -P "$name" || die "the guest does not start"
    if [ -z "$text" ]; then
        hpvmconsole -P "$name"
        return
    fi
    result=failed
    ! await_text || result=passed
}

look_for_milestones() {
    console_log > "$report.console"
    printf '%s\n' "$milestones" | while IFS=';' read -r row pattern what; do
        [ -n "$row" ] || continue
        seen=no
        ! grep -qE -e "$pattern" "$report.console" || seen=yes
        printf '%-4s %s: %s (%s)\n' "$seen" "$row" "$what" "$pattern"
    done
}

write_report() {
    {
        echo "Report of $(basename "$0")"
        echo "date:     $(date -u '+%Y-%m-%d %H:%M:%S') UTC"
        echo "version:  $(hpvmstatus -v 2> /dev/null | head -1)"
        echo "host:     $(uname -srm)"
        if [ -n "$medium" ]; then
            echo "medium:   $(basename "$medium"), $(stat -c %s "$medium") bytes"
            echo "SHA-256:  $(sha256sum < "$medium" | cut -d' ' -f1)"
        fi
        echo "result:   $result${text:+ (waited for '$text')}"
        printf '\nMilestones in the console log (%s.console):\n' "$report"
        look_for_milestones
        printf '\nThe guest:\n'
        hpvmstatus -V -P "$name"
        printf '\nForward progress:\n'
        hpvmconsole -P "$name" -q -c 'rec -view' 2> /dev/null
    } > "$report" || die "$report cannot be written"
    hpvmcollect -P "$name" -d "$(dirname "$report")" -b "$name" -f > "$report.collect" 2>&1 ||
        echo "hpvmcollect: see $report.collect" >> "$report"
}

finish() {
    echo "The report is $report"
    if [ -n "$text$remove" ]; then
        ! hpvmstatus -P "$name" | grep -q ' On' || hpvmstop -h -F -P "$name"
    fi
    [ -z "$remove" ] || { hpvmremove -F -P "$name" && rm -f "$disk"; }
    [ "$result" != failed ]
}

try_medium() {
    take_options "$@"
    make_guest
    run_guest
    write_report
    finish
}
