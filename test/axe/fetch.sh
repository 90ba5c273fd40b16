#!/bin/sh
# fetch.sh: fetches axe-core 4.11.0 anew, which looks at every page of the status page for what
# people with assistive technology would stumble over (make test-page). It lies here so that the
# tests need neither node nor npm. Needs npm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent axe-core@4.11.0
tar xf axe-core-4.11.0.tgz
cp package/axe.min.js "$here/"
cp package/LICENSE "$here/LICENSE-axe-core"
