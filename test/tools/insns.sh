#!/bin/sh
# insns.sh arm64|arm PACKAGE BENCHMARK...: how many instructions an iteration of each Go
# benchmark takes on that architecture, counted under qemu-user: those of a long run less
# those of a short one. Where a garbage collector or another thread works, the last
# digits differ from run to run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
arch=$1 package=$2
shift 2
case $arch in
arm64) debian=arm64 qemu=qemu-aarch64 ;;
arm) debian=armhf qemu=qemu-arm ;;
*) echo "insns: $arch is not arm64 or arm" >&2; exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
gcc -O2 -shared -fPIC -o "$work/insns.so" "$here/insns.c"
[ -n "${BINARY-}" ] || { sh "$here/xgo.sh" "$arch" test -c -o "$work/test" "$package"; BINARY=$work/test; }
root=$(sh "$here/sysroot.sh" $debian)
run() {
	GOMAXPROCS=1 $qemu -plugin "$work/insns.so" -L "$root" "$BINARY" -test.run '^$' -test.bench "^$1\$" -test.benchtime "$2x" 2>&1 |
		awk '$1 == "instructions" { print $2 }'
}
for name; do
	few=$(run "$name" 200)
	many=$(run "$name" 800)
	echo "$package $name: $(((many - few) / 600)) instructions"
done
