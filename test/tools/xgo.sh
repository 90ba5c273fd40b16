#!/bin/sh
# xgo.sh arm64|arm|amd64 GO-ARGUMENTS: runs go with cgo set up for that architecture:
# Debian's (cross) compiler against the sysroot of sysroot.sh, of the Debian release SUITE
# or else of this machine's own. CGO_CFLAGS and CGO_LDFLAGS are kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case $1 in
arm64) triplet=aarch64-linux-gnu debian=arm64 ;;
arm) triplet=arm-linux-gnueabihf debian=armhf; export GOARM="${GOARM:-7}" ;;
amd64) triplet=x86_64-linux-gnu debian=amd64 ;;
*) echo "xgo: GOARCH=$1 is not supported; use arm64, arm or amd64" >&2; exit 1 ;;
esac
export GOOS=linux GOARCH="$1" CGO_ENABLED=1
shift
root=$(sh "$here/sysroot.sh" $debian ${SUITE-})
export CC="$triplet-gcc --sysroot=$root"
export PKG_CONFIG_SYSROOT_DIR="$root" PKG_CONFIG_LIBDIR="$root/usr/lib/$triplet/pkgconfig:$root/usr/share/pkgconfig"
# The cross compiler would find the C library it was built with first.
export CGO_CFLAGS="${CGO_CFLAGS-} -O2 -g -isystem $root/usr/include/$triplet -isystem $root/usr/include"
export CGO_LDFLAGS="${CGO_LDFLAGS-} -O2 -L$root/usr/lib/$triplet -B$root/usr/lib/$triplet"
exec go "$@"
