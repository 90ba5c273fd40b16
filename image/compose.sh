#!/bin/sh
# compose.sh arm64|amd64 INTERCOMD OUT: makes the card image from the parts that root.sh and
# kernel.sh keep, and from this checkout:
#   OUT/card.img      the whole card, sparse
#   OUT/boot.vfat     what is in a boot slot    (an update is these two)
#   OUT/root.erofs    what is in a root slot
#   OUT/initrd        of the boot slot, and OUT/vmlinuz
#   OUT/packages      every Debian package in it with its version
#   OUT/sbom.cdx.json bill of materials: those packages and the Go modules of the daemon
#   OUT/version       of the daemon, kernel and RAUC, and the time that everything has
# No loop mounts: file systems are made from folders, FAT with mtools. The same input
# makes the same bytes. INSTALL names the folder with what "make install" made.
set -eu
umask 022
. "$(dirname "$0")/apt.sh"
. "$here/suites.sh"
arch=$1 installed=$(realpath "$2") out=$3
top=$(cd "$here/.." && pwd)
mkdir -p "$out"
out=$(realpath "$out")
toolbox=$(sh "$here/toolbox.sh")
base=$(sh "$here/root.sh" "$arch")
kernel=$(sh "$here/kernel.sh" "$arch")
version=$(cat "$kernel/version")
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || date +%s)}
release_name=${VERSION:-$(git -C "$top" describe --tags --always --dirty 2>/dev/null || echo unknown)}
started=$(date +%s)

# Tools of the toolbox see only what is below it.
work=$toolbox/compose-$$
mkdir "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
in=/compose-$$ # the same, seen from within
box() { quiet env -i PATH=/usr/sbin:/usr/bin LC_ALL=C SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" MTOOLS_SKIP_CHECK=1 chroot "$toolbox" "$@"; }
stamp() { find "$1" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }
listed() { awk -v place="$1" -v arch="$arch" '$1 == place && ($2 == "any" || $2 == arch) { for (i = 3; i <= NF; i++) print $i }' "$here/modules"; }

# Modules as they are loaded fastest: not packed (erofs does that), and without what only
# debuggers want. That takes their signatures away as well, which nobody demands here and whose
# check took a third of a second each on an emulated processor.
strip="strip --strip-debug -R .BTF -R .BTF.base"
[ "$arch" = "$(dpkg --print-architecture)" ] || strip="aarch64-linux-gnu-$strip"
module() { # FROM TO
	case $1 in
	*.xz) xz -dc "$1" >"$2" ;;
	*.zst) zstd -qdc "$1" >"$2" ;;
	*) cp "$1" "$2" ;;
	esac
}

# ---- the root

root=$work/root
cp -a "$base/root" "$root"
cp -a "$installed/." "$root/"
(cd "$here/root" && find . -type f ! -name .keep -o -type d) | while read -r f; do
	if [ -d "$here/root/$f" ]; then mkdir -p "$root/$f"; continue; fi
	mode=644
	if [ -x "$here/root/$f" ]; then mode=755; fi
	install -m $mode "$here/root/$f" "$root/$f"
done
# What the tests break in a system.
if [ -n "${EXTRA:-}" ]; then cp -r "$EXTRA/." "$root/"; fi
if [ -n "${KEYRING:-}" ]; then install -m 644 "$KEYRING" "$root/etc/rauc/keyring.pem"; fi
chown -R 0:0 "$root/usr" "$root/etc/rauc"
sed -i "s|@COMPATIBLE@|intercom-$arch|" "$root/etc/rauc/system.conf"
mkdir -p "$root/data" "$root/card"
echo "$release_name" >"$root/usr/lib/intercom/version"
# Where the data partition's folders appear.
install -d -m 700 "$root/var/lib/intercomd"
install -d -m 755 "$root/var/lib/systemd/timesync"
echo intercom >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 intercom\n' >"$root/etc/hosts"
: >"$root/etc/fstab"
: >"$root/etc/machine-id"
cp "$root/usr/share/base-files/nsswitch.conf" "$root/etc/nsswitch.conf" 2>/dev/null || printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
ln -sf ../run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"
ln -sf ../usr/share/zoneinfo/Etc/UTC "$root/etc/localtime"
ln -sf ../proc/self/mounts "$root/etc/mtab"
rm -rf "$root/var/run" # a folder would keep the link within itself
ln -s ../run "$root/var/run"
for f in regulatory.db regulatory.db.p7s; do
	if [ -e "$root/usr/lib/firmware/$f-debian" ]; then mv "$root/usr/lib/firmware/$f-debian" "$root/usr/lib/firmware/$f"; fi
	rm -f "$root/usr/lib/firmware/$f-upstream"
