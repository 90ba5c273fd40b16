#!/bin/sh
# root.sh arm64|amd64: prints the directory with the packages of the root file system,
# unpacked and trimmed, and makes it first if need be (half a minute):
#   root/    the tree
#   status   what dpkg would say of the packages, for the SBOM
#
# No maintainer script runs, so nothing of the other architecture has to run either:
# no qemu, no binfmt. What the scripts of these few packages would do is done below and
# by compose.sh (docs/decisions/image-without-scripts.md).
set -eu
. "$(dirname "$0")/apt.sh"
arch=$1
dir=$cache/root-$arch-$(hash "$0" "$here/apt.sh" "$here/packages" "$here/suites.sh")
if [ -e "$dir/.complete" ]; then echo "$dir"; exit 0; fi
toolbox=$(sh "$here/toolbox.sh")
workdir
. "$here/suites.sh"
say "fetching the packages of the root ($arch)"
state "$work/release" "$arch" $release $release-security
state "$work/backports" "$arch" $backports
state "$work/next" "$arch" $next
fetchall "$work/release" $(packages root release)
fetch "$work/next" $(packages over next)
fetch "$work/backports" $(packages over backports)

root=$work/out/root
mkdir -p "$root"
base=$(ls "$work"/release/debs/base-files_*.deb)
unpack "$root" "$base" $(ls "$work"/release/debs/*.deb | grep -v /base-files_) "$work"/next/debs/*.deb $(ls "$work"/backports/debs/*.deb 2>/dev/null)

# What dpkg would know. A package of which two versions were unpacked is the later one.
for deb in "$work"/next/debs/*.deb "$work"/backports/debs/*.deb "$work"/release/debs/*.deb; do
	[ -e "$deb" ] || continue
	name=$(dpkg-deb -f "$deb" Package)
	! grep -qx "Package: $name" "$work/out/status" 2>/dev/null || continue
	dpkg-deb -f "$deb" | sed '/^Package:/a Status: install ok installed'
	echo
done >"$work/out/status.all"
awk -v RS= -v ORS='\n\n' '{ name = $2; if (!seen[name]++) print }' "$work/out/status.all" >"$work/out/status"
rm "$work/out/status.all"

# The work of maintainer scripts.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
sed -n 's/^\([^:]*\):.*/\1:*:20000:0:99999:7:::/p' "$root/etc/passwd" >"$root/etc/shadow"
sed -n 's/^\([^:]*\):.*/\1:*::/p' "$root/etc/group" >"$root/etc/gshadow"
chmod 640 "$root/etc/shadow" "$root/etc/gshadow"
chgrp 42 "$root/etc/shadow" "$root/etc/gshadow"
ln -sf dash "$root/usr/bin/sh"
find "$root/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat >"$root/etc/ssl/certs/ca-certificates.crt"

# What a door never needs. Of documentation the copyrights stay, packed.
mkdir -p "$root/usr/share/intercomd"
find "$root/usr/share/doc" ! -type d ! -name copyright -delete
tar -C "$root/usr/share/doc" -c --sort=name --mtime=@0 --owner=0 --group=0 . | zstd -q -19 >"$root/usr/share/intercomd/copyrights.tar.zst"
cd "$root"
rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/i18n usr/share/info usr/share/bash-completion usr/share/zsh \
	usr/share/perl* usr/share/debconf usr/share/lintian usr/share/bug usr/share/menu usr/share/common-licenses usr/share/gcc \
	usr/share/gdb usr/share/polkit-1 usr/share/pixmaps usr/share/ca-certificates usr/share/initramfs-tools usr/share/tabset \
	usr/share/zoneinfo/right usr/share/zoneinfo/posix usr/share/bash-completion usr/share/applications usr/share/icons usr/share/dpkg
rm -rf usr/lib/*-linux-gnu*/perl* usr/lib/*-linux-gnu*/gconv usr/lib/*-linux-gnu*/libperl* usr/lib/apt usr/lib/dpkg usr/lib/locale usr/lib/init \
	usr/lib/lsb usr/lib/kernel usr/lib/udev/hwdb.d usr/lib/udev/hwdb.bin usr/lib/tc usr/lib/systemd/boot usr/lib/pcrlock.d usr/lib/modules
rm -rf etc/apt etc/dpkg etc/kernel etc/logrotate.d etc/cron* etc/perl etc/debconf.conf etc/initramfs-tools etc/apparmor.d etc/default etc/init.d etc/rc?.d \
	etc/update-motd.d etc/X11 etc/skel etc/xdg var/cache/* var/log/* var/lib/dpkg var/lib/apt var/backups/*
rm -f usr/bin/perl* usr/bin/apt* usr/bin/dpkg* usr/bin/debconf* usr/bin/deb-systemd* usr/bin/update-alternatives usr/bin/openssl usr/bin/c_rehash \
	usr/bin/localedef usr/bin/iconv usr/bin/chage usr/bin/expiry usr/bin/gpasswd usr/bin/newgrp usr/bin/bootctl usr/bin/systemd-cryptsetup \
	usr/bin/systemd-vpick usr/bin/systemd-stdio-bridge usr/bin/chsh usr/bin/chfn usr/bin/passwd usr/bin/su usr/bin/bashbug \
	usr/sbin/update-* usr/sbin/dpkg* usr/sbin/user* usr/sbin/group* usr/sbin/vi[pg][wr] usr/sbin/pw* usr/sbin/grp* usr/sbin/*passwd usr/sbin/newusers \
	usr/sbin/mkfs.cramfs usr/sbin/mkfs.minix usr/sbin/mkfs.bfs usr/sbin/fsck.cramfs usr/sbin/fsck.minix usr/sbin/debugfs usr/sbin/e2image \
	usr/sbin/zic usr/sbin/iconvconfig usr/sbin/installkernel usr/sbin/adduser usr/sbin/deluser usr/sbin/addgroup usr/sbin/delgroup
# Wi-Fi: the chips of the boards only.
if [ -d usr/lib/firmware ]; then
	find usr/lib/firmware \( -type f -o -type l \) | grep -vE '/(brcmfmac43(430|436|436s|455|456)|cyfmac43(430|455))[^/]*$|/regulatory' | xargs -d '\n' rm -f
	find usr/lib/firmware -xtype l -delete
	find usr/lib/firmware -type d -empty -delete
fi
find . -xdev -perm /6000 -type f -exec chmod a-s {} + # nobody becomes anybody here
mkdir -p var/log var/cache var/lib var/tmp
cd "$here"
say "the root has $(du -sm "$root" | cut -f1) MB unpacked"
finish "$dir"
