#!/bin/sh
# image.sh [amd64|arm64]: prints the directory with what the virtual machine boots and
# makes it first if need be:
#   vmlinuz    a stock Debian kernel that has gpio-sim and snd-aloop as modules
#   initrd     a static busybox, the modules of the virtual disk and network, init
#   root.ext4  a small Debian with systemd, ALSA, the daemon's libraries
# Everything comes from this machine's own Debian mirror with a private apt state;
# nothing of it is installed here. The directory's name holds a hash of this script,
# so that a changed script makes a new one. Needs root (mmdebstrap keeps owners).
set -eu
arch=${1:-amd64}
# Kernels from 7.2 on have both modules; the release's own does not.
release=trixie
kernels=trixie-backports
packages=systemd,systemd-sysv,udev,kmod,iproute2,procps,alsa-utils,gpiod,libportaudio2,libopus0,libspeexdsp1
# Other responders of multicast DNS, which only a test starts.
responders=systemd-resolved,avahi-daemon,dbus
# What every Debian has, for a root that is unpacked only.
foreign=base-files,base-passwd,bash,coreutils,dash,findutils,grep,gzip,hostname,init-system-helpers,login,mawk,mount,passwd,sed,tar,util-linux
first="virtio_pci virtio_blk virtio_net virtio_rng ext4"	# in the initrd
later="gpio-sim snd-aloop i6300esb softdog"			# in the root, for modprobe
if [ "$arch" = amd64 ]; then later="$later snd-dummy"; fi	# Debian's for arm64 has none

if [ "$(dpkg --print-architecture)" != amd64 ]; then
	echo "image: the virtual machine of the tests is made for amd64 hosts only" >&2
	exit 1
fi
base=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/vm
dir=$base/$arch-$(sha256sum "$0" | cut -c1-12)
if [ -e "$dir/.complete" ]; then echo "$dir"; exit 0; fi

work=$base/work.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/x" "$work/out" "$work/initrd"
: >"$work/status"

quiet() { "$@" </dev/null >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "image: $1 failed" >&2; exit 1; }; }

# Debian's own archive among this machine's sources, whatever else is configured.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(SITE)' |
	awk '$1 == "Debian" && $3 == "main" && $2 !~ /-/ { print $4; exit }')
if [ -z "$mirror" ]; then
	echo "image: no Debian archive among the apt sources; run apt-get update first" >&2
	exit 1
fi
for suite in $release $kernels; do
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$work/sources.list"
opts="-q -o APT::Architecture=$arch -o APT::Architectures=$arch -o APT::Sandbox::User=root -o Acquire::Languages=none
	-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
	-o Dir::State=$work -o Dir::State::status=$work/status -o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache
	-o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
	-o Debug::NoLocking=1"

echo "image: fetching a kernel of $kernels" >&2
quiet apt-get $opts update
if [ -z "$(apt-cache $opts madison "linux-image-$arch")" ]; then
	cat "$work/log" >&2 # apt-get ends well although it could fetch nothing
	echo "image: the Debian mirror $mirror cannot be reached" >&2
	exit 1