done
printf 'IMAGE_ID=intercomd\nIMAGE_VERSION="%s"\n' "$release_name" >>"$root/usr/lib/os-release"
# Without a clock on the board it is never earlier than this.
: >"$root/usr/lib/clock-epoch"
touch -d "@$SOURCE_DATE_EPOCH" "$root/usr/lib/clock-epoch"

box systemd-sysusers --root="$in/root"
owner=$(awk -F: '$1 == "intercomd" { print $3 ":" $4 }' "$root/etc/passwd")
[ -n "$owner" ] || die "the image has no user intercomd"
chown "$owner" "$root/var/lib/intercomd"
box systemctl --root="$in/root" preset-all
while read -r unit rest; do
	case $unit in '' | \#*) continue ;; esac
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done <"$here/masked"
ln -sf /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
rm -f "$root/usr/lib/modules-load.d/pkcs8.conf"
# Programs that systemd runs before anything else, to find out what is known: there is no
# fstab, no getty, no EFI, no SysV. The one that stays takes units from the command line.
for generator in "$root"/usr/lib/systemd/system-generators/*; do
	case ${generator##*/} in systemd-debug-generator) ;; *) rm -f "$generator" ;; esac
done
# The door is up before the network: After=network.target would have it wait. What that
# is for, the network at the end, 80-wired.network does by keeping the address.
sed -i '/^After=/s/ *network\.target//' "$root/usr/lib/systemd/system/intercomd.service"
# Rules for devices that no door has: every rule is asked for every device at every start.
for rule in 60-cdrom_id 60-drm 60-fido-id 60-infiniband 60-persistent-input 60-persistent-storage 60-persistent-storage-mtd 60-persistent-storage-tape \
	60-persistent-v4l 60-sensor 60-dmi-id 64-btrfs 64-ext4 70-camera 70-joystick 70-memory 70-mouse 70-power-switch 70-touchpad 70-uaccess 71-seat 73-seat-late \
	75-probe_mtd 81-net-dhcp 90-iocost 96-e2scrub; do
	rm -f "$root/usr/lib/udev/rules.d/$rule.rules"
done
rm -rf "$root/usr/lib/systemd/system/multi-user.target.wants/getty.target" "$root/usr/share/man" "$root/usr/share/doc" "$root/usr/share/base-passwd" "$root/usr/share/base-files"
# Who asks the bus for a masked service has to learn that there is none: systemctl then does
# the restart itself.
for name in login1 hostname1 locale1 timedate1; do rm -f "$root/usr/share/dbus-1/system-services/org.freedesktop.$name.service"; done
rm -f "$root"/etc/*- # what sysusers keeps of files that it changed
cat "$base/status" "$kernel/status" >"$root/usr/share/intercomd/packages"
mkdir "$work/doc"
papers=$root/usr/share/intercomd/copyrights.tar.zst
tar -C "$work/doc" -xf "$papers"
cp -r "$kernel/doc/." "$work/doc/"
tar -C "$work/doc" -c --sort=name --mtime=@0 --owner=0 --group=0 --mode=u=rwX,go=rX . | zstd -q -19 >"$papers"
touch "$root/etc/.updated" "$root/var/.updated"

modules=$root/usr/lib/modules/$version
mkdir -p "$modules"
for f in $(needs "$kernel" "$version" $(listed root)); do
	to=$modules/${f#"$kernel/lib/modules/$version/"}
	mkdir -p "${to%/*}"
	module "$f" "${to%.ko*}.ko"
done
# What debuggers read is a third of the program, and of each update.
box $strip --strip-all "$in/root/usr/bin/intercomd"
find "$modules" -name '*.ko' | sed "s|^$toolbox||" >"$work/stripped"
box sh -c "xargs $strip <$in/stripped"
cp "$kernel/lib/modules/$version"/modules.builtin* "$kernel/lib/modules/$version/modules.order" "$modules/"
if [ "$arch" = arm64 ]; then
	install -D -m 644 "$kernel/rpi_tryboot.ko" "$modules/extra/rpi_tryboot.ko"
	cp "$kernel/rpi_tryboot.ko" "$work/900-rpi_tryboot.ko" # loaded by the initrd
	magic=$(modinfo -F vermagic "$modules/extra/rpi_tryboot.ko")
	case $magic in "$version "*) ;; *) die "rpi_tryboot is for $magic, the kernel is $version" ;; esac
fi
box depmod -b "$in/root" "$version"
rauc=$(awk -v RS= '/^Package: rauc\n/ { if (match($0, /\nVersion: [^\n]*/)) print substr($0, RSTART + 10, RLENGTH - 10) }' "$base/status")
dpkg --compare-versions "$rauc" ge 1.15.2 || die "RAUC $rauc does not work with this kernel; 1.15.2 is the first that does"

