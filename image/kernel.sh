#!/bin/sh
# kernel.sh arm64|amd64: prints the directory with the newest kernel of the packages'
# suite and makes it first if need be:
#   version            as uname -r has it
#   package            name and version of the Debian package
#   vmlinuz            as the firmware (arm64: compressed with gzip) or QEMU loads it
#   lib/modules/…      all its modules
#   rpi_tryboot.ko     our module, built for exactly this kernel (arm64)
#   dtb/, firmware/    device trees; the boards' loaders and overlays (arm64)
#   status             what dpkg would say of these packages, for the SBOM
#   doc/               their copyright files
# The newest one moves on with Debian: delete ~/.cache/intercomd/image to fetch it.
set -eu
. "$(dirname "$0")/apt.sh"
arch=$1
dir=$cache/kernel-$arch-$(hash "$0" "$here/apt.sh" "$here/packages" "$here/suites.sh" "$here/tryboot/rpi_tryboot.c" "$here/tryboot/Kbuild")
if [ -e "$dir/.complete" ]; then echo "$dir"; exit 0; fi
toolbox=$(sh "$here/toolbox.sh")
workdir
. "$here/suites.sh"
out=$work/out
mkdir -p "$out"
say "fetching a kernel of $backports ($arch)"
state "$work/k" "$arch" $backports $release
state "$work/next" "$arch" $next
aptcache() { APT_CONFIG=$work/k/apt.conf apt-cache "$@"; }
# linux-image-ARCH is a name for the newest linux-image-VERSION; which of these packages
# hold its files depends on the release.
meta=$(aptcache madison "linux-image-$arch" | awk -F ' *[|] *' -v s="$backports/" 'index($3, s) { print $2; exit }')
[ -n "$meta" ] || die "no kernel for $arch in $backports"
image=$(aptcache show "linux-image-$arch=$meta" | sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p')
version=${image#linux-image-}
debs=$image
for name in linux-base-"$version" linux-binary-"$version" linux-modules-"$version"; do
	if aptcache show "$name" >/dev/null 2>&1; then debs="$debs $name"; fi
done
fetch "$work/k" $debs
mkdir "$work/x"
for deb in "$work"/k/debs/*.deb; do dpkg-deb -x "$deb" "$work/x"; done
names=$(packages firmware next)
if [ -n "$names" ]; then
	fetch "$work/next" $names
	for deb in "$work"/next/debs/*.deb; do dpkg-deb -x "$deb" "$work/x"; done
	cp -r "$work/x/usr/lib/raspi-firmware" "$out/firmware"
fi
for deb in "$work"/k/debs/*.deb "$work"/next/debs/*.deb; do
	[ -e "$deb" ] || continue
	dpkg-deb -f "$deb" | sed '/^Package:/a Status: install ok installed'
	echo
done >"$out/status"
echo "$version" >"$out/version"
echo "$image $meta" >"$out/package"

mkdir "$out/doc"
(cd "$work/x/usr/share/doc" && find . -name copyright | cpio -pdmL --quiet "$out/doc")

modules=$(find "$work/x" -type d -path "*/lib/modules/$version")
for k in "$modules/vmlinuz" "$work/x/boot/vmlinuz-$version"; do
	if [ -e "$k" ]; then cp "$k" "$work/vmlinuz"; fi
done
mkdir -p "$out/lib/modules"
mv "$modules" "$out/lib/modules/$version"
rm -f "$out/lib/modules/$version/vmlinuz" "$out/lib/modules/$version/build" "$out/lib/modules/$version/source"
dtb=$(find "$out/lib/modules/$version" "$work/x/usr/lib" -type d -name dtb 2>/dev/null | head -1)
[ -z "$dtb" ] || mv "$dtb" "$out/dtb"
case $arch in
arm64) gzip -n9 <"$work/vmlinuz" >"$out/vmlinuz" ;;
*) cp "$work/vmlinuz" "$out/vmlinuz" ;;
esac

if [ "$arch" = arm64 ]; then
	say "building rpi_tryboot for $version"
	host=$(dpkg --print-architecture)
	fetch "$work/k" "linux-headers-$version" "linux-headers-${version%-*}-common"
	state "$work/host" "$host" $backports
	fetch "$work/host" "linux-kbuild-${version%-*}"
	# Their files point to each other from the top of the tree.
	rm -rf "$toolbox"/usr/src/* "$toolbox"/usr/lib/linux-kbuild-* "$toolbox/usr/lib/modules/$version"
	for deb in "$work"/k/debs/linux-headers-*.deb "$work"/host/debs/*.deb; do unpack "$toolbox" "$deb"; done
	rm -rf "$toolbox/tryboot"
	cp -r "$here/tryboot" "$toolbox/tryboot"
	quiet env -i PATH=/usr/sbin:/usr/bin KBUILD_BUILD_TIMESTAMP='2026-01-01' KBUILD_BUILD_USER=intercomd KBUILD_BUILD_HOST=image \
		chroot "$toolbox" make -C "/usr/src/linux-headers-$version" M=/tryboot ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules
	chroot "$toolbox" aarch64-linux-gnu-strip --strip-debug /tryboot/rpi_tryboot.ko
	cp "$toolbox/tryboot/rpi_tryboot.ko" "$out/"
	rm -rf "$toolbox/tryboot" "$toolbox"/usr/src/* "$toolbox"/usr/lib/linux-kbuild-*
	# The kernel refuses a module of another version: better now than on a ladder.
	magic=$(modinfo -F vermagic "$out/rpi_tryboot.ko")
	case $magic in
	"$version "*) ;;
	*) die "rpi_tryboot was built for \"$magic\", the kernel is $version" ;;
	esac
fi
depmod -b "$out" "$version" 2>"$work/log" || { cat "$work/log" >&2; die "depmod failed"; }
finish "$dir"
