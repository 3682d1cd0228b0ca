# Completion of the hpvm commands in bash: source this file, or install it as
# /usr/share/bash-completion/completions/hpvmstatus with links for the other commands.
# Names and numbers of virtual machines come from hpvmstatus; it knows no resource statements
# beyond their beginnings.

_hpvm_guests() { # FIELD: 1 names, 2 numbers
    hpvmstatus -M 2>/dev/null | cut -d: -f"$1"
}

_hpvm_attributes="-l -B -O -c -e -E -r -g -u -a -x"

_hpvm_options() { # COMMAND
    case $1 in
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

# What may follow an option with a value; fails for options without one.
_hpvm_values() { # COMMAND OPTION
    case $1:$2 in
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
        case $before in -a | -m | -d | -b | -x) compopt -o nospace 2>/dev/null ;; esac
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(_hpvm_options "$command")" -- "$word")
    fi
}

complete -F _hpvm hpvmclone hpvmconsole hpvmcreate hpvminfo hpvmmodify hpvmremove hpvmstart \
    hpvmstatus hpvmstop
