package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"intercomd/audio/pcm"
	"intercomd/audio/resample"
	"intercomd/words"
)

// Sound is mono audio.
type Sound struct {
	Rate    int       // Hz
	Samples []float32 // full scale ±1
}

const (
	wavPCM        = 1
	wavFloat      = 3
	wavExtensible = 0xfffe
	// maxWAV is the largest file that is read into memory, in bytes.
	maxWAV = 256 << 20
)

// wavError says why a file is not played. It is equal to errWAV for errors.Is.
type wavError words.Message

// Error is the sentence, in English.
func (e wavError) Error() string { return "audio: " + words.Message(e).String() }

// Is reports whether the target is errWAV.
func (e wavError) Is(target error) bool { return target == errWAV }

// errWAV is what all wavErrors are.
var errWAV = errors.New("not a WAV file of 16, 24 or 32-bit samples")

// ReadWAV reads a RIFF WAVE file (Microsoft/IBM, Multimedia Programming Interface
// 1.0, 1991; EBU Tech 3306 for RF64) of linear samples: 16, 24 or 32-bit integers or 32-bit
// floats. Several channels are mixed into one. A file that is written while it is read, or
// was cut, ends early.
func ReadWAV(r io.Reader) (Sound, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxWAV))
	if err != nil {
		return Sound{}, fmt.Errorf("audio: read WAV: %w", err)
	}
	s, _, err := readWAV(b)
	return s, err
}

// endless is from when on a size says that whoever wrote the file could not go back to
// correct it: programs in a pipe write this or the greatest number that there is.
const endless = 0x7fff0000

// readWAV reads a file, and tells whether some of its sound is missing.
func readWAV(b []byte) (s Sound, missing bool, err error) {
	if len(b) < 12 || string(b[8:12]) != "WAVE" || !slices.Contains([]string{"RIFF", "RF64", "BW64"}, string(b[:4])) {
		return Sound{}, false, notWAV(b)
	}
	var f wavFormat
	var large uint64 // size of the data in a file of more than 4 GB, or one that says so
	for b = b[12:]; len(b) >= 8; {
		id, size := string(b[:4]), uint64(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		chunk := b[:min(size, uint64(len(b)))]
		switch id {
		case "ds64":
			if len(chunk) >= 16 {
				large = binary.LittleEndian.Uint64(chunk[8:])
			}
		case "fmt ":
			if f, err = parseFormat(chunk); err != nil {
				return Sound{}, false, err
			}
		case "data":
			if f.rate == 0 {
				return Sound{}, false, wavError(words.New("recording-damaged"))
			}
			if size == 0xffffffff && large > 0 {
				size = large
			}
			if size >= endless && size <= 0xffffffff || size == 0 && !chunks(b) {
				size = uint64(len(b))
			}
			return Sound{f.rate, f.mono(b[:min(size, uint64(len(b)))])}, size > uint64(len(b)), nil
		}
		b = b[len(chunk):]
		// Chunks of odd size are followed by a zero, which some programs forget.
		if size%2 == 1 && len(b) > 0 && b[0] == 0 {
			b = b[1:]
		}
	}
	return Sound{}, false, wavError(words.New("recording-damaged"))
}

// chunks tells whether b is nothing but whole chunks.
func chunks(b []byte) bool {
	for len(b) > 1 {
		if len(b) < 8 || slices.ContainsFunc(b[:4], func(c byte) bool { return c < ' ' || c > '~' }) {
			return false
		}
		size := uint64(binary.LittleEndian.Uint32(b[4:]))
		if b = b[8:]; size > uint64(len(b)) {
			return false
		}
		b = b[min(size+size%2, uint64(len(b))):]
	}
	return true
}

type wavFormat struct {
	code, channels, rate, bytes int
}

func parseFormat(b []byte) (wavFormat, error) {
	if len(b) < 16 {
		return wavFormat{}, wavError(words.New("recording-damaged"))
	}
	le := binary.LittleEndian
	f := wavFormat{code: int(le.Uint16(b)), channels: int(le.Uint16(b[2:]))}
	rate, block, bits := le.Uint32(b[4:]), int(le.Uint16(b[12:])), int(le.Uint16(b[14:]))
	f.bytes = (bits + 7) / 8 // samples of 12 or 20 bits fill the upper ones of 16 or 24
	if f.code == wavExtensible && len(b) >= 26 {
		f.code = int(le.Uint16(b[24:])) // the first two bytes of the GUID
		if f.channels > 0 && block%f.channels == 0 && block > 0 {
			f.bytes = block / f.channels // the container, of which fewer bits may be valid
		}
	}
	ok := f.code == wavPCM && f.bytes >= 2 && f.bytes <= 4 || f.code == wavFloat && f.bytes == 4
	if !ok || f.channels < 1 || f.channels > 32 || rate < 4000 || rate > 384000 {
		return wavFormat{}, wavError(words.New("recording-format",
			"channels", strconv.Itoa(f.channels), "rate", strconv.Itoa(int(rate)), "bits", strconv.Itoa(bits), "encoding", encoding(f.code)))
	}
	f.rate = int(rate)
	return f, nil
}

// encoding names what samples are made of.
func encoding(code int) string {
	switch code {
	case wavPCM:
		return "PCM"
	case wavFloat:
		return "float"
	case 6:
		return "A-law"
	case 7:
		return "µ-law"
	case 2, 0x11:
		return "ADPCM"
	case 0x31:
		return "GSM"
	case 0x55:
		return "MP3"
	}
	return fmt.Sprintf("format %#x", code)
}

func (f wavFormat) mono(b []byte) []float32 {
	size := f.channels * f.bytes
	x := make([]float32, len(b)/size)
	for i := range x {
		for c := range f.channels {
			x[i] += f.sample(b[i*size+c*f.bytes:])
		}
		x[i] /= float32(f.channels)
	}
	pcm.Bound(x)
	return x
}

func (f wavFormat) sample(b []byte) float32 {
	le := binary.LittleEndian
	switch {
	case f.code == wavFloat:
		return math.Float32frombits(le.Uint32(b))
	case f.bytes == 2:
		return float32(int16(le.Uint16(b))) / (1 << 15)
	case f.bytes == 3:
		return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
	}
	return float32(int32(le.Uint32(b))) / (1 << 31)
}

// WriteWAV writes a sound as 16-bit mono.
func WriteWAV(w io.Writer, s Sound) error {
	n := 2 * len(s.Samples)
	le := binary.LittleEndian
	b := make([]byte, 0, 44+n)
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(36+n))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, wavPCM)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, uint32(s.Rate))
	b = le.AppendUint32(b, uint32(2*s.Rate))
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(n))
	var v [1]int16
	for i := range s.Samples {
		pcm.ToInt16(v[:], s.Samples[i:i+1])
		b = le.AppendUint16(b, uint16(v[0]))
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("audio: write WAV: %w", err)
	}
	return nil
}

// at48k returns the sound at [SampleRate].
func (s Sound) at48k() []float32 {
	if s.Rate == pcm.SampleRate || len(s.Samples) == 0 {
		return s.Samples
	}
	return resample.All(s.Samples, s.Rate)
}
