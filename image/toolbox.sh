#!/bin/sh
# toolbox.sh: prints the directory of a small Debian with everything that makes images:
# file systems, FAT and partition tables without mounting, compilers for the module,
# RAUC for bundles. In it the same versions work whatever this machine runs, and nothing
# of it is installed here. Needs root: it is entered with chroot.
set -eu
. "$(dirname "$0")/apt.sh"
release=trixie
packages=erofs-utils,dosfstools,mtools,fdisk,e2fsprogs,cpio,zstd,xz-utils,kmod,systemd,gcc,gcc-aarch64-linux-gnu,make,bc,libelf1t64,libdw1t64,squashfs-tools,openssl

[ "$(id -u)" = 0 ] || die "making an image needs root: its tools run in a chroot, and owners of files must be kept"
arch=$(dpkg --print-architecture)
dir=$cache/toolbox-$arch-$(hash "$0" "$here/apt.sh")
if [ -e "$dir/.complete" ]; then echo "$dir"; exit 0; fi
workdir
say "making the toolbox (Debian $release, once)"
sources $release $release-security >"$work/sources.list"
quiet nice mmdebstrap --variant=minbase --include="$packages" \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	"$release" "$work/out" "$work/sources.list"
finish "$dir"
