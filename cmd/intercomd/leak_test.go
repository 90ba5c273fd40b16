package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	buildTime = "2026-11-23T00:00:00Z" // a test has no commit of its own
	goleak.VerifyTestMain(m)
}
