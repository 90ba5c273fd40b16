#!/bin/sh
# depends.sh ARCH PROGRAM: prints on which packages of libraries a program depends, so that
# one package suits each Debian release of the file "suites": dpkg-shlibdeps asks the
# libraries of each. It fails if one of them lacks a symbol that the program wants.
# Where a library's package has another name in a later release (libasound2, libasound2t64
# since 64-bit time) either will do.
set -eu
arch=$1 program=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
libs=$(sh "$here/shlibs.sh" "$arch")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: intercomd\n\nPackage: intercomd\nArchitecture: any\n' >"$work/debian/control"
cd "$work"
for suite in $(cat "$here/suites"); do
	set --
	for package in "$libs/$suite"/*; do set -- "$@" "-S$package"; done
	dpkg-architecture -f -a"$arch" -c dpkg-shlibdeps --warnings=1 -O "$@" -e "$program" 2>log | sed "s/^shlibs:Depends=//; s/, /\n/g" >"$suite"
	# Two warnings that mean nothing here: a cross compiler is no concern, nor is the place.
	if grep -v -e 'binaries to analyze should already be installed' -e 'does not match CC system type' log | grep . >&2 || [ ! -s "$suite" ]; then
		cat log >&2
		echo "depends: the libraries of $suite do not suit $program" >&2
		exit 1
	fi
done
oldest=$(head -n 1 "$here/suites")
while read -r dependency; do
	name=${dependency%% *}
	for suite in $(cat "$here/suites"); do
		if [ "$suite" != "$oldest" ] && ! grep -q "^$name " "$suite"; then
			renamed=$(grep "^${name}t64 " "$suite") || { echo "depends: $suite has no $name" >&2; exit 1; }
			dependency="$renamed | $dependency"
		fi
	done
	echo "$dependency"
done <"$oldest" | paste -sd , | sed 's/,/, /g'
