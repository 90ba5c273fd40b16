package audio

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// One that is not like the others must not take them along, and is named.
func TestReadRecordings(t *testing.T) {
	two := []byte{0, 0x40, 0, 0xc0}
	good := wavOf(1, 1, 8000, 16, two)
	files := fstest.MapFS{
		"busy.wav":    {Data: good},
		"Nobody.WAV":  {Data: good},
		"OPEN.Wave":   {Data: good},
		"end.wav":     {Data: sized(0, two, "")},
		"pipe.wav":    {Data: sized(0xffffffff, two, "")},
		"Thumbs.db":   {Data: []byte("x")},
		".DS_Store":   {Data: []byte("x")},
		"desktop.ini": {Data: []byte("x")},
		"README.txt":  {Data: []byte("x")},
		"sub/x.wav":   {Data: []byte("x")},

		"cut.wav":      {Data: sized(8, two, "")},
		"._busy.wav":   {Data: []byte("\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")},
		"._Nobody.WAV": {Data: []byte("\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")},
		"BUSY.WAV":     {Data: good},
		"old.wav":      {Data: wavOf(1, 1, 8000, 8, two)},
		"phone.wav":    {Data: wavOf(7, 1, 8000, 8, two)},
		"song.wav":     {Data: []byte("ID3\x04 and so on, and so on")},
		"dnd.mp3":      {Data: []byte("ID3")},
		"empty.wav":    {},
		"mute.wav":     {Data: wavOf(1, 1, 8000, 16, nil)},
		"head.wav":     {Data: good[:20]},
		"folder.wav":   {Mode: fs.ModeDir | 0o755},
		"large.wav":    {Data: append(slices.Clone(good), make([]byte, maxRecording)...)},
	}
	r, faults := ReadRecordings(files)
	if got, want := slices.Sorted(maps.Keys(r)), []string{"busy", "cut", "end", "nobody", "open", "pipe"}; !slices.Equal(got, want) {
		t.Errorf("recordings %q, want %q", got, want)
	}
	want := map[string]string{
		"cut.wav":      "it is cut off; only the rest of it is played; copy it again",
		"._busy.wav":   "it is not a recording, but a file that macOS keeps beside one; delete it",
		"._Nobody.WAV": "macOS",
		"BUSY.WAV":     "another file has the same name except for upper and lower case; remove one of them",
		"old.wav":      `WAV with one channel, 8000 Hz, 8 bits, PCM cannot be played: only PCM of 16, 24 or 32 bits; convert it to 16 bits: ffmpeg -i "old.wav" -ac 1 -ar 16000 -c:a pcm_s16le "new/old.wav"`,
		"phone.wav":    "µ-law",
		"song.wav":     "it is MP3",
		"dnd.mp3":      "only those are played; convert",
		"empty.wav":    "it is empty",
		"mute.wav":     "there is no sound in it",
		"head.wav":     "the WAV file is damaged",
		"folder.wav":   "it is not a plain file",
		"large.wav":    "it is larger than 16 MB",
	}
	for _, f := range faults {
		if w, ok := want[f.File]; !ok || !strings.Contains(f.Error(), w) || f.Remedy() == "" {
			t.Errorf("%v, want %q", f, w)
		}
		delete(want, f.File)
	}
	if len(want) > 0 {
		t.Errorf("not named: %v", want)
	}
	if r, faults := ReadRecordings(nil); r.Has("busy") || len(faults) > 0 {
		t.Errorf("of no folder: %v, %v", r, faults)
	}
}

func TestRecordingsOfAFolder(t *testing.T) {
	dir := t.TempDir()
	good := wavOf(1, 1, 8000, 16, []byte{0, 0x40})
	write := func(name string, mode fs.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), good, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("busy.wav", 0o600)
	write("secret.wav", 0)
	for name, to := range map[string]string{"link.wav": "busy.wav", "dead.wav": "nowhere.wav"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.wav"), 0o600); err != nil {
		t.Fatal(err)
	}
	var r Recordings
	var faults []RecordingError
	done := make(chan struct{})
	go func() { defer close(done); r, faults = ReadRecordings(os.DirFS(dir)) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("a pipe is waited for")
	}
	said := fmt.Sprint(faults)
	want := []string{"dead.wav: the link leads nowhere", "pipe.wav: it is not a plain file"}
	if os.Getuid() != 0 { // root may read all
		want = append(want, "secret.wav: no permission to read it")
	}
	for _, w := range want {
		if !strings.Contains(said, w) {
			t.Errorf("faults %s\nlack %q", said, w)
		}
	}
	if !r.Has("busy") || !r.Has("link") || len(faults) != len(want) {
		t.Errorf("recordings %v, faults %s", slices.Sorted(maps.Keys(r)), said)
	}
	if _, faults := ReadRecordings(os.DirFS(filepath.Join(dir, "none"))); len(faults) != 1 {
		t.Errorf("of a folder that is not there: %v", faults)
	}
}

func TestRecordingsAreBounded(t *testing.T) {
	files := fstest.MapFS{}
	big := wavOf(1, 1, 48000, 16, make([]byte, maxRecording-100))
	for i := range 5 {
		files[fmt.Sprintf("r%d.wav", i)] = &fstest.MapFile{Data: big}
	}
	r, faults := ReadRecordings(files)
	if len(r) != 3 || len(faults) != 1 || faults[0].File != "r3.wav" {
		t.Errorf("%d recordings, %v", len(r), faults)
	}
	files = fstest.MapFS{}
	for i := range 1000 {
		files[fmt.Sprintf("r%d.wav", i)] = &fstest.MapFile{Data: wavOf(1, 1, 8000, 16, []byte{1, 1})}
	}
	if r, faults := ReadRecordings(files); len(r) != maxFiles || len(faults) != 1 {
		t.Errorf("%d recordings, %v", len(r), faults)
	}
}
