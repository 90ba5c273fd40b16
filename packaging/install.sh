#!/bin/sh
# install.sh PROGRAM: puts everything that a system gets of intercomd below $DESTDIR.
# This is the one list of it: documents, tests, the Debian package and the image use it.
# PROGRAM is the intercomd to install. PREFIX is /usr, or /usr/local for systems whose
# /usr belongs to packages. Nothing outside DESTDIR is touched and nothing is started.
set -eu
umask 022
program=$(realpath "$1")
root=${DESTDIR:+$(mkdir -p "$DESTDIR" && realpath "$DESTDIR")}
prefix=${PREFIX:-/usr}
cd "$(dirname "$0")/.."
prompts=${PROMPTS:-$PWD/build/prompts}

# put MODE FROM TO: TO is relative to the prefix.
put() { install -D -m "$1" "$2" "$root$prefix/$3"; }
# text FROM TO: for files that name places of the program.
text() {
	install -d "$(dirname "$root$prefix/$2")"
	sed "s|/usr/bin/intercomd|$prefix/bin/intercomd|g; s|/usr/share/intercomd|$prefix/share/intercomd|g" "$1" >"$root$prefix/$2"
	chmod 644 "$root$prefix/$2"
}
# page FROM TO: a manual page.
page() {
	install -d "$(dirname "$root$prefix/$2")"
	gzip -9nc "$1" >"$root$prefix/$2"
	chmod 644 "$root$prefix/$2"
}

put 755 "$program" bin/intercomd

text systemd/intercomd.service   lib/systemd/system/intercomd.service
text systemd/intercomd.sysusers  lib/sysusers.d/intercomd.conf
text systemd/intercomd.tmpfiles  lib/tmpfiles.d/intercomd.conf
text systemd/60-intercomd.rules  lib/udev/rules.d/60-intercomd.rules

# From which systemd-tmpfiles makes /etc/intercomd/intercom.toml where there is none: it is
# the administrator's from then on, and no installation ever writes over it.
put 644 packaging/intercom.toml  share/intercomd/intercom.toml
for language in "$prompts"/*/; do
	language=$(basename "$language")
	for wav in "$prompts/$language"/*.wav; do
		put 644 "$wav" "share/intercomd/prompts/$language/$(basename "$wav")"
	done
done

page docs/man/intercomd.8        share/man/man8/intercomd.8.gz
page docs/man/intercom.toml.5    share/man/man5/intercom.toml.5.gz

doc=share/doc/intercomd
put 644 README.md                $doc/README.md
for name in installing wiring configuration operating status-page interface; do
	put 644 docs/$name.md        $doc/$name.md
done
# Every setting with its default, and whole doors; the boards are in the program as well.
put 644 configs/intercom.toml    $doc/examples/every-setting.toml
(cd configs && find examples boards -type f ! -name "*.go") | sort | while read -r file; do
	case $file in
	examples/*) put 644 "configs/$file" "$doc/$file" ;;
	*) put 644 "configs/$file" "$doc/examples/$file" ;;
	esac
done
