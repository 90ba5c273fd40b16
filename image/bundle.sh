#!/bin/sh
# bundle.sh arm64|amd64 OUT: the update that belongs to the card image in OUT, signed:
#   OUT/intercomd-VERSION-ARCH.raucb
# CERT and KEY name the certificate (purpose codeSigning) and key of the signer, or a
# PKCS#11 URI of one that is kept offline; CA the certificate that doors have (KEYRING= of
# "make image"), by which the bundle is checked before it leaves. Blocks that a door has
# already are not fetched by it (adaptive=block-hash-index).
set -eu
. "$(dirname "$0")/apt.sh"
arch=$1 out=$(realpath "$2")
: "${CERT:?names the certificate of the signer}" "${KEY:?names its key}" "${CA:?names the certificate that doors have}"
host=$(dpkg --print-architecture)
toolbox=$(sh "$here/toolbox.sh")
tools=$(sh "$here/root.sh" "$host")/root
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# Programs of the image run in place, by their own dynamic linker: signing needs the keys of
# this machine, and nothing of it is installed here.
case $host in
amd64) linker=lib64/ld-linux-x86-64.so.2 ;;
arm64) linker=lib/ld-linux-aarch64.so.1 ;;
*) die "bundles are made on amd64 or arm64" ;;
esac
multi=$(ls "$tools/usr/lib" | grep -m1 -- '-linux-gnu$')
runner() { printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$1/$linker" "$1/usr/lib/$multi" "$1/usr/bin/$2" >"$work/bin/$2" && chmod +x "$work/bin/$2"; }
mkdir "$work/bin" "$work/in"
runner "$tools" rauc
runner "$toolbox" mksquashfs
PATH=$work/bin:$PATH

# SemVer, as min-bundle-version of RAUC wants it: what git describes beyond a tag comes after it.
name=$(sed -n 's/^image //p' "$out/version")
case $name in
v[0-9]*.[0-9]*.[0-9]* | [0-9]*.[0-9]*.[0-9]*) semver=$(echo "${name#v}" | sed 's/-\([0-9]*\)-g/+\1.g/; s/-dirty$/.dirty/') ;;
*) semver=0.0.0+$name ;;
esac
ln "$out/boot.vfat" "$work/in/boot.img" 2>/dev/null || cp "$out/boot.vfat" "$work/in/boot.img"
ln "$out/root.erofs" "$work/in/root.img" 2>/dev/null || cp "$out/root.erofs" "$work/in/root.img"
cat >"$work/in/manifest.raucm" <<M
[update]
compatible=intercom-$arch
version=$semver

[bundle]
format=verity

[image.boot]
filename=boot.img
type=raw
adaptive=block-hash-index

[image.rootfs]
filename=root.img
type=raw
adaptive=block-hash-index
M
cat >"$work/rauc.conf" <<C
[system]
compatible=intercom-$arch
bootloader=noop
[keyring]
path=$CA
check-purpose=codesign
C
bundle=$out/intercomd-$name-$arch.raucb
rm -f "$bundle"
(cd "$work" && rauc -c "$work/rauc.conf" --cert="$CERT" --key="$KEY" --keyring="$CA" bundle --mksquashfs-args="-comp zstd -b 64k -no-progress" in "$bundle") >"$work/log" 2>&1 || { cat "$work/log" >&2; die "the bundle cannot be made"; }
say "$bundle: $(stat -c %s "$bundle" | awk '{ printf "%.1f", $1 / 1e6 }') MB, version $semver"
