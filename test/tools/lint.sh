#!/bin/sh
# lint.sh PACKAGES: gofmt, go mod tidy, go vet and golangci-lint. The linter is built from
# source once, in the version that the project is checked with.
set -eu
version=v2.15.0
tool=$(command -v golangci-lint || true)
if [ -z "$tool" ] || ! "$tool" version 2>/dev/null | grep -q "version ${version#v} "; then
	bin=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/bin-$version
	tool=$bin/golangci-lint
	if [ ! -x "$tool" ]; then
		echo "lint: building golangci-lint $version (once; a few minutes)"
		GOFLAGS=-trimpath GOBIN="$bin" go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
	fi
fi
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
	echo "lint: not formatted, run gofmt -w on:" $unformatted >&2
	exit 1
fi
if ! go mod tidy -diff; then
	echo "lint: go.mod or go.sum is not tidy, run go mod tidy" >&2
	exit 1
fi
go vet "$@"
# It opens the files that the compiler was given of a package with C, by the names that they had then: with -trimpath,
# those of whichever tree was built first. What it remembers itself is kept by tree for the same reason,
# and by what was looked at: what gosec says of a package depends on who calls it.
GOFLAGS=$(echo "${GOFLAGS:-}" | sed 's/-trimpath//g')
GOLANGCI_LINT_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/intercomd/lint-$(echo "$PWD $*" | cksum | cut -d' ' -f1)
export GOFLAGS GOLANGCI_LINT_CACHE
"$tool" run --allow-parallel-runners "$@"
