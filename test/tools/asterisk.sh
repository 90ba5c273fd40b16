#!/bin/sh
# asterisk.sh: prints the folder of an Asterisk 22 and fetches it first if need be.
# Debian 12 and 13 have none, so it comes from sid, from this machine's own Debian
# mirror with a private apt state: the packages and everything that they need, down
# to the C library, are unpacked into the folder. Nothing of it is installed, no script
# of a package runs, nobody has to be root. test/lab starts it with the folder's own
# dynamic linker. The folder's name holds a hash of this script, so that a changed
# script makes a new one.
set -eu
suite=sid
arch=$(dpkg --print-architecture)
base=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/asterisk
dir=$base/$(sha256sum "$0" | cut -c1-12)
if [ -e "$dir/.complete" ]; then echo "$dir"; exit 0; fi

work=$base/work.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
: >"$work/status"

quiet() { "$@" </dev/null >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "asterisk: $1 failed" >&2; exit 1; }; }

mirror=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(SITE)' |
	awk '$1 == "Debian" && $3 == "main" && $2 !~ /-/ { print $4; exit }')
if [ -z "$mirror" ]; then
	echo "asterisk: no Debian archive among the apt sources; run apt-get update first" >&2
	exit 1
fi
# A mirror that lags behind has a list of sid past its date; the signature still counts.
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] $mirror $suite main" >"$work/sources.list"
opts="-q -o APT::Architecture=$arch -o APT::Architectures=$arch -o APT::Sandbox::User=root -o Acquire::Languages=none
	-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
	-o Dir::State=$work -o Dir::State::status=$work/status -o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache
	-o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
	-o Debug::NoLocking=1"

echo "asterisk: fetching Asterisk of Debian $suite (once)" >&2
quiet apt-get $opts update
quiet apt-get $opts install -y --download-only --no-install-recommends asterisk
for deb in "$work"/cache/archives/*.deb; do
	# Not dpkg-deb -x, which would give files to owners that only root can name.
	dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner --keep-directory-symlink -C "$work/root" \
		--exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/locale*' --exclude='./dev/*'
done
touch "$work/root/.complete"
for old in "$base"/*; do # those of earlier versions of this script
	if [ -e "$old/.complete" ]; then rm -rf "$old"; fi
done
mv "$work/root" "$dir"
echo "$dir"
