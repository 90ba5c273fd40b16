package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeWAV writes one second of 16-bit mono at 48 kHz.
func writeWAV(t *testing.T, path string, sample func(i int) float64) {
	t.Helper()
	const rate = 48000
	var b bytes.Buffer
	b.WriteString("RIFF")
	write := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	write(uint32(36 + 2*rate))
	b.WriteString("WAVEfmt ")
	write(uint32(16))
	write([]uint16{1, 1})
	write([]uint32{rate, 2 * rate})
	write([]uint16{2, 16})
	b.WriteString("data")
	write(uint32(2 * rate))
	for i := range rate {
		write(int16(32767 * sample(i)))
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAudioOffline(t *testing.T) {
	dir := t.TempDir()
	far, mic, out := filepath.Join(dir, "far.wav"), filepath.Join(dir, "mic.wav"), filepath.Join(dir, "out.wav")
	writeWAV(t, far, func(int) float64 { return 0 })
	writeWAV(t, mic, func(i int) float64 { return 0.2 * math.Sin(2*math.Pi*440*float64(i)/48000) })
	code, text := run(t, "audio", "offline", "-far", far, "-mic", mic, "-out", out, "-noise", "off")
	if code != exitOK || !strings.Contains(text, "ERLE") {
		t.Fatalf("exit %d: %s", code, text)
	}
	info, err := os.Stat(out)
	if err != nil || info.Size() != 44+2*48000 {
		t.Errorf("output %v, %v", info, err)
	}

	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":       {[]string{"audio"}, exitUsage, "usage:"},
		"no files":      {[]string{"audio", "offline"}, exitUsage, "-far"},
		"missing file":  {[]string{"audio", "offline", "-far", far, "-mic", mic + ".not", "-out", out}, exitFailed, mic + ".not"},
		"not a WAV":     {[]string{"audio", "offline", "-far", far, "-mic", os.Args[0], "-out", out}, exitFailed, "WAV"},
		"unknown level": {[]string{"audio", "offline", "-far", far, "-mic", mic, "-out", out, "-noise", "loud"}, exitUsage, "off, low, high"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, text := run(t, tt.args...); code != tt.code || !strings.Contains(text, tt.want) {
				t.Errorf("exit %d: %s", code, text)
			}
		})
	}
}
