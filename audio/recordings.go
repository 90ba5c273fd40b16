package audio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"intercomd/audio/pcm"
	"intercomd/words"
)

// Recordings are sounds of a folder by their names: those of the files without ".wav", in
// small letters.
type Recordings map[string]prompt

// Has reports whether there is a recording of that name.
func (r Recordings) Has(name string) bool { _, ok := r[name]; return ok }

// RecordingError says why a file of a folder of recordings is not played, or not whole.
type RecordingError struct {
	File string // in the folder
	words.Message
}

// Error names the file, the problem and the remedy.
func (e RecordingError) Error() string { return e.File + ": " + e.String() + "; " + e.Remedy() }

// Limits of recordings, which are kept in memory.
const (
	maxRecording  = 16 << 20 // bytes of a file
	maxRecordings = 48 << 20 // bytes of all that is kept
	maxFiles      = 200
)

// ReadRecordings reads the WAV files at the top of a folder, whatever the case of their
// names. One that cannot be used is left out and named, and so is a recording in another
// format; other files are nobody's business. It does not wait for a file, whatever it may
// be. nil files have none.
func ReadRecordings(files fs.FS) (Recordings, []RecordingError) {
	if files == nil {
		return nil, nil
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, []RecordingError{{".", words.New("recordings-unreadable", "detail", reason(err))}}
	}
	// Names that are right already come first: they win over those that differ by case.
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return folded(a) - folded(b) })
	out := Recordings{}
	var faults []RecordingError
	kept, read := 0, 0
	for _, entry := range entries {
		file := entry.Name()
		ext := strings.ToLower(path.Ext(file))
		name := strings.ToLower(strings.TrimSuffix(file, path.Ext(file)))
		bad := func(m words.Message) { faults = append(faults, RecordingError{file, m}) }
		switch {
		case otherSound(ext):
			bad(toConvert(words.New("recording-not-wav"), file))
			continue
		case ext != ".wav" && ext != ".wave":
			continue
		case read >= maxFiles:
			bad(words.New("recordings-too-many", "most", strconv.Itoa(maxFiles)))
			return out, faults
		case out.Has(name):
			bad(words.New("recording-same-name"))
			continue
		}
		read++
		p, err := readRecording(files, file)
		if err != nil {
			bad(explainWAV(err, file))
		}
		if len(p.pcm) == 0 {
			continue
		}
		if kept += 2 * len(p.pcm); kept > maxRecordings {
			bad(words.New("recordings-too-large"))
			return out, faults
		}
		out[name] = p
	}
	return out, faults
}

// folded is 1 for names that are not in small letters.
func folded(e fs.DirEntry) int {
	if e.Name() == strings.ToLower(e.Name()) {
		return 0
	}
	return 1
}

// otherSound tells the formats that people have recordings in by mistake.
func otherSound(ext string) bool {
	return slices.Contains([]string{".mp3", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".au", ".gsm", ".g722", ".sln", ".ulaw", ".alaw"}, ext)
}

var (
	errCut   = errors.New("the recording is cut off")
	errMute  = errors.New("the recording has no sound in it")
	errLarge = errors.New("the recording is too large")
	errPlain = errors.New("not a plain file")
)

// readRecording reads one file. A recording that is cut off comes with an error.
func readRecording(files fs.FS, file string) (prompt, error) {
	switch info, err := fs.Stat(files, file); { // before it is opened: a pipe would be waited for
	case err != nil:
		return prompt{}, err
	case !info.Mode().IsRegular():
		return prompt{}, errPlain
	case info.Size() > maxRecording:
		return prompt{}, errLarge
	}
	f, err := files.Open(file)
	if err != nil {
		return prompt{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRecording))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return prompt{}, err
	}
	s, missing, err := readWAV(data)
	switch {
	case err != nil:
		return prompt{}, err
	case len(s.Samples) == 0:
		return prompt{}, errMute
	case missing:
		err = errCut
	}
	p := prompt{s.Rate, make([]int16, len(s.Samples))}
	pcm.ToInt16(p.pcm, s.Samples)
	return p, err
}

// explainWAV says why a recording is not played.
func explainWAV(err error, file string) words.Message {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return words.New("recording-dead-link")
	case errors.Is(err, fs.ErrPermission):
		return words.New("file-forbidden")
	case errors.Is(err, fs.ErrInvalid):
		return words.New("recording-name")
	case errors.Is(err, errPlain):
		return words.New("recording-not-file")
	case errors.Is(err, errApple):
		return words.New("recording-of-macos")
	case errors.Is(err, errCut):
		return words.New("recording-cut-off")
	case errors.Is(err, errMute):
		return words.New("recording-mute")
	case errors.Is(err, errLarge):
		return toConvert(words.New("recording-too-large", "most", strconv.Itoa(maxRecording>>20)), file)
	}
	if e, ok := errors.AsType[wavError](err); ok {
		return toConvert(words.Message(e), file)
	}
	return words.New("recording-unreadable", "detail", reason(err))
}

// reason is an error without the name of the file, which stands before it.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// toConvert adds to a message the command that makes a recording of a file.
func toConvert(m words.Message, file string) words.Message {
	name := strings.ToLower(strings.TrimSuffix(file, path.Ext(file)))
	return m.With("command", fmt.Sprintf("ffmpeg -i %q -ac 1 -ar 16000 -c:a pcm_s16le %q", file, "new/"+name+".wav"))
}

// Formats that are taken for WAV at times, by how they begin.
var (
	errApple = errors.New("a file that macOS keeps beside a recording")
	foreign  = []struct{ begin, name string }{ //nolint:gochecknoglobals // a table
		{"OggS", "Ogg"}, {"fLaC", "FLAC"}, {"ID3", "MP3"}, {"\xff\xfb", "MP3"}, {"\xff\xf3", "MP3"}, {"FORM", "AIFF"},
		{".snd", "AU"}, {"RIFX", "RIFX (big-endian WAV)"}, {"\x1aE\xdf\xa3", "Matroska"}, {"caff", "Core Audio"},
	}
)

// notWAV says what a file is that is not WAV.
func notWAV(b []byte) error {
	if bytes.HasPrefix(b, []byte{0, 5, 0x16, 7}) || bytes.HasPrefix(b, []byte{0, 5, 0x16, 0}) {
		return errApple
	}
	for _, f := range foreign {
		if bytes.HasPrefix(b, []byte(f.begin)) {
			return wavError(words.New("recording-other-format", "format", f.name))
		}
	}
	if len(b) == 0 {
		return wavError(words.New("recording-empty"))
	}
	return wavError(words.New("recording-not-wav"))
}
