#!/bin/sh
# repo.sh SUITE DEB...: puts packages into the suite "testing" or "stable" of the apt
# repository REPO (build/repo) and signs it anew. A package is tried in testing first and
# then given to stable by the same command; older versions stay, so that a door can go back.
# KEY is the fingerprint of the key that signs, in the keyring of whoever runs this. Without
# one a key is made in build/repo-key: for tests, never for doors.
# The directory can be served by any web server as it is.
set -eu
umask 022
export LC_ALL=C TZ=UTC
suite=$1
shift
case $suite in
testing | stable) ;;
*) echo "repo: the suites are testing and stable, not $suite" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
repo=${REPO:-build/repo}
key=${KEY-}
if [ -z "$key" ]; then
	GNUPGHOME=$PWD/build/repo-key
	export GNUPGHOME
	trap 'gpgconf --kill gpg-agent' EXIT # nothing of a test stays
	if [ ! -e "$GNUPGHOME/fingerprint" ]; then
		rm -rf "$GNUPGHOME"
		mkdir -p -m 700 "$GNUPGHOME"
		gpg --batch --quiet --passphrase '' --quick-generate-key 'intercomd, key of a test' ed25519 sign never
		gpg --batch --quiet --no-auto-check-trustdb --with-colons --list-keys | awk -F: '$1 == "fpr" { print $10; exit }' >"$GNUPGHOME/fingerprint"
	fi
	key=$(cat "$GNUPGHOME/fingerprint")
	echo "repo: signing with a key of a test, $key; give KEY= for doors" >&2
fi

pool=$repo/pool/$suite
mkdir -p "$pool"
for deb in "$@"; do
	# Whatever the file is called: apt-ftparchive goes by names.
	name=$(dpkg-deb -f "$deb" Package)_$(dpkg-deb -f "$deb" Version | sed 's/^[0-9]*://')_$(dpkg-deb -f "$deb" Architecture).deb
	if [ -e "$pool/$name" ] && ! cmp -s "$deb" "$pool/$name"; then
		echo "repo: $suite has another $name already; doors that have it would never get this one: give it a new version" >&2
		exit 1
	fi
	cp "$deb" "$pool/$name"
done

# The new lists are made beside the old ones: a door that asks meanwhile finds either.
lists=$repo/dists/$suite
new=$lists.new
rm -rf "$new"
for arch in amd64 arm64 armhf; do
	dir=$new/main/binary-$arch
	mkdir -p "$dir"
	(cd "$repo" && apt-ftparchive --arch "$arch" packages "pool/$suite") >"$dir/Packages"
	gzip -9nk "$dir/Packages"
	xz -k "$dir/Packages"
done
apt-ftparchive \
	-o APT::FTPArchive::Release::Origin=intercomd -o APT::FTPArchive::Release::Label=intercomd \
	-o APT::FTPArchive::Release::Suite="$suite" -o APT::FTPArchive::Release::Codename="$suite" \
	-o APT::FTPArchive::Release::Architectures='amd64 arm64 armhf' -o APT::FTPArchive::Release::Components=main \
	release "$new" >"$lists.Release"
mv "$lists.Release" "$new/Release"
gpg --batch --yes --quiet --local-user "$key" --clearsign --output "$new/InRelease" "$new/Release"
gpg --batch --yes --quiet --local-user "$key" --armor --detach-sign --output "$new/Release.gpg" "$new/Release"
gpg --batch --yes --quiet --armor --export --output "$repo/intercomd.asc" "$key"
rm -rf "$lists.old"
if [ -e "$lists" ]; then mv "$lists" "$lists.old"; fi
mv "$new" "$lists"
rm -rf "$lists.old"
cat >"$repo/intercomd.sources" <<END
# As /etc/apt/sources.list.d/intercomd.sources, with intercomd.asc as /etc/apt/keyrings/intercomd.asc.
Types: deb
URIs: ${REPO_URL:-file://$(realpath "$repo")}
Suites: stable
Components: main
Signed-By: /etc/apt/keyrings/intercomd.asc
END
echo "$repo"
