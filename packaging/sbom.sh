#!/bin/sh
# sbom.sh STATUS COPYRIGHTS NAME VERSION PROGRAM: prints the bill of materials (CycloneDX) of a
# system that has this program, such as the card image: the packages that dpkg's file STATUS
# knows, and the Go modules in the program. COPYRIGHTS is a tar archive of the system's
# /usr/share/doc. The time is that of the commit, or SOURCE_DATE_EPOCH.
set -eu
status=$(realpath "$1") copyrights=$(realpath "$2") name=$3 version=$4 program=$(realpath "$5")
cd "$(dirname "$0")/.."
case " ${GOFLAGS-} " in *nolibopusfile*) ;; *) export GOFLAGS="${GOFLAGS-} -tags=nolibopusfile" ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir "$work/doc"
tar -C "$work/doc" --no-same-owner -xf "$copyrights"
env -u GOARCH -u GOARM go build -o "$work/papers" ./packaging/papers
go list -m -json all >"$work/modules"
"$work/papers" sbom -status "$status" -docs "$work/doc" -name "$name" -version "$version" \
	-program "$program" -modules "$work/modules" -goroot "$(go env GOROOT)" -time "$(sh packaging/version.sh -time)"
