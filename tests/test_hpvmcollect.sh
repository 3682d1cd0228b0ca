#!/bin/sh
# hpvmcollect: the manual's report line by line, what is in the archive, its names, refusals, the
# copy by a stand-in for scp.
bin=$(dirname "${KITTSON:?}")
golden=$KITTSON_SOURCE/tests/hpvmcollect
[ -e "$bin/hpvmcollect" ] || { echo "no hpvm commands in $bin"; exit 1; }
command -v tar > /dev/null || { echo "skipped: tar is not installed"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/away"
cat > "$work/bin/scp" <<'S'
#!/bin/sh
[ "$1 $2" = "-qrB --" ] && [ "$4" = support: ] && cp -r "$3" "$AWAY"
S
chmod +x "$work/bin/scp"
PATH=$work/bin:$bin:$PATH
AWAY=$work/away
HPVM_ROOT=$work/state
export PATH AWAY HPVM_ROOT
cd "$work" || exit 1
failed=0

fail() { echo "FAILED: $*"; failed=1; }
results() { sed 's, \(OK\|N/A\)$, X,'; }
refused() { # TEXT COMMAND...
    text=$1
    shift
    "$@" > out 2> err && fail "accepted: $*"
    grep -qF -e "$text" err || { fail "$*: not '$text'"; cat err; }
}

truncate -s 1M disk
hpvmcreate -F -P web -a "disk:scsi::file:$work/disk"
mkdir -p state/guests/web/app
echo "from the console" > state/guests/web/app/console
ln -s /etc/passwd state/guests/web/app/nvram

hpvmcollect -P web > out || fail "collect"
sed '/^The collection is/,$d' out | results | diff -u "$golden/host.txt" - || fail "report"
grep -q '^Copying guest.s console log file \.* OK$' out || fail "console log"
grep -q '^Copying NVRAM image \.* N/A$' out || fail "a link was followed"
archive=$(tail -n 1 out | tr -d '"')
echo "$archive" | grep -qE "/hpvmcollect_archive/web_[A-Z][a-z]{2}\.[0-9]{2}\.[0-9]{2}_[0-9]{6}[A-Z0-9+-]+\.tar\.gz\$" ||
    fail "name $archive"
name=$(basename "$archive" .tar.gz)
tar -xOzf "$archive" "$name/guest.console" | grep -q "from the console" || fail "content"
tar -xOzf "$archive" "$name/guest.status" | grep -q '^web  ' || fail "status"
tar -xOzf "$archive" "$name/host.files" | grep -q "$work/disk: there, 1048576 bytes" || fail "files"
tar -tzf "$archive" | grep -q nvram && fail "an empty file is left"
[ "$(stat -c %a "$archive" "$(dirname "$archive")" | tail -n 1)" = 700 ] || fail "others may read"

# Names, directories, older ones.
hpvmcollect -d "$work/there" -c -n 23 -P web | grep -q '^Tar archiving and compressing \.* TAR$' || fail "-c"
hpvmcollect -P web -c | grep -q '^Collecting crash dump \.* N/A$' || fail "no dumps"
hpvmcollect -d there -b bug7 web > out || fail "a bare name"
[ -e there/hpvmcollect_archive/bug7.tar.gz ] || fail "-b"
hpvmcollect -d there -b bug7 -p 1 > out || fail "again"
ls there/hpvmcollect_archive | grep -q '^bug7.tar.gz\.' || fail "the older one is gone"
rm there/hpvmcollect_archive/bug7*
hpvmcollect -d there -b bug7 -P web > out
hpvmcollect -d there -b bug7 -f -P web > out || fail "-f"
[ "$(ls there/hpvmcollect_archive | grep -c bug7)" = 1 ] || fail "-f keeps the older one"
hpvmcollect -P web -l -b dir | grep -q '^Tar archiving and compressing \.* NO$' || fail "-l"
[ -e hpvmcollect_archive/dir/guest.status ] || fail "no directory"
hpvmcollect -P web -s support -b sent | grep -q '^Remote copying the archive \.* OK$' || fail "-s"
[ -e away/sent.tar.gz ] || fail "nothing was copied"
refused 'cannot be copied to nobody' hpvmcollect -P web -s nobody

refused 'name or number is required' hpvmcollect
refused 'does not exist' hpvmcollect -P other
refused "'-n' needs '-c'" hpvmcollect -P web -n 21
refused "exclude each other" hpvmcollect -P web -p 1
refused "is repeated" hpvmcollect -P web -f -f
for label in ../x a/b -x ''; do refused 'label' hpvmcollect -P web -b "$label"; done
for host in -oProxyCommand=x 'a b' a/b ''; do refused 'host' hpvmcollect -P web -s "$host"; done
refused 'disk' hpvmcollect -P web -d "$work/disk"
hpvmcollect -h | grep -q 'man hpvmcollect' || fail help
hpvmcollect --help | grep -q 'man hpvmcollect' || fail help
grep -q 'hpvmcollect -P web$' state/common/command.log || fail log
[ $failed = 0 ] && echo "hpvmcollect: all fine"
exit $failed
