#!/bin/sh
# debs.sh SUITE ARCH DIR PACKAGE...: fetches these packages of a Debian release and all that
# they need, for that architecture, into DIR. They come from this machine's own Debian mirror
# with a private apt state; nothing is installed.
set -eu
suite=$1 arch=$2 dir=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$dir" "$work/lists/partial" "$work/cache/archives/partial"
: >"$work/status"
mirror=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(SITE)' |
	awk '$1 == "Debian" && $3 == "main" && $2 !~ /-/ { print $4; exit }')
if [ -z "$mirror" ]; then
	echo "debs: no Debian archive among the apt sources; run apt-get update first" >&2
	exit 1
fi
# The plain release without updates, which is all that linking needs.
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources.list"
aptq() {
	apt-get -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Install-Recommends=false \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::State::lists="$work/lists" \
		-o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferencesparts=- -o Debug::NoLocking=1 "$@" </dev/null >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; echo "debs: apt-get $1 failed for $suite $arch" >&2; exit 1; }
}
echo "debs: fetching $* of Debian $suite for $arch" >&2
aptq update
aptq install -y --download-only "$@"
mv "$work"/cache/archives/*.deb "$dir/"