# systemd of the image itself judges the units that it is to start.
say "checking the units"
stamp "$root"
# -Ededupe would cost minutes; clusters of 32 KiB are read in one go by a card.
box mkfs.erofs -zlz4hc,9 -C32768 "-T$SOURCE_DATE_EPOCH" -U 6f2c2b1e-0000-4000-8000-000000000002 --quiet "$in/root.erofs" "$in/root"

# ---- the initrd: our init and the modules up to the root

mkdir -p "$work/initrd/mod" "$work/initrd/dev" "$work/initrd/proc" "$work/initrd/sys" "$work/initrd/run"
env -u GOARM CGO_ENABLED=0 GOOS=linux GOARCH="$arch" GOFLAGS= go build -C "$top" -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/initrd/init" ./cmd/intercomd-init
i=100
for f in $(needs "$kernel" "$version" $(listed initrd)); do
	module "$f" "$work/initrd/mod/$i-$(basename "${f%.ko*}").ko"
	i=$((i + 1))
done
box sh -c "$strip $in/initrd/mod/*.ko"
if [ "$arch" = arm64 ]; then mv "$work/900-rpi_tryboot.ko" "$work/initrd/mod/"; fi
chown -R 0:0 "$work/initrd"
stamp "$work/initrd"
(cd "$work/initrd" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible) | zstd -q -19 >"$work/initrd.zst"

# ---- the boot slot, the settings partition

# fat FILE LABEL FOLDER: a FAT32 of 64 MiB with the contents of the folder.
fat() {
	stamp "$work/$3"
	truncate -s 64M "$work/$1"
	box mkfs.vfat -F32 -s1 -n "$2" --invariant "$in/$1"
	box sh -c "cd $in/$3 && mcopy -i $in/$1 -s -m ./* ::/"
}
boot=$work/boot
mkdir "$boot"
cp "$kernel/vmlinuz" "$boot/vmlinuz"
cp "$work/initrd.zst" "$boot/initrd"
cp "$here/boot/cmdline.txt" "$here/boot/README.txt" "$boot/"
settings=$work/settings
mkdir "$settings"
cp "$here/boot/SETTINGS.txt" "$settings/README.txt"
cp "$here/boot/intercom.toml" "$settings/"
# Room for the one-time code of the page, which is written into it in place.
cp "$here/boot/code.txt" "$settings/"
# 512 bytes, whichever slot they name: update/slot overwrites them in place.
cp "$here/boot/autoboot.txt" "$settings/"
if [ "$arch" = arm64 ]; then
	f=$kernel/firmware
	cp "$here/boot/config.txt" "$f/start.elf" "$f/fixup.dat" "$f/start4.elf" "$f/fixup4.dat" "$boot/"
	mkdir "$boot/overlays"
	for o in disable-bt upstream upstream-pi4 hifiberry-dac i2s-mmap googlevoicehat-soundcard seeed-2mic-voicecard dwc2 gpio-fan overlay_map; do
		for o in "$f/overlays/$o.dtbo" "$f/overlays/$o.dtb"; do if [ -e "$o" ]; then cp "$o" "$boot/overlays/"; fi; done
	done
	for d in bcm2837-rpi-3-a-plus bcm2837-rpi-3-b bcm2837-rpi-3-b-plus bcm2837-rpi-zero-2-w bcm2837-rpi-cm3-io3 bcm2711-rpi-4-b bcm2711-rpi-400 bcm2711-rpi-cm4-io bcm2712-rpi-5-b bcm2712-d-rpi-5-b; do
		cp "$kernel/dtb/broadcom/$d.dtb" "$boot/"
	done
	# The loader of Pi 3 and Zero 2 W; it wants a config.txt beside it, however empty.
	cp "$f/bootcode.bin" "$settings/"
	: >"$settings/config.txt"