fi
# linux-image-ARCH is a name for the newest linux-image-VERSION; which of
# these packages hold its files depends on the release.
meta=$(apt-cache $opts madison "linux-image-$arch" | awk -F ' *[|] *' -v s="$kernels/" 'index($3, s) { print $2; exit }')
image=$(apt-cache $opts show "linux-image-$arch=$meta" | sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p')
version=${image#linux-image-}
debs=$image
for name in linux-base-"$version" linux-binary-"$version" linux-modules-"$version"; do
	if apt-cache $opts show "$name" >/dev/null 2>&1; then debs="$debs $name"; fi
done
(cd "$work/cache" && quiet apt-get $opts download $debs)
for deb in "$work"/cache/*.deb; do dpkg-deb -x "$deb" "$work/x"; done
busybox=$(command -v busybox)
if [ "$arch" != amd64 ]; then
	(cd "$work/cache" && quiet apt-get $opts download busybox-static)
	dpkg-deb -x "$work"/cache/busybox-static_*.deb "$work/busybox"
	busybox=$(find "$work/busybox" -type f -path '*/bin/busybox')
fi
modules=$(find "$work/x" -type d -path "*/lib/modules/$version")
for k in "$modules/vmlinuz" "$work/x/boot/vmlinuz-$version"; do
	if [ -e "$k" ]; then cp "$k" "$work/out/vmlinuz"; fi
done
# depmod wants the place where this machine's kmod looks: /lib or /usr/lib.
mkdir -p "$work/k/lib/modules"
mv "$modules" "$work/k/lib/modules/"
quiet depmod -b "$work/k" "$version"
needs() { # the files that these modules need, in order of loading, once each
	for m in "$@"; do modprobe -d "$work/k" -S "$version" --show-depends "$m" >>"$work/needs" || exit 1; done
	awk '$1 == "insmod" && !seen[$2]++ { print $2 }' "$work/needs"
	rm "$work/needs"
}
early=$(needs $first)
all=$(needs $first $later)

echo "image: making a root of Debian $release" >&2
grep " $release " "$work/sources.list" >"$work/release.list"
root=$work/root
if [ "$arch" = amd64 ]; then
	quiet mmdebstrap --variant=minbase --include="$packages,$responders" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$release" "$root" "$work/release.list"
else
	# Nothing of a foreign processor can run here: the packages are unpacked and not
	# configured. What their scripts would do and is needed is done below.
	quiet mmdebstrap --architectures="$arch" --variant=extract --include="$foreign,$packages" \
		"$release" "$root" "$work/release.list"
	cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	ln -sf dash "$root/usr/bin/sh"
	ln -sf /dev/null "$root/etc/systemd/system/ldconfig.service" # the usual folders are all there are
	rm -rf "$root"/usr/share/man "$root"/usr/share/doc "$root"/usr/share/locale
fi
for f in $all; do
	to=$root/usr${f#"$work/k"} # modules may be in /usr/lib alone
	mkdir -p "${to%/*}"
	cp "$f" "$to"
done
cp "$work/k/lib/modules/$version"/modules.builtin* "$work/k/lib/modules/$version/modules.order" "$root/usr/lib/modules/$version/"
quiet depmod -b "$root" "$version"
echo door >"$root/etc/hostname"
# Not a first boot, nothing to update: some seconds less each time.
echo 00000000000000000000000000d00001 >"$root/etc/machine-id"
: >"$root/etc/fstab"
# Whatever the tests do not look at: an emulated processor is slow. The network is
# set up by init below.
for unit in getty.target remote-fs.target systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service \
	systemd-network-generator.service systemd-logind.service systemd-user-sessions.service systemd-update-utmp.service \
	systemd-udev-load-credentials.service systemd-hostnamed.socket systemd-creds.socket systemd-binfmt.service \
	systemd-resolved.service systemd-resolved-varlink.socket systemd-resolved-monitor.socket avahi-daemon.service avahi-daemon.socket \
	dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount modprobe@drm.service modprobe@fuse.service \
	modprobe@efi_pstore.service modprobe@dm_mod.service modprobe@loop.service alsa-restore.service alsa-state.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
ln -sf /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
touch "$root/usr" "$root/etc/.updated" "$root/var/.updated"
quiet mke2fs -q -t ext4 -O ^has_journal -d "$root" "$work/out/root.ext4" 600M

cd "$work/initrd"
mkdir bin dev proc sys mod r
cp "$busybox" bin/busybox
ln -s busybox bin/sh
i=100
for f in $early; do
	to=mod/$i-$(basename "${f%.ko*}").ko
	case $f in
	*.xz) xz -dc "$f" ;;
	*.zst) zstd -qdc "$f" ;;
	*) cat "$f" ;;
	esac >"$to"
	i=$((i + 1))
done
# /dev/vda is the root, copy-on-write; /dev/vdb a tar archive of what the test adds.
cat >init <<'INIT'
#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in /mod/*.ko; do insmod $m; done
for i in 1 2 3 4 5 6 7 8 9 10; do mount -t ext4 /dev/vda /r && break; sleep 0.2; done
tar -xf /dev/vdb -C /r
ip link set lo up
ip addr add $(sed -n 's/.*door.ip=\([^ ]*\).*/\1/p' /proc/cmdline) dev eth0
ip link set eth0 up
for d in dev proc sys; do mount --move /$d /r/$d; done
exec switch_root /r /sbin/init
INIT
chmod +x init
find . | cpio -o -H newc --quiet | zstd -q -3 >"$work/out/initrd"
cd - >/dev/null

echo "$version" >"$work/out/version"
touch "$work/out/.complete"
for old in "$base/$arch"-*; do # images of earlier versions of this script
	if [ "$old" != "$dir" ] && [ -e "$old/.complete" ]; then rm -rf "$old"; fi
done
# Somebody else may have made it meanwhile.
[ -e "$dir/.complete" ] || mv "$work/out" "$dir"
echo "$dir"
