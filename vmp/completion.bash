# Completion of the hpvm commands in bash: source this file, or install it as
# /usr/share/bash-completion/completions/hpvmstatus with links for the other commands.
# Names and numbers of virtual machines come from hpvmstatus; it knows no resource statements
# beyond their beginnings. Switches come from hpvmnet.

_hpvm_guests() { # FIELD: 1 names, 2 numbers
    hpvmstatus -M 2>/dev/null | cut -d: -f"$1"
}

_hpvm_attributes="-l -B -O -c -e -E -r -g -u -a -x"

_hpvm_options() { # COMMAND
    case $1 in
    hpvmcollect) echo "-P -p -c -f -g -h -l -b -d -n -s" ;;
    hpvmdevmgmt) echo "-a -d -m -n -l -S -I -V -v" ;;
    hpvmmigrate) echo "-P -p -h -l -N -e -E -m -C -b -d -F -s -v -H" ;;
    hpvmnet) echo "-S -s -c -C -d -b -h -r -n -N -u -p -v -V -M -X -F -Q --hostfwd" ;;
    hpvmclone) echo "-P -p -N -F -s -S -m -d -b $_hpvm_attributes" ;;
    hpvmconsole) echo "-P -p -c -e -f -i -q" ;;
    hpvmcreate) echo "-P -F -s -i -j $_hpvm_attributes" ;;
    hpvminfo) echo "-V -M -X -v" ;;
    hpvmmodify) echo "-P -p -F -s -N -m -d -i -j -R -A $_hpvm_attributes" ;;
    hpvmremove) echo "-P -p -F -Q" ;;
    hpvmstart) echo "-P -p -F -s -Q" ;;
    hpvmstatus) echo "-P -p -V -X -M -v -D -e -r -d -m -S -s --json" ;;
    hpvmstop) echo "-P -p -a -h -g -F -q -Q" ;;
    esac
}

_hpvm_switches() { # FIELD: 1 names, 2 numbers
    hpvmnet -M 2>/dev/null | cut -d: -f"$1"
}

_hpvm_interfaces() {
    ls /sys/class/net 2>/dev/null
}

# Hosts by the names that ssh knows; hashed ones are nobody's to read.
_hpvm_hosts() {
    [ -r ~/.ssh/known_hosts ] && cut -d' ' -f1 ~/.ssh/known_hosts | tr , '\n' | grep -v '^[|[]'
    return 0
}

# What may follow an option with a value; fails for options without one.
_hpvm_values() { # COMMAND OPTION
    case $1:$2 in
    hpvmnet:-S) _hpvm_switches 1 ;;
    hpvmnet:-s) _hpvm_switches 2 ;;
    hpvmnet:-n) echo "user $(_hpvm_interfaces)" ;;
    hpvmnet:-p) echo "all" ;;
    hpvmnet:-u) echo "portid:" ;;
    hpvmnet:--hostfwd) echo "list tcp: udp:" ;;
    hpvmnet:-N) ;;
    hpvmdevmgmt:-l) echo "all rdev gdev server" ;;
    hpvmdevmgmt:-[amd]) echo "rdev: gdev: server:" ;;
    hpvmdevmgmt:-n) echo "gdev:" ;;
    hpvmdevmgmt:-S) ;;
    hpvmcollect:-d) compgen -d ;;
    hpvmcollect:-s | hpvmmigrate:-h) _hpvm_hosts ;;
    hpvmcollect:-[bn]) ;;
    hpvmmigrate:-[bdC] | hpvmnet:* | hpvmdevmgmt:* | hpvmcollect:-[!Pp]*) return 1 ;;
    hpvmcreate:-P) ;;
    *:-P) _hpvm_guests 1 ;;
    *:-p) _hpvm_guests 2 ;;
    hpvmstatus:* | hpvmstop:* | hpvmstart:* | hpvmremove:* | hpvminfo:*) return 1 ;;
    hpvmconsole:-c) echo "co cl sl ps id dl who pc rs tc ej in rec say he" ;;
    hpvmconsole:-e) echo "^t ^x" ;;
    hpvmconsole:*) return 1 ;;
    *:-B) echo "auto manual" ;;
    *:-O) echo "hpux linux windows" ;;
    *:-j) echo "0 1" ;;
    *:-i) echo "SG GWLM NONE" ;;
    *:-g) compgen -g ;;
    *:-u) compgen -u ;;
    *:-a) echo "disk:scsi::file: disk:scsi::disk: disk:scsi::lv: dvd:scsi::file: dvd:scsi::disk:
                dvd:scsi::null: network:lan::vswitch:" ;;
    *:-m | *:-d | *:-b) echo "disk:scsi: dvd:scsi: network:lan:" ;;
    hpvmclone:-x) echo "mac_address=new mac_address=same serial_number=new serial_number=same
                        dynamic_memory_control= ram_dyn_type= ram_dyn_min= ram_dyn_max=
                        ram_dyn_target_start=" ;;
    *:-x) echo "dynamic_memory_control= ram_dyn_type= ram_dyn_min= ram_dyn_max=
                ram_dyn_target_start=" ;;
    *:-[NlceErR]) ;;
    *) return 1 ;;
    esac
}

_hpvm() {
    local command=${1##*/} word=$2 before=$3 values
    COMPREPLY=()
    if values=$(_hpvm_values "$command" "$before"); then
        # Paths and statements go on after what is offered.
        case $before in -a | -m | -d | -b | -x | -u | --hostfwd) compopt -o nospace 2>/dev/null ;; esac
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(_hpvm_options "$command")" -- "$word")
    fi
}

complete -F _hpvm hpvmclone hpvmcollect hpvmconsole hpvmcreate hpvmdevmgmt hpvminfo hpvmmigrate \
    hpvmmodify hpvmnet hpvmremove hpvmstart hpvmstatus hpvmstop
