#!/bin/sh
# setup.sh GROUP...: installs the Debian packages of these groups (see the file
# "packages" beside this script) unless they are there already. Quiet when there
# is nothing to do. Needs root or sudo only when something is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "setup: this is not Debian; please install the counterparts of the packages in $here/packages by hand" >&2
	exit 0
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# missing prints, a line each, the wanted packages of the groups that no installed one satisfies.
missing() {
	for group in "$@"; do
		awk -v g="$group" '$1 == g { print $2 }' "$here/packages"
	done | while read -r names; do
		found=
		for name in $(echo "$names" | tr '|' ' '); do
			if installed "$name"; then found=1; fi
		done
		[ -n "$found" ] || echo "$names"
	done
}

want=$(missing "$@")
[ -n "$want" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null; then
	sudo=sudo
else
	echo "setup: these Debian packages are missing, and there is neither root nor sudo to install them:" $want >&2
	exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 ||
		{ cat "$log" >&2; echo "setup: apt-get $1 failed" >&2; exit 1; }
}

echo "setup: installing" $want
apt update
list=
for names in $want; do
	pick=
	for name in $(echo "$names" | tr '|' ' '); do
		if [ -z "$pick" ] && apt-cache show "$name" >/dev/null 2>&1; then pick=$name; fi
	done
	list="$list ${pick:-$names}"
done
# A service of a test tool must not start by itself (Kamailio would take the SIP
# ports): while a policy-rc.d says no, none does.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	$sudo sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy"
	trap '$sudo rm -f $policy; rm -f "$log"' EXIT
	trap 'exit 1' INT TERM
fi
apt install -y --no-install-recommends $list
