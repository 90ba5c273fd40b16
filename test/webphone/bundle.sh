#!/bin/sh
# bundle.sh: makes the browser bundles of SIP.js 0.21.2 and JsSIP 3.13.8 anew. Their
# npm packages have none, and the tests shall need neither node nor npm, so the
# bundles lie here: the libraries' own modules, unchanged but for esbuild's minifying.
# Needs node and npm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"private": true}' >package.json
npm install --no-audit --no-fund --ignore-scripts sip.js@0.21.2 jssip@3.13.8 esbuild@0.25.12
node node_modules/esbuild/install.js
bundle() { npx esbuild "$1" --bundle --minify --format=iife --global-name="$2" --legal-comments=inline --outfile="$here/$3"; }
bundle node_modules/sip.js/lib/index.js SIP21 sip-0.21.2.min.js
bundle node_modules/jssip/lib/JsSIP.js JsSIP jssip-3.13.8.min.js
{
	echo "The bundles sip-0.21.2.min.js and jssip-3.13.8.min.js hold these packages, all under the MIT licence:"
	for p in sip.js/LICENSE.md jssip/LICENSE.md debug/LICENSE events/LICENSE ms/license.md sdp-transform/LICENSE; do
		printf '\n--- %s\n\n' "${p%/*}"
		cat "node_modules/$p"
	done
} >"$here/LICENSE-bundles"
