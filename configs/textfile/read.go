package textfile

import (
	"errors"
	"io/fs"
	"syscall"

	"intercomd/store"
	"intercomd/words"
)

// maxFile is far above the size of any configuration.
const maxFile = 1 << 20

var (
	errTooBig  = errors.New("the file is larger than 1 MB")
	errNoFile  = errors.New("the file is a device")
	errNothing = errors.New("the file is a pipe that nothing came out of")
)

// Read reads a file of at most 1 MB, which may be a pipe. It does not wait for long,
// whatever the file turns out to be.
func Read(file string) ([]byte, error) {
	data, err := store.ReadNamed(file, maxFile)
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return nil, errTooBig
	case errors.Is(err, store.ErrNoFile):
		return nil, errNoFile
	case errors.Is(err, store.ErrNothing):
		return nil, errNothing
	}
	return data, err
}

// Unreadable says why a file cannot be read.
func Unreadable(err error) *Fault {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Fault{Message: words.New("file-missing")}
	case errors.Is(err, fs.ErrPermission):
		return &Fault{Message: words.New("file-forbidden")}
	case errors.Is(err, errTooBig):
		return &Fault{Message: words.New("file-too-large")}
	case errors.Is(err, errNoFile):
		return &Fault{Message: words.New("file-is-device")}
	case errors.Is(err, errNothing):
		return &Fault{Message: words.New("file-is-silent-pipe")}
	case errors.Is(err, syscall.EISDIR):
		return &Fault{Message: words.New("file-is-folder")}
	case errors.As(err, &pe):
		return &Fault{Message: words.New("file-fails", "detail", pe.Err.Error())}
	}
	return &Fault{Message: words.New("file-fails", "detail", err.Error())}
}