fi
fat boot.vfat DOORSYSTEM boot
fat settings.vfat INTERCOM settings

# ---- the card

mkdir "$work/data"
truncate -s 64M "$work/data.img"
box env E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH" mke2fs -q -t ext4 -L data -U 6f2c2b1e-0000-4000-8000-000000000007 \
	-E hash_seed=6f2c2b1e-0000-4000-8000-000000000008,lazy_itable_init=0,lazy_journal_init=0 -d "$in/data" "$in/data.img"
slot=160 # MiB of a root slot
for f in boot.vfat:64 root.erofs:$slot; do
	[ "$(stat -c %s "$work/${f%:*}")" -le $((${f#*:} * 1048576)) ] || die "${f%:*} is larger than its ${f#*:} MiB"
done
truncate -s $((199 + 2 * slot + 64))M "$work/card.img"
cat >"$work/table" <<TABLE
label: dos
label-id: 0xd0075701
1: start=4MiB, size=64MiB, type=c, bootable
2: start=68MiB, size=64MiB, type=c
3: start=132MiB, size=64MiB, type=c
4: start=196MiB, type=f
5: start=197MiB, size=${slot}MiB, type=83
6: start=$((198 + slot))MiB, size=${slot}MiB, type=83
7: start=$((199 + 2 * slot))MiB, type=83
TABLE
box sh -c "sfdisk -q $in/card.img <$in/table"
place() { dd if="$work/$1" of="$work/card.img" bs=1M seek="$2" conv=notrunc,sparse status=none; }
place settings.vfat 4
place boot.vfat 68
place root.erofs 197
place data.img $((199 + 2 * slot))

mv "$work/initrd.zst" "$out/initrd"
cp "$kernel/vmlinuz" "$out/vmlinuz"
mv "$work/boot.vfat" "$work/root.erofs" "$work/card.img" "$out/"
awk -v RS= '{ p = v = ""; n = split($0, l, "\n"); for (i = 1; i <= n; i++) { if (l[i] ~ /^Package: /) p = substr(l[i], 10); if (l[i] ~ /^Version: /) v = substr(l[i], 10) } print p, v }' \
	"$root/usr/share/intercomd/packages" | LC_ALL=C sort >"$out/packages"
printf 'image %s\narch %s\nkernel %s\nrauc %s\ntime %s\n' "$release_name" "$arch" "$(cat "$kernel/package")" "$rauc" "$SOURCE_DATE_EPOCH" >"$out/version"
sh "$top/packaging/sbom.sh" "$root/usr/share/intercomd/packages" "$root/usr/share/intercomd/copyrights.tar.zst" \
	intercom-image "$release_name" "$installed/usr/bin/intercomd" >"$out/sbom.cdx.json"
say "$arch $release_name: root $(stat -c %s "$out/root.erofs" | awk '{ printf "%.0f", $1 / 1e6 }') MB, boot files $(du -sm "$boot" | cut -f1) MB, card $(stat -c %s "$out/card.img" | awk '{ printf "%.0f", $1 / 1e6 }') MB, in $(($(date +%s) - started)) s"
