#!/bin/sh
# root.sh SUITE: prints the directory of a small Debian of that release with systemd, and
# makes it first if need be. What the package needs is in apt's cache there, not installed,
# so that apt can install it without a network; dpkg does not wait for the disk there. The directory's name holds a hash of this
# script. Needs root.
set -eu
suite=$1
base=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/deb
dir=$base/$suite-$(sha256sum "$0" | cut -c1-12)
if [ -e "$dir.complete" ]; then echo "$dir"; exit 0; fi
work=$base/work-$suite.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work"
mirror=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(SITE)' |
	awk '$1 == "Debian" && $3 == "main" && $2 !~ /-/ { print $4; exit }')
if [ -z "$mirror" ]; then
	echo "root: no Debian archive among the apt sources; run apt-get update first" >&2
	exit 1
fi
echo "root: making a root of Debian $suite" >&2
mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,adduser \
	--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io --aptopt='Acquire::Languages "none"' \
	--skip=cleanup/apt,cleanup/reproducible \
	--customize-hook='chroot "$1" apt-get install -qq -y --download-only -o APT::Install-Recommends=true libportaudio2 libopus0 libspeexdsp1 ca-certificates udev </dev/null' \
	"$suite" "$work/root" "$mirror" </dev/null >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
for old in "$base/$suite"-*; do # those of earlier versions of this script
	if [ -e "$old" ] && [ "$old" != "$dir" ]; then rm -rf "$old"; fi
done
rm -rf "$dir"
mv "$work/root" "$dir"
touch "$dir.complete"
echo "$dir"
