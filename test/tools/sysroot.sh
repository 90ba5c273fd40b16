#!/bin/sh
# sysroot.sh arm64|armhf: prints the directory of a sysroot for that Debian
# architecture and makes it first if need be: the libraries and headers of this
# machine's own Debian release, downloaded with a private apt state and unpacked.
# No maintainer script runs and nothing of it is installed on this machine.
set -eu
arch=$1
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
base=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/sysroot
root=$base/$codename-$arch
if [ -e "$root/.complete" ]; then echo "$root"; exit 0; fi

work=$base/work-$arch.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root/usr/lib"
: >"$work/status"
# Debian's own archive among this machine's sources, whatever else is configured;
# the plain release without updates, which is all that linking needs.
apt-get indextargets --format '$(ORIGIN) $(SITE) $(RELEASE) $(COMPONENT)' | sort -u |
	awk -v release="$codename" '$1 == "Debian" && $4 == "main" && $3 == release {
		print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] " $2 " " $3 " " $4 }' >"$work/sources.list"
if [ ! -s "$work/sources.list" ]; then
	echo "sysroot: no Debian archive among the apt sources; run apt-get update first" >&2
	exit 1
fi
aptq() {
	apt-get -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Install-Recommends=false \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::State::lists="$work/lists" \
		-o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferencesparts=- -o Debug::NoLocking=1 "$@" </dev/null >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; echo "sysroot: apt-get $1 failed for $arch" >&2; exit 1; }
}
echo "sysroot: fetching the $arch libraries of Debian $codename" >&2
aptq update
aptq install -y --download-only libc6-dev portaudio19-dev libopus-dev libspeexdsp-dev libasound2-dev
# /lib is /usr/lib in every Debian of today; packages may still carry it as a folder.
ln -s usr/lib "$work/root/lib"
for deb in "$work"/cache/archives/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -C "$work/root" --keep-directory-symlink --no-same-owner --exclude './usr/share/*' --exclude './var/*' --exclude './etc/*' --exclude './usr/bin/*' --exclude './usr/sbin/*' 2>"$work/log" ||
		{ cat "$work/log" >&2; exit 1; }
done
touch "$work/root/.complete"
rm -rf "$root"
mv "$work/root" "$root"
echo "$root"
