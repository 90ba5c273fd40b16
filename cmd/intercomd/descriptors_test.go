package main

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"intercomd/web"
	"intercomd/words"
)

func TestDescriptorsAreCounted(t *testing.T) {
	before, limit, err := descriptors("/proc/self/fd")
	if err != nil || before < 3 || limit < before {
		t.Fatalf("%d of %d, %v", before, limit, err)
	}
	for range 5 {
		f, err := os.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if after, _, _ := descriptors("/proc/self/fd"); after < before+5 {
		t.Errorf("%d, then %d after five more", before, after)
	}
}

// A page that cannot have its port for want of descriptors does not blame the configuration.
func TestPageWithoutDescriptors(t *testing.T) {
	err := &web.ListenError{Message: words.New("listen-no-descriptors", "address", "127.0.0.1:8080", "detail", syscall.EMFILE.Error()), Err: syscall.EMFILE}
	f := pageFault(err)
	if !errors.Is(err, syscall.EMFILE) || !strings.Contains(f.Remedy(), "restart intercomd") || strings.Contains(f.Remedy(), "configuration") {
		t.Errorf("%s; %s", f, f.Remedy())
	}
}
