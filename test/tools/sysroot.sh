#!/bin/sh
# sysroot.sh arm64|armhf|amd64 [SUITE]: prints the directory of a sysroot for that Debian
# architecture and makes it first if need be: the libraries and headers of that
# Debian release, this machine's own if none is named, unpacked.
# No maintainer script runs and nothing of it is installed on this machine.
set -eu
arch=$1
codename=${2:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
base=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/sysroot
root=$base/$codename-$arch
if [ -e "$root/.complete" ]; then echo "$root"; exit 0; fi

work=$base/work-$arch.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/root/usr/lib"
sh "$(dirname "$0")/debs.sh" "$codename" "$arch" "$work/debs" libc6-dev portaudio19-dev libopus-dev libspeexdsp-dev libasound2-dev
# /lib is /usr/lib in every Debian of today; packages may still carry it as a folder.
ln -s usr/lib "$work/root/lib"
for deb in "$work"/debs/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -C "$work/root" --keep-directory-symlink --no-same-owner --exclude './usr/share/*' --exclude './var/*' --exclude './etc/*' --exclude './usr/bin/*' --exclude './usr/sbin/*' 2>"$work/log" ||
		{ cat "$work/log" >&2; exit 1; }
done
touch "$work/root/.complete"
rm -rf "$root"
mv "$work/root" "$root"
echo "$root"
