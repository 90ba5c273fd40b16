# suites.sh: sourced. Which Debian the words of the file "packages" mean.
release=trixie
backports=trixie-backports
next=forky

# packages PLACE SUITE: names for $arch.
packages() {
	awk -v place="$1" -v suite="$2" -v arch="$arch" '$1 == place && $3 == suite && ($2 == "any" || $2 == arch) { print $4 }' "$here/packages"
}
