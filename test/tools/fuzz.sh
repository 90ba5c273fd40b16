#!/bin/sh
# fuzz.sh TIME: runs every fuzz target of the module for that long. What goroutines do
# differs from run to run, so that Go finds something new in every input and spends its
# time on making it smaller: that is bounded.
set -eu
go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./... | while read -r dir; do
	grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' | while read -r target; do
		echo "fuzz: $dir $target"
		(cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 20x .) </dev/null
	done
done
