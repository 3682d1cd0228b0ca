#!/bin/sh
# The .deb that cpack makes: package.sh looks at it and runs what is in it from a directory;
# `package.sh chroot` installs it into a Debian 12 made by debootstrap, runs the demo and a guest
# there, removes it (the guest stays), installs it again, purges it, and looks for files left over.
# DEBIAN_MIRROR is where the Debian comes from.
set -u
build=${KITTSON_BUILD:?} source_dir=${KITTSON_SOURCE:?}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
failed=0
fail() { echo "FAILED: $*"; failed=1; }
skip() { echo "skipped: $*"; exit 77; }

for program in cpack dpkg-deb dpkg-shlibdeps gzip; do
    command -v $program > /dev/null || skip "$program is not installed"
done
work=$(mktemp -d) || exit 1
to=$work/root
cleanup() {
    if mountpoint -q "$to/proc" 2> /dev/null; then
        umount "$to/proc" || exit 1 # nothing is deleted below it
    fi
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT

pack() {
    (cd "$build" && cpack -G DEB -B "$work/cpack") > "$work/log" 2>&1 ||
        { cat "$work/log"; fail cpack; exit 1; }
    deb=$(echo "$work"/cpack/kittson_*.deb)
    [ -f "$deb" ] || { cat "$work/log"; fail "no package"; exit 1; }
}

# Everything is where it belongs, and nothing is anywhere else.
contents() {
    dpkg-deb -c "$deb" > "$work/list" || fail "dpkg-deb -c"
    sed 's/.* \.\//\//; s/ -> .*//' "$work/list" > "$work/paths"
    grep -v -e '^/\(usr\|opt\|etc\)/$' -e '^/usr/\(bin\|sbin\|lib\|libexec\|share\)/' \
        -e '^/opt/hpvm/' -e '^/etc/rc.config.d/' "$work/paths" |
        grep . && fail "these are elsewhere"
    for path in /opt/hpvm/bin/hpvmstart /opt/hpvm/lbin/hpvmapp /etc/rc.config.d/hpvmconf /usr/bin/kittson \
        /usr/sbin/hpvmnetd /usr/lib/systemd/system/hpvm.service /usr/share/man/man1/hpvmstart.1m.gz \
        /usr/share/bash-completion/completions/hpvmnet /usr/share/doc/kittson/copyright; do
        grep -qx "$path" "$work/paths" || fail "$path is not in the package"
    done
    awk '{ print $2 }' "$work/list" | sort -u | grep -qvx root/root && fail "not all is root's"
    dpkg-deb -I "$deb" conffiles | grep -qx /etc/rc.config.d/hpvmconf || fail conffiles
    for library in libc6 libglib2.0 libslirp0 zlib1g libpng16; do
        dpkg-deb -f "$deb" Depends | grep -q "$library" || fail "does not depend on $library"
    done
    for script in postinst prerm postrm; do
        dpkg-deb -I "$deb" $script | sh -n || fail "$script"
    done
}

# Without dpkg's help: links hold, programs find each other, units name what is there.
unpacked() {
    dpkg-deb -x "$deb" "$work/unpacked" || fail "dpkg-deb -x"
    cd "$work/unpacked" || exit 1
    find . -type l | while read -r link; do
        [ -e "$link" ] || echo "$link"
    done | grep . && fail "these lead nowhere"
    grep -rlI -e "$source_dir" -e "$work" . && fail "these know where they were built"
    sed -n 's/^Exec[A-Za-z]*=[-@:+!]*\([^ ]*\).*/\1/p' usr/lib/systemd/system/* |
        while read -r program; do [ -x ".$program" ] || echo "$program"; done |
        grep . && fail "units start what is not there"
    usr/bin/kittson run > "$work/out" < /dev/null || fail "the demo: $(tail -n 3 "$work/out")"
    HPVM_ROOT=$work/state HPVM_RUNTIME=$work/run HPVM_CONF=etc/rc.config.d/hpvmconf
    export HPVM_ROOT HPVM_RUNTIME HPVM_CONF
    opt/hpvm/bin/hpvmcreate -F -P packed -r 512 || fail hpvmcreate
    opt/hpvm/bin/hpvmstatus | grep -q '^packed ' || fail hpvmstatus
    opt/hpvm/bin/hpvmremove -F -P packed || fail hpvmremove
    cd / || exit 1
}

# What software centres are told. A project without a domain has no better component name.
descriptions() {
    if command -v desktop-file-validate > /dev/null; then
        desktop-file-validate "$source_dir/dist/kittson.desktop" || fail "the desktop file"
    fi
    if command -v appstreamcli > /dev/null; then
        appstreamcli validate --no-net "$source_dir/dist/kittson.metainfo.xml" |
            grep -e '^[EW]: ' | grep -v cid-is-not-rdns && fail "the AppStream file"
    fi
}

in_root() { chroot "$to" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@" < /dev/null; }

must() { # in the Debian
    in_root "$@" > "$work/out" 2>&1 || { tail -n 20 "$work/out"; fail "$*"; }
}

debian() {
    [ "$(id -u)" = 0 ] || skip "only root can make a chroot"
    command -v debootstrap > /dev/null || skip "debootstrap is not installed"
    debootstrap --variant=minbase bookworm "$to" "$mirror" > "$work/out" 2>&1 ||
        { tail -n 3 "$work/out"; skip "no Debian from $mirror"; }
    mount -t proc proc "$to/proc" || skip "proc cannot be mounted"
    depends=$(dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/,/ /g')
    # shellcheck disable=SC2086 # a list of words
    must apt-get install -y --no-install-recommends $depends
    cp "$deb" "$to/root/kittson.deb"
}

everything() { # all files of the Debian but those that every package changes
    (cd "$to" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/cache -o -path ./var/log \
        -o -path ./proc -o -path ./tmp \) -prune -o -print) |
        grep -vx -e './etc/[a-z.]*-' -e './etc/.pwd.lock' | sort
}

life() {
    everything > "$work/before"
    cp "$to/etc/passwd" "$work/passwd"
    must apt-get install -y --no-install-recommends /root/kittson.deb
    must kittson run
    must hpvmcreate -F -P kept -r 512
    must hpvmstart -F -Q -P kept
    in_root hpvmstatus | grep -q '^kept .* On (EFI)' || fail "the guest does not run: $(in_root hpvmstatus)"
    must apt-get remove -y kittson
    [ ! -e "$to/usr/bin/kittson" ] || fail "the program was not removed"
    [ -e "$to/etc/rc.config.d/hpvmconf" ] || fail "hpvmconf was removed"
    [ -e "$to/var/opt/hpvm/guests/kept/vmm_config.current" ] || fail "the guest was removed"
    must apt-get purge -y kittson
    [ -e "$to/var/opt/hpvm/guests/kept/vmm_config.current" ] || fail "the guest was purged"
    must apt-get install -y --no-install-recommends /root/kittson.deb
    in_root hpvmstatus | grep -q '^kept .* Off' || fail "after installing again: $(in_root hpvmstatus)"
    must hpvmremove -F -P kept
    must apt-get purge -y kittson
    everything > "$work/after"
    diff "$work/before" "$work/after" || fail "left over (>) or lost (<)"
    cmp "$work/passwd" "$to/etc/passwd" || fail "accounts are left"
}

pack
contents
descriptions
if [ "${1:-}" = chroot ]; then
    debian
    life
else
    unpacked
fi
exit $failed
