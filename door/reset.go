package door

import (
	"errors"

	"intercomd/configs"
	"intercomd/station"
	"intercomd/store"
)

// WishReset notes that the next start makes a new door of this one; see [Reset]. by wanted it.
func (d *Door) WishReset(by station.Principal) error {
	if d.keep == nil {
		return errors.New("there is no state directory")
	}
	return d.keep.WishReset(by)
}

// Reset makes a new door of one of which that was wished, before anything of it is opened: accounts,
// certificate, what was set up on the page or fetched, history, commissioning and baseline are
// gone. What keeps a door shut stays: the file of the installer is as it was, so that a code which
// opens once and was used must not open again, and a lock that runs goes on.
func Reset(c *configs.Config) (by station.Principal, done bool, err error) {
	dir := StateDir(c)
	done, err = store.Reset(dir, &by, memoryFile, "clock", "lock")
	if !done {
		return by, done, err
	}
	keep, err := store.Open(dir)
	if err != nil {
		return by, done, err
	}
	var m station.Memory
	if err := keep.Load(memoryFile, &m); err != nil || !m.DoNotDisturb {
		return by, done, nil //nolint:nilerr // the start tells of a memory that cannot be read
	}
	m.DoNotDisturb = false
	return by, done, keep.Save(memoryFile, m, 0o600)
}
