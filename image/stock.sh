#!/bin/sh
# stock.sh INSTALLED: prints the directory with a plain Debian 13 that has the door station
# installed from its package's files, to compare with: root.ext4, vmlinuz, initrd. The same
# kernel as the card image, Debian's own initrd, DHCP by ifupdown, an SSH server; nothing
# trimmed. Needs root. Made once, kept by a hash of this script and the daemon.
set -eu
. "$(dirname "$0")/apt.sh"
. "$here/suites.sh"
installed=$(realpath "$1")
kernel=$(sh "$here/kernel.sh" amd64)
read -r package _ <"$kernel/package"
dir=$cache/stock-amd64-$(hash "$0" "$kernel/package" "$installed/usr/bin/intercomd")
if [ -e "$dir/.complete" ]; then echo "$dir"; exit 0; fi
workdir
mkdir -p "$work/out"
say "making a plain Debian $release to compare with"
sources $release $release-security $backports >"$work/sources.list"
quiet nice mmdebstrap --variant=important \
	--include="$package,linux-base/$backports,initramfs-tools,zstd,systemd-sysv,ifupdown,isc-dhcp-client,openssh-server,libportaudio2,libopus0,libspeexdsp1" \
	"$release" "$work/root" "$work/sources.list"
cp -a "$installed/." "$work/root/"
printf 'auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n' >"$work/root/etc/network/interfaces"
echo debian >"$work/root/etc/hostname"
printf '/dev/vda / ext4 defaults,errors=remount-ro 0 1\n' >"$work/root/etc/fstab"
echo 00000000000000000000000000d00001 >"$work/root/etc/machine-id" # not a first start
quiet chroot "$work/root" systemd-sysusers
quiet chroot "$work/root" systemd-tmpfiles --create
quiet chroot "$work/root" systemctl enable intercomd.service
cp "$work"/root/boot/vmlinuz-* "$work/out/vmlinuz"
cp "$work"/root/boot/initrd.img-* "$work/out/initrd"
quiet mke2fs -q -t ext4 -d "$work/root" "$work/out/root.ext4" 2500M
finish "$dir"
