#!/bin/sh
# make.sh arm64|amd64 OUT: a card image with the intercomd of this checkout in bin/.
# The one of arm64 is the product, packed for Raspberry Pi Imager and its like; the one
# of amd64 is its sibling for tests. PACK= leaves out the packing, PROGRAM= names another
# intercomd.
set -eu
umask 022
. "$(dirname "$0")/apt.sh"
arch=$1 out=$2
top=$(cd "$here/.." && pwd)
program=$top/bin/intercomd
[ "$arch" = "$(dpkg --print-architecture)" ] || program=$top/bin/intercomd-$arch
program=${PROGRAM:-$program}
mkdir -p "$out" "$cache"
# One at a time: two would share the toolbox.
exec 9>"$cache/lock"
flock 9
installed=$out/installed
rm -rf "$installed"
mkdir -p "$installed"
DESTDIR=$installed PREFIX=/usr sh "$top/packaging/install.sh" "$program"
sh "$here/compose.sh" "$arch" "$installed" "$out"
rm -rf "$installed"
if [ -n "${PACK-1}" ]; then
	name=intercomd-$(sed -n 's/^image //p' "$out/version")-$arch.img
	rm -f "$out"/intercomd-*.img.xz*
	say "packing $name.xz"
	nice xz -T0 -6 -c "$out/card.img" >"$out/$name.xz.part"
	size=$(stat -c %s "$out/$name.xz.part")
	[ "$size" -le 100000000 ] || die "$name.xz has $size bytes; 100 MB is the limit"
	mv "$out/$name.xz.part" "$out/$name.xz"
	(cd "$out" && sha256sum "$name.xz" >"$name.xz.sha256")
	say "$out/$name.xz: $(awk -v n="$size" 'BEGIN { printf "%.1f", n / 1e6 }') MB"
fi
