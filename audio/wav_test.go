package audio

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"intercomd/audio/pcm"
)

// wavOf makes a WAV file with a given format.
func wavOf(code, channels, rate, bits uint16, data []byte) []byte {
	le := binary.LittleEndian
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	b = append(b, "WAVELIST\x03\x00\x00\x00abc\x00fmt \x10\x00\x00\x00"...)
	for _, v := range []uint16{code, channels, rate, 0, 0, 0, 0, bits} {
		b = le.AppendUint16(b, v)
	}
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// sized is a WAV file of 16 bits and 8000 Hz whose data say that they have another size.
func sized(size uint32, data []byte, after string) []byte {
	b := wavOf(1, 1, 8000, 16, data)
	binary.LittleEndian.PutUint32(b[len(b)-len(data)-4:], size)
	return append(b, after...)
}

// extensible is a WAVE_FORMAT_EXTENSIBLE of a container with fewer valid bits.
func extensible(container, valid uint16, data []byte) []byte {
	le := binary.LittleEndian
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x28\x00\x00\x00")
	for _, v := range []uint16{0xfffe, 1, 8000, 0, 0, 0, container / 8, valid, 22, valid, 4, 0, 1} {
		b = le.AppendUint16(b, v)
	}
	b = append(b, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71data"...)
	return append(le.AppendUint32(b, uint32(len(data))), data...)
}

func TestReadWAV(t *testing.T) {
	two := []byte{0, 0x40, 0, 0xc0}
	list := "LIST\x04\x00\x00\x00abcd"
	half := math.Float32bits(0.5)
	for name, c := range map[string]struct {
		file []byte
		want []float32
	}{
		"16 bit":      {wavOf(1, 1, 8000, 16, []byte{0, 0x40, 0, 0xc0}), []float32{0.5, -0.5}},
		"24 bit":      {wavOf(1, 1, 8000, 24, []byte{0, 0, 0x40, 0, 0, 0xc0}), []float32{0.5, -0.5}},
		"32 bit":      {wavOf(1, 1, 8000, 32, []byte{0, 0, 0, 0x40}), []float32{0.5}},
		"float":       {wavOf(3, 1, 8000, 32, binary.LittleEndian.AppendUint32(nil, half)), []float32{0.5}},
		"stereo":      {wavOf(1, 2, 8000, 16, []byte{0, 0x40, 0, 0x20}), []float32{0.375}},
		"NaN":         {wavOf(3, 1, 8000, 32, []byte{0xff, 0xff, 0xff, 0xff}), []float32{0}},
		"cut":         {wavOf(1, 1, 8000, 16, []byte{0, 0x40, 0, 0xc0, 1}), []float32{0.5, -0.5}},
		"nothing":     {wavOf(1, 1, 8000, 16, nil), nil},
		"size 0":      {sized(0, two, ""), []float32{0.5, -0.5}},
		"no size":     {sized(0xffffffff, two, ""), []float32{0.5, -0.5}},
		"sox in pipe": {sized(0x7ffff000, two, ""), []float32{0.5, -0.5}},
		"half of it":  {sized(8, two, ""), []float32{0.5, -0.5}},
		"list behind": {sized(4, two, list), []float32{0.5, -0.5}},
		"20 of 24":    {wavOf(1, 1, 8000, 20, []byte{0, 0, 0x40, 0, 0, 0xc0}), []float32{0.5, -0.5}},
		"extensible":  {extensible(16, 16, two), []float32{0.5, -0.5}},
		"20 of 32":    {extensible(32, 20, []byte{0, 0, 0, 0x40}), []float32{0.5}},
		"no pad":      {bytes.Replace(wavOf(1, 1, 8000, 16, two), []byte("abc\x00"), []byte("abc"), 1), []float32{0.5, -0.5}},
		"RF64": {append([]byte("RF64\xff\xff\xff\xffWAVEds64\x1c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04"+strings.Repeat("\x00", 19)),
			sized(0xffffffff, two, list)[12:]...), []float32{0.5, -0.5}},
		"chunk of 4 GB":      {append([]byte("RIFF\x00\x00\x00\x00WAVEJUNK\xff\xff\xff\xff"), wavOf(1, 1, 8000, 16, two)[12:]...), nil},
		"64 bit":             {wavOf(3, 1, 8000, 64, make([]byte, 8)), nil},
		"8 bit":              {wavOf(1, 1, 8000, 8, []byte{1}), nil},
		"not linear":         {wavOf(7, 1, 8000, 16, []byte{1, 2}), nil},
		"no rate":            {wavOf(1, 1, 0, 16, []byte{1, 2}), nil},
		"no channel":         {wavOf(1, 0, 8000, 16, []byte{1, 2}), nil},
		"nothing but a list": {sized(0, nil, list), nil},
		"not RIFF":           {[]byte("OggS............"), nil},
		"header only":        {wavOf(1, 1, 8000, 16, nil)[:20], nil},
		"no format":          {[]byte("RIFF....WAVEdata\x02\x00\x00\x0000"), nil},
	} {
		s, err := ReadWAV(bytes.NewReader(c.file))
		if (err == nil) != (c.want != nil || strings.HasPrefix(name, "nothing")) || len(s.Samples) != len(c.want) {
			t.Errorf("%s: %v, %v", name, s, err)
			continue
		}
		for i, v := range c.want {
			if math.Abs(float64(v-s.Samples[i])) > 1e-6 || s.Rate != 8000 {
				t.Errorf("%s: %v, want %v", name, s, c.want)
			}
		}
	}
}

func TestWAVThereAndBack(t *testing.T) {
	in := Sound{Rate: 22050, Samples: []float32{0, 0.25, -1, 1, 2, -2}}
	var b bytes.Buffer
	if err := WriteWAV(&b, in); err != nil {
		t.Fatal(err)
	}
	out, err := ReadWAV(&b)
	if err != nil || out.Rate != in.Rate {
		t.Fatal(out, err)
	}
	for i, v := range in.Samples {
		if math.Abs(float64(max(-1, min(1, v))-out.Samples[i])) > 1./32000 {
			t.Errorf("%v became %v", in.Samples, out.Samples)
		}
	}
}

// A prompt at another rate keeps its pitch, level, length and start.
func TestSoundAt48k(t *testing.T) {
	for _, rate := range []int{8000, 16000, 22050, 44100, 96000} {
		s := Sound{Rate: rate}
		for i := range rate / 2 {
			s.Samples = append(s.Samples, float32(0.5*math.Sin(2*math.Pi*440*float64(i)/float64(rate))))
		}
		x := s.at48k()
		if d := len(x) - pcm.SampleRate/2; d < -20 || d > 20 {
			t.Errorf("%d Hz: %d samples", rate, len(x))
		}
		var e float64
		for i := 1000; i < 20000; i++ {
			d := float64(x[i]) - 0.5*math.Sin(2*math.Pi*440*float64(i)/pcm.SampleRate)
			e += d * d
		}
		if snr := 10 * math.Log10(0.125*19000/e); snr < 30 {
			t.Errorf("%d Hz: %.1f dB", rate, snr)
		}
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(extensible(32, 20, []byte("abcd")))
	f.Add(sized(0, nil, "LIST\x00\x00\x00\x00"))
	f.Add([]byte("RF64\xff\xff\xff\xffWAVEds64"))
	f.Add(wavOf(1, 2, 8000, 16, []byte{0, 0x40, 0, 0x20}))
	f.Add(wavOf(0xfffe, 1, 44100, 24, []byte{0, 0x40, 0, 0x20}))
	f.Fuzz(func(_ *testing.T, b []byte) {
		s, err := ReadWAV(bytes.NewReader(b))
		if err == nil && len(s.Samples) < 1e5 && s.Rate >= 4000 {
			s.at48k()
		}
	})
}
