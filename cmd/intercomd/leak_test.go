package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	buildTime = "2026-11-23T00:00:00Z" // a test has no commit of its own
	_ = os.Setenv("LC_ALL", "C")       // check speaks the language of whoever asks
	goleak.VerifyTestMain(m)
}
