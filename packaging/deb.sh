#!/bin/sh
# deb.sh [ARCH...]: makes build/deb/intercomd_VERSION_ARCH.deb for these architectures of
# Debian, amd64, arm64 and armhf if none is named, and asks lintian what it thinks of them
# (not with NOLINT=1).
# The same source gives the same bytes: the version and every time come from the commit
# (version.sh). All are linked against the oldest release of the file "suites", whatever this
# machine runs, and suit all of these. OUT names another directory.
set -eu
umask 022
export LC_ALL=C TZ=UTC
case " ${GOFLAGS-} " in *nolibopusfile*) ;; *) export GOFLAGS="${GOFLAGS-} -tags=nolibopusfile" ;; esac
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
out=${OUT:-build/deb}
version=$(sh packaging/version.sh)
SOURCE_DATE_EPOCH=$(sh packaging/version.sh -time)
export SOURCE_DATE_EPOCH
commit=$(git rev-parse HEAD 2>/dev/null || echo 'that nobody knows')
oldest=$(head -n 1 packaging/suites)
newest=$(tail -n 1 packaging/suites)
maintainer=${MAINTAINER:-intercomd <intercomd@example.org>}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$out"

env -u GOARCH -u GOARM go build -o "$work/papers" ./packaging/papers
go list -m -json all >"$work/modules"

for arch in ${*:-amd64 arm64 armhf}; do
	case $arch in
	armhf) goarch=arm ;;
	*) goarch=$arch ;;
	esac
	root=$work/$arch
	doc=$root/usr/share/doc/intercomd
	echo "deb: intercomd $version for $arch"
	# -w -s: what debuggers read is a third of the program. Position-independent, with
	# everything bound at the start and then read-only, as Debian builds. What go build would
	# note of git depends on how the source was checked out; the version says as much.
	CGO_CFLAGS='-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE' CGO_LDFLAGS='-Wl,-z,relro,-z,now' SUITE=$oldest \
		sh test/tools/xgo.sh "$goarch" build -trimpath -buildvcs=false -buildmode=pie \
		-ldflags "-s -w -X main.version=$version -X main.buildTime=$SOURCE_DATE_EPOCH" -o "$work/intercomd" ./cmd/intercomd
	DESTDIR=$root PREFIX=/usr sh packaging/install.sh "$work/intercomd"

	about="-program $work/intercomd -modules $work/modules -goroot $(go env GOROOT) -libraries $(sh packaging/shlibs.sh "$arch")/$newest"
	"$work/papers" copyright $about >"$doc/copyright"
	"$work/papers" sbom $about -version "$version" -time "$SOURCE_DATE_EPOCH" >"$doc/sbom.cdx.json"
	gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
	gzip -9n >"$doc/changelog.Debian.gz" <<END
intercomd ($version-1) stable; urgency=medium

  * Built from commit $commit.
    What is new is in changelog.gz beside this file.

 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
	chmod 644 "$doc"/*.*

	libraries=$(sh packaging/depends.sh "$arch" "$work/intercomd")
	mkdir "$root/DEBIAN"
	cat >"$root/DEBIAN/control" <<END
Package: intercomd
Version: $version-1
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
Depends: $libraries, init-system-helpers (>= 1.54~), passwd, systemd (>= 247)
Recommends: ca-certificates, udev
Suggests: alsa-utils
Section: comm
Priority: optional
Description: SIP door station
 A visitor presses the door button; somebody's telephone rings through a SIP
 server such as FreeSWITCH; they talk, full duplex, in street noise; a digit
 opens the door.
 .
 One daemon registers over secure WebSocket, maps buttons, lamps and a relay
 on GPIO lines to call, answer, hang up and indicators, and carries microphone
 and loudspeaker over WebRTC. Installers edit one file; administrators look at
 one local page.
END
	for script in postinst prerm postrm; do
		install -m 755 "packaging/debian/$script" "$root/DEBIAN/$script"
	done
	(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
	chmod 644 "$root"/DEBIAN/control "$root"/DEBIAN/md5sums
	find "$root" -print0 | xargs -0 touch -h -d "@$SOURCE_DATE_EPOCH"
	rm -f "$out"/intercomd_*_"$arch".deb
	file=$out/intercomd_$version-1_$arch.deb
	# As many threads as every machine can have: how many there are changes the bytes.
	dpkg-deb --root-owner-group --threads-max=2 -Zxz --build "$root" "$work/deb" >/dev/null
	mv "$work/deb" "$file"
	rm -r "$root"
	if [ -z "${NOLINT-}" ]; then
		# There is no bug of Debian that it could close.
		lintian --allow-root --fail-on error --suppress-tags initial-upload-closes-no-bugs "$file"
	fi
	echo "$file"
done
