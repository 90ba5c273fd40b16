#!/bin/sh
# xgo.sh arm64|arm GO-ARGUMENTS: runs go with cgo set up for that architecture:
# Debian's cross compiler against the sysroot of sysroot.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case $1 in
arm64) triplet=aarch64-linux-gnu debian=arm64 ;;
arm) triplet=arm-linux-gnueabihf debian=armhf; export GOARM="${GOARM:-7}" ;;
*) echo "xgo: GOARCH=$1 is not supported; use arm64 or arm" >&2; exit 1 ;;
esac
export GOOS=linux GOARCH="$1" CGO_ENABLED=1
shift
root=$(sh "$here/sysroot.sh" $debian)
export CC="$triplet-gcc --sysroot=$root"
export PKG_CONFIG_SYSROOT_DIR="$root" PKG_CONFIG_LIBDIR="$root/usr/lib/$triplet/pkgconfig:$root/usr/share/pkgconfig"
# The cross compiler would find the C library it was built with first.
export CGO_CFLAGS="-O2 -g -isystem $root/usr/include/$triplet -isystem $root/usr/include"
export CGO_LDFLAGS="-O2 -L$root/usr/lib/$triplet -B$root/usr/lib/$triplet"
exec go "$@"
