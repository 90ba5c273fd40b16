#!/bin/sh
# neteq.sh: prints the path of a program that feeds traces to NetEq, the jitter buffer of
# Chromium, and builds it first if need be: test/audiobench/neteq/neteq.cc with the library
# that Debian makes of WebRTC for Telegram (libtgowt-dev). That and what it needs of Abseil are
# unpacked, not installed: their other dependencies are a hundred packages that NetEq does
# without. The folder's name holds a hash of this script and the source.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../audiobench/neteq/neteq.cc
base=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/neteq
dir=$base/$(cat "$0" "$source" | sha256sum | cut -c1-12)
if [ -x "$dir/neteq" ]; then echo "$dir/neteq"; exit 0; fi

work=$base/work.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/root"
quiet() { "$@" </dev/null >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "neteq: $1 failed" >&2; exit 1; }; }

echo "neteq: fetching and building" >&2
chmod 755 "$work" # apt fetches as somebody else, if it may
cd "$work"
quiet apt-get -q -o APT::Sandbox::User=root download libtgowt-dev libabsl-dev
for deb in "$work"/*.deb; do quiet dpkg -x "$deb" "$work/root"; done
lib=$(dirname "$(find "$work/root/usr/lib" -name libtg_owt.a)")
quiet g++ -std=c++20 -O2 -w -DWEBRTC_POSIX -DWEBRTC_LINUX -DNDEBUG \
	-I"$work/root/usr/include/tg_owt" -I"$work/root/usr/include" "$source" -o "$work/neteq" \
	-Wl,--gc-sections "$lib/libtg_owt.a" -Wl,--start-group "$lib"/libabsl_*.a -Wl,--end-group -lopus -lpthread
mkdir -p "$dir"
mv "$work/neteq" "$dir/neteq"
echo "$dir/neteq"
