// Package fattest is a card in memory, for tests: its first partition has files with long names in
// clusters that lie apart, editors save them as editors do, and the power can go at any write.
// It knows nothing of what is in the files.
package fattest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"intercomd/update/slot"
)

const (
	sector     = slot.SectorSize
	start      = 64 // of the partition
	total      = 4096
	reserved   = 8
	fatSectors = 40
	first      = start + reserved + 2*fatSectors // sector of cluster 2
	rootDir    = 2                               // cluster, and the next three
	size       = start + total
)

// ErrPower is what a write says that comes too late.
var ErrPower = errors.New("no power")

// Card is a [slot.Device]. It is for one goroutine.
type Card struct {
	Data   []byte
	Left   int // writes until the power goes; negative: it stays
	Torn   int // bytes that arrive of the write in which it goes
	Writes int

	dead    bool
	next    uint32 // cluster to look at for room
	entries int    // of the directory
}

// New makes a card without files.
func New() *Card {
	c := &Card{Data: make([]byte, size*sector), Left: -1, next: rootDir + 4}
	le := binary.LittleEndian
	le.PutUint32(c.Data[440:], slot.Signature)
	c.Data[446+4] = 0x0c
	le.PutUint32(c.Data[446+8:], start)
	le.PutUint32(c.Data[446+12:], total)
	c.Data[510], c.Data[511] = 0x55, 0xaa
	b := c.Data[start*sector:]
	le.PutUint16(b[11:], sector)
	b[13], b[16] = 1, 2
	le.PutUint16(b[14:], reserved)
	le.PutUint16(b[19:], total)
	le.PutUint32(b[36:], fatSectors)
	le.PutUint32(b[44:], rootDir)
	b[510], b[511] = 0x55, 0xaa
	for i := range uint32(4) {
		to := uint32(0x0fffffff)
		if i < 3 {
			to = rootDir + i + 1
		}
		c.link(rootDir+i, to)
	}
	return c
}

// On gives the card its power back.
func (c *Card) On() { c.dead, c.Left = false, -1 }

// ReadAt reads.
func (c *Card) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(c.Data)) {
		return 0, io.EOF
	}
	return copy(p, c.Data[off:]), nil
}

// WriteAt writes one sector, if there is power.
func (c *Card) WriteAt(p []byte, off int64) (int, error) {
	if len(p) != sector || off%sector != 0 {
		return 0, fmt.Errorf("a write of %d bytes at %d is not a sector", len(p), off)
	}
	if c.Left == 0 && !c.dead {
		copy(c.Data[off:], p[:c.Torn])
		c.dead = true
	}
	if c.dead {
		return 0, ErrPower
	}
	if c.Left > 0 {
		c.Left--
	}
	c.Writes++
	return copy(c.Data[off:], p), nil
}

// Sync reports whether there is power.
func (c *Card) Sync() error {
	if c.dead {
		return ErrPower
	}
	return nil
}

func (c *Card) link(cluster, to uint32) {
	for i := range uint32(2) {
		binary.LittleEndian.PutUint32(c.Data[(start+reserved+i*fatSectors)*sector+cluster*4:], to)
	}
}

func (c *Card) linked(cluster uint32) uint32 {
	return binary.LittleEndian.Uint32(c.Data[(start+reserved)*sector+cluster*4:])
}

func (c *Card) cluster(n uint32) []byte { return c.Data[(first+n-2)*sector:][:sector] }

func (c *Card) entry(i int) []byte {
	return c.cluster(rootDir + uint32(i)/16)[i%16*32:][:32]
}

// Put saves a file as an editor does that replaces the old one: the clusters of that are free
// then, and keep what they had.
func (c *Card) Put(name string, data []byte) {
	c.Remove(name)
	var chain []uint32
	for rest := data; len(rest) > 0; {
		for c.linked(c.next) != 0 {
			c.next += 2
		}
		n := copy(c.cluster(c.next), rest)
		clear(c.cluster(c.next)[n:])
		rest = rest[n:]
		chain = append(chain, c.next)
		c.link(c.next, 0x0fffffff)
		c.next += 2
	}
	for i := range len(chain) - 1 {
		c.link(chain[i], chain[i+1])
	}
	le := binary.LittleEndian
	letters := append(utf16.Encode([]rune(name)), 0)
	for len(letters)%13 != 0 {
		letters = append(letters, 0xffff)
	}
	for part := len(letters) / 13; part > 0; part-- {
		e := c.entry(c.entries)
		c.entries++
		e[0], e[11] = byte(part), 0x0f
		if part == len(letters)/13 {
			e[0] |= 0x40
		}
		at := []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30}
		for i, l := range letters[(part-1)*13 : part*13] {
			le.PutUint16(e[at[i]:], l)
		}
	}
	e := c.entry(c.entries)
	c.entries++
	copy(e, fmt.Sprintf("%-6.6s~1%-3.3s", strings.ToUpper(strings.ReplaceAll(name, ".", "")), strings.ToUpper(name[strings.LastIndexByte(name, '.')+1:])))
	if len(chain) > 0 {
		le.PutUint16(e[26:], uint16(chain[0]))
	}
	le.PutUint32(e[28:], uint32(len(data)))
}

// Remove removes a file as systems do: what was in it stays where it is.
func (c *Card) Remove(name string) {
	if _, err := slot.ReadSettings(c, name); err != nil {
		return
	}
	want := utf16.Encode([]rune(name))
	for i := range c.entries {
		e := c.entry(i)
		if e[11] == 0x0f || e[0] == 0xe5 {
			continue
		}
		var got []uint16 // the parts stand before it, the last one first
		j := i - 1
		for ; j >= 0 && c.entry(j)[11] == 0x0f && c.entry(j)[0] != 0xe5; j-- {
			p := c.entry(j)
			for _, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
				got = append(got, binary.LittleEndian.Uint16(p[at:]))
			}
			if p[0]&0x40 != 0 {
				j--
				break
			}
		}
		if len(got) < len(want) || string(utf16.Decode(got[:len(want)])) != name || got[len(want)] != 0 {
			continue
		}
		for n := uint32(binary.LittleEndian.Uint16(e[26:])); n >= 2 && n < total; {
			to := c.linked(n)
			c.link(n, 0)
			n = to
		}
		for k := j + 1; k <= i; k++ {
			c.entry(k)[0] = 0xe5
		}
	}
}

// Has reports whether a text is anywhere on the card, in ASCII or UTF-16.
func (c *Card) Has(text string) bool {
	wide := make([]byte, 0, 2*len(text))
	for _, u := range utf16.Encode([]rune(text)) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}
	return bytes.Contains(c.Data, []byte(text)) || bytes.Contains(c.Data, wide)
}
