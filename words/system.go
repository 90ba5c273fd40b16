package words

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
)

// ofSystem tells the errors of the operating system that installers meet and can do something
// about, with the file that was worked on. All others are told in the words of the system.
func ofSystem(err error) (m Message, ok bool) {
	for _, known := range [...]struct {
		is   error
		code string
	}{
		{syscall.ENOSPC, "system-full"}, {syscall.EDQUOT, "system-full"},
		{syscall.EROFS, "system-read-only"},
		{syscall.EIO, "system-worn"},
		{syscall.EMFILE, "system-no-descriptors"}, {syscall.ENFILE, "system-no-descriptors"},
		{syscall.ENOMEM, "system-no-memory"},
		{fs.ErrPermission, "system-forbidden"},
		{fs.ErrNotExist, "system-missing"},
		{context.DeadlineExceeded, "system-slow"},
	} {
		if errors.Is(err, known.is) {
			m = New(known.code)
			if pe, of := errors.AsType[*fs.PathError](err); of {
				m = m.With("file", pe.Path)
			}
			return m, true
		}
	}
	return m, false
}
