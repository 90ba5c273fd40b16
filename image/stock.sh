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
# Within a hook, since only there the root has its /proc.
cat >"$work/hook" <<HOOK
set -e
cp -a "$installed/." "\$1/"
printf 'auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n' >"\$1/etc/network/interfaces"
echo debian >"\$1/etc/hostname"
printf '/dev/vda / ext4 defaults,errors=remount-ro 0 1\n' >"\$1/etc/fstab"
echo 00000000000000000000000000d00001 >"\$1/etc/machine-id" # not a first start
chroot "\$1" systemd-sysusers
chroot "\$1" systemd-tmpfiles --create intercomd.conf
chroot "\$1" systemctl enable intercomd.service
HOOK
quiet nice mmdebstrap --variant=important \
	--include="$package,linux-base/$backports,initramfs-tools,zstd,systemd-sysv,ifupdown,isc-dhcp-client,openssh-server,libportaudio2,libopus0,libspeexdsp1" \
	--customize-hook="sh $work/hook \"\$1\"" "$release" "$work/root" "$work/sources.list"
cp "$work"/root/boot/vmlinuz-* "$work/out/vmlinuz"
cp "$work"/root/boot/initrd.img-* "$work/out/initrd"
quiet mke2fs -q -t ext4 -d "$work/root" "$work/out/root.ext4" 2500M
finish "$dir"
