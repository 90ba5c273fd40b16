package portaudio_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// redirect sends descriptor 2, to which C libraries print, to file. The product
// never does this: it would take the log of the whole process along.
func redirect(t *testing.T, file *os.File) (restore func()) {
	t.Helper()
	saved, err := unix.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(int(file.Fd()), 2, 0); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = unix.Dup3(saved, 2, 0)
		_ = unix.Close(saved)
	}
}
