package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"intercomd/update"
)

// Index says which version the doors of a channel should have.
type Index struct {
	Version string `json:"version"`
	// Bundle is where it is: a URL, or a path from the index on.
	Bundle string `json:"bundle"`
	// Hash is that of the bundle's manifest, SHA-256 in hexadecimal digits; "" is any that is signed.
	Hash string `json:"sha256"`
	// Minimum is the oldest version that may stay. Doors with an older one take this one
	// whatever Percent says.
	Minimum string `json:"minimum"`
	// Percent of the doors take it; nil is all of them.
	Percent *float64 `json:"percent"`
}

// mostIndex is far above the size of an index.
const mostIndex = 16 << 10

// ParseIndex reads an index. A name that it does not know is an error: "percentage" would
// otherwise bring to all doors what was meant for one of them.
func ParseIndex(data []byte) (x Index, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return Index{}, fmt.Errorf("the index is not as it should be: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Index{}, errors.New("the index has something behind its end")
	}
	switch {
	case x.Version == "" || x.Bundle == "":
		return Index{}, errors.New(`the index lacks "version" or "bundle"`)
	case x.Percent != nil && (*x.Percent < 0 || *x.Percent > 100):
		return Index{}, errors.New(`"percent" of the index is not between 0 and 100`)
	case x.Hash != "" && (len(x.Hash) != 2*sha256.Size || strings.Trim(x.Hash, "0123456789abcdef") != ""):
		return Index{}, errors.New(`"sha256" of the index is not 64 hexadecimal digits in lower case`)
	case x.Minimum != "" && update.Compare(x.Minimum, x.Version) > 0:
		return Index{}, errors.New(`"minimum" of the index is newer than its "version"`)
	}
	return x, nil
}

// source is where the bundle is, for an index at base.
func (x Index) source(base *url.URL) (string, error) {
	u, err := base.Parse(x.Bundle)
	if err != nil || u.Host == "" {
		return "", errors.New(`"bundle" of the index is not an address`)
	}
	if u.Scheme != "https" && (u.Scheme != base.Scheme || u.Host != base.Host) {
		return "", errors.New(`"bundle" of the index is not an address with https`)
	}
	return u.String(), nil
}

// Wants reports whether a door with that serial number and version should take what the index
// names. Nothing older ever is.
func (x Index) Wants(serial, version string) bool {
	if version == "" || update.Compare(x.Version, version) <= 0 {
		return false
	}
	if x.Minimum != "" && update.Compare(version, x.Minimum) < 0 {
		return true
	}
	return x.Percent == nil || Place(serial, x.Version) < *x.Percent
}

// Place is where a door is in the row of those that take a version, from 0 to just below 100. It
// stays the same: more percent are the same doors and more. Another version has another row,
// so that it is not the same doors that always go first.
func Place(serial, version string) float64 {
	sum := sha256.Sum256([]byte(version + "\n" + serial))
	const steps = 10000
	return float64(binary.BigEndian.Uint64(sum[:])%steps) * 100 / steps
}
