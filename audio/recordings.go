package audio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Recordings are sounds of a folder by their names: those of the files without ".wav", in
// small letters.
type Recordings map[string]prompt

// Has reports whether there is a recording of that name.
func (r Recordings) Has(name string) bool { _, ok := r[name]; return ok }

// RecordingError says why a file of a folder of recordings is not played, or not whole.
type RecordingError struct {
	File    string // in the folder
	Problem string
	Remedy  string
}

// Error names the file, the problem and the remedy.
func (e RecordingError) Error() string { return e.File + ": " + e.Problem + "; " + e.Remedy }

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
		return nil, []RecordingError{{File: ".", Problem: "cannot be read: " + reason(err), Remedy: "check the folder"}}
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
		bad := func(problem, remedy string) {
			faults = append(faults, RecordingError{File: file, Problem: problem, Remedy: remedy})
		}
		switch {
		case otherSound(ext):
			bad("only WAV files are played", convert(file))
			continue
		case ext != ".wav" && ext != ".wave":
			continue
		case read >= maxFiles:
			bad(fmt.Sprintf("there are more than %d recordings", maxFiles), "remove what is not played")
			return out, faults
		case out.Has(name):
			bad("another file has that name but for upper and lower case", "remove one of them")
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
			bad("the recordings before it fill the memory that there is for them", "remove what is not played, or convert to 16000 Hz")
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
	errCut   = errors.New("it is cut off; what is there of it is played")
	errMute  = errors.New("there is no sound in it")
	errLarge = fmt.Errorf("it is larger than %d MB", maxRecording>>20)
	errPlain = errors.New("it is no file")
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
	toInt16(p.pcm, s.Samples)
	return p, err
}

// explainWAV says why a recording is not played, and what to do about it.
func explainWAV(err error, file string) (problem, remedy string) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it leads nowhere", "correct the link, or remove it"
	case errors.Is(err, fs.ErrPermission):
		return "no permission to read it", "make it readable for the user of the service"
	case errors.Is(err, fs.ErrInvalid):
		return "its name is not UTF-8 text", "give it another name"
	case errors.Is(err, errPlain):
		return err.Error(), "remove it, or give it another name"
	case errors.Is(err, errApple):
		return err.Error(), "delete it"
	case errors.Is(err, errCut):
		return err.Error(), "copy it again"
	case errors.Is(err, errMute):
		return err.Error(), "record it again, or remove it"
	case errors.Is(err, errWAV), errors.Is(err, errLarge):
		return strings.TrimPrefix(err.Error(), "audio: "), convert(file)
	}
	return "cannot be read: " + reason(err), "copy it again"
}

// reason is an error without the name of the file, which stands before it.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

func convert(file string) string {
	name := strings.ToLower(strings.TrimSuffix(file, path.Ext(file)))
	return fmt.Sprintf("convert it to 16 bits: ffmpeg -i %q -ac 1 -ar 16000 -c:a pcm_s16le %q", file, "new/"+name+".wav")
}

// Formats that are taken for WAV at times, by how they begin.
var (
	errApple = errors.New("this is no recording but what macOS keeps beside one")
	foreign  = []struct{ begin, name string }{ //nolint:gochecknoglobals // a table
		{"OggS", "Ogg"}, {"fLaC", "FLAC"}, {"ID3", "MP3"}, {"\xff\xfb", "MP3"}, {"\xff\xf3", "MP3"}, {"FORM", "AIFF"},
		{".snd", "AU"}, {"RIFX", "WAV with the bytes of each sample turned round"}, {"\x1aE\xdf\xa3", "Matroska"}, {"caff", "Core Audio"},
	}
)

// notWAV says what a file is that is not WAV.
func notWAV(b []byte) error {
	if bytes.HasPrefix(b, []byte{0, 5, 0x16, 7}) || bytes.HasPrefix(b, []byte{0, 5, 0x16, 0}) {
		return errApple
	}
	for _, f := range foreign {
		if bytes.HasPrefix(b, []byte(f.begin)) {
			return fmt.Errorf("audio: this is %s: %w", f.name, errWAV)
		}
	}
	if len(b) == 0 {
		return fmt.Errorf("audio: it is empty: %w", errWAV)
	}
	return fmt.Errorf("audio: %w", errWAV)
}
