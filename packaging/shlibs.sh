#!/bin/sh
# shlibs.sh ARCH: prints a directory with the libraries that the daemon is linked against, as
# the packages of each Debian release that it is made for have them, for that architecture:
# SUITE/PACKAGE/... with DEBIAN/ in each. Made first if need be; nothing is installed.
set -eu
arch=$1
here=$(cd "$(dirname "$0")" && pwd)
base=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/shlibs
dir=$base/$arch-$(cat "$here/shlibs.sh" "$here/suites" | sha256sum | cut -c1-12)
if [ -e "$dir/.complete" ]; then echo "$dir"; exit 0; fi
work=$base/work-$arch.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
for suite in $(cat "$here/suites"); do
	sh "$here/../test/tools/debs.sh" "$suite" "$arch" "$work/debs/$suite" libportaudio2 libopus0 libspeexdsp1
	for deb in "$work/debs/$suite"/*.deb; do
		to=$work/out/$suite/$(dpkg-deb -f "$deb" Package)
		mkdir -p "$to"
		# Libraries that belong to the system are not to be owned by it here.
		dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner -C "$to"
		dpkg-deb -e "$deb" "$to/DEBIAN"
	done
done
touch "$work/out/.complete"
for old in "$base/$arch"-*; do # those of earlier versions of this script
	if [ -e "$old/.complete" ]; then rm -rf "$old"; fi
done
mv "$work/out" "$dir"
echo "$dir"
