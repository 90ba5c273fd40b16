#!/bin/sh
# version.sh: prints the version of this source as Debian counts: that of the tag v1.2.3
# that it has, else one before the first release that grows with each commit. VERSION in the
# environment goes first.
# version.sh -time prints the time of the commit, in seconds since 1970, which is the time of
# everything that is made of it; SOURCE_DATE_EPOCH goes first.
set -eu
cd "$(dirname "$0")/.."
if [ "${1-}" = -time ]; then
	echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
	exit
fi
if [ -n "${VERSION-}" ]; then
	echo "$VERSION"
	exit
fi
tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null || true)
if [ -n "$tag" ]; then
	version=$(echo "${tag#v}" | sed 's/-/~/') # 1.0.0-rc1 comes before 1.0.0
else
	version=0.0~git$(TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd.%h --abbrev=8)
fi
if ! git diff --quiet HEAD --; then version=$version+changed; fi
echo "$version"
