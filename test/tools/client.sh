#!/bin/sh
# client.sh: makes a client of /api/v1 from its description, by a generator that nobody here wrote (ogen), and
# prints where its program is. It is made anew when the description or the program is another; what it is made of
# is pinned in test/system/testdata/client, and downloaded once.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
from=$root/test/system/testdata/client
sum=$(cat "$root/web/api/openapi.json" "$from"/* | sha256sum | cut -c1-16)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/client-$sum
mkdir -p "$dir"
exec 9>"$dir/lock" # make test begins with it beside other things: who comes later waits
flock 9
if [ ! -x "$dir/client" ]; then
	echo "client: making a client from the description (once; a few minutes)" >&2
	cp "$from"/* "$root/web/api/openapi.json" "$dir"
	cd "$dir"
	GOFLAGS=-trimpath go tool ogen --config ogen.yml --target api -package api --clean openapi.json >ogen.log 2>&1 || { cat ogen.log >&2; exit 1; }
	GOFLAGS='-mod=readonly -trimpath' go build -o client.new . >&2
	mv client.new client
fi
echo "$dir/client"
