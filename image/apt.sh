# apt.sh: sourced by the scripts beside it. Debian packages for any architecture and
# suite from this machine's own mirror, with a private apt state: nothing of them is
# installed here, no maintainer script runs, signatures are checked as ever.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/image
here=$(cd "$(dirname "$0")" && pwd)

die() { echo "image: $*" >&2; exit 1; }
say() { echo "image: $*" >&2; }
quiet() { "$@" </dev/null >"$work/log" 2>&1 || { cat "$work/log" >&2; die "$1 failed"; }; }

# hash FILE...: a name for what these files say.
hash() { cat "$@" | sha256sum | cut -c1-12; }

# workdir: makes $work, which goes when the script ends.
workdir() {
	work=$cache/work-$$
	mkdir -p "$work"
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
}

# finish DIR: $work/out becomes DIR, of which older makes go.
finish() {
	touch "$work/out/.complete"
	for old in "${1%-*}"-*; do
		if [ "$old" != "$1" ] && [ -e "$old/.complete" ]; then rm -rf "$old"; fi
	done
	[ -e "$1/.complete" ] || mv "$work/out" "$1" # somebody else may have made it meanwhile
	echo "$1"
}

# mirror prints the archive that this machine fetches Debian from.
mirror() {
	apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(SITE)' |
		awk '$1 == "Debian" && $3 == "main" && $2 !~ /-/ { print $4; exit }'
}

# security prints the archive of security updates, if this machine has one.
security() {
	apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(SITE)' |
		awk '$1 == "Debian" && $3 == "main" && $2 ~ /-security$/ { print $4; exit }'
}

# sources SUITE...: lines for sources.list.
sources() {
	m=$(mirror)
	[ -n "$m" ] || die "no Debian archive among the apt sources; run apt-get update first"
	for suite in "$@"; do
		case $suite in
		*-security) [ -z "$(security)" ] || echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(security) $suite main" ;;
		*) echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $m $suite main non-free-firmware" ;;
		esac
	done
}

# state DIR ARCH SUITE...: makes a private apt state there and fetches the lists.
state() {
	local dir=$1 arch=$2
	shift 2
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/status"
	sources "$@" >"$dir/sources.list"
	cat >"$dir/apt.conf" <<CONF
APT::Architecture "$arch";
APT::Architectures "$arch";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
Dir::State "$dir";
Dir::State::status "$dir/status";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Debug::NoLocking "1";
CONF
	quiet env APT_CONFIG="$dir/apt.conf" apt-get -q update
	[ -n "$(APT_CONFIG=$dir/apt.conf apt-cache pkgnames | head -n 1)" ] || {
		cat "$work/log" >&2 # apt-get ends well although it could fetch nothing
		die "the Debian mirror $(mirror) cannot be reached"
	}
}

# fetch DIR PACKAGE...: these packages and nothing that they depend on, into DIR/debs.
fetch() {
	local dir=$1
	shift
	[ $# -gt 0 ] || return 0
	mkdir -p "$dir/debs"
	(cd "$dir/debs" && quiet env APT_CONFIG="$dir/apt.conf" apt-get -q download "$@")
}

# fetchall DIR PACKAGE...: with all that they depend on.
fetchall() {
	local dir=$1
	shift
	quiet env APT_CONFIG="$dir/apt.conf" apt-get -q -y --download-only install "$@"
	mkdir -p "$dir/debs"
	mv "$dir"/cache/archives/*.deb "$dir/debs/"
}

# unpack ROOT DEB...: files of packages, over what is there.
unpack() {
	local to=$1
	shift
	for deb in "$@"; do
		# Packages may still carry /lib, which is a link to /usr/lib in every Debian of today.
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$to" --keep-directory-symlink --numeric-owner -p || die "$deb cannot be unpacked"
	done
}

# needs TREE VERSION MODULE...: files of these modules and of those that they need, in
# order of loading, once each. Names that are built in or not there are no fault.
needs() {
	local tree=$1 version=$2
	shift 2
	for m in "$@"; do
		modprobe -d "$tree" -S "$version" --show-depends "$m" 2>/dev/null || true
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}
