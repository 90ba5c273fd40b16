package door

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"intercomd/audio"
	"intercomd/configs"
	"intercomd/words"
)

// recordings are what the door plays beside its tones: read once, and judged by `check` as
// by `run`.
type recordings struct {
	prompts audio.Recordings // own ones
	spoken  audio.Recordings // what is said after the tones
	folders []string         // where spoken ones are looked for
}

// judge reads the recordings that a configuration names. Whatever is wrong with one, the
// door works without it.
func (r *recordings) judge(c *configs.Config) (faults []configs.Fault) {
	bad := func(key string, m words.Message) {
		faults = append(faults, configs.Fault{Key: key, Message: m})
	}
	read := func(key, dir string) audio.Recordings {
		list, errs := audio.ReadRecordings(os.DirFS(dir))
		for _, e := range errs {
			bad(key, e.With("in", filepath.Join(dir, e.File)))
		}
		return list
	}
	if dir := c.Audio.Prompts; dir != "" {
		r.prompts = read("audio.prompts", dir)
		for i := range c.Targets {
			// A visitor must not hear nothing: without its recording a target has the usual tone.
			if t := &c.Targets[i]; t.Prompt != "" && !r.prompts.Has(t.Prompt) {
				bad(fmt.Sprintf("target[%d].prompt", i), words.New("recording-missing", "file", filepath.Join(dir, t.Prompt+".wav")))
				t.Prompt = ""
			}
		}
	}
	if l := c.Audio.Language; l != "off" && l != "" {
		if dir := wordsOf(l, r.folders); dir != "" {
			r.spoken = read("audio.language", dir)
		} else {
			last := r.folders[len(r.folders)-1]
			bad("audio.language", words.New("announcements-missing", "language", l, "folder", last))
		}
	}
	return faults
}

// Judge judges the recordings that a configuration names, as [Load] does.
func Judge() configs.Judge { return (&recordings{folders: promptFolders()}).judge }

// promptFolders is where the spoken words may be: of the source tree that the program
// was built in, then of the system.
func promptFolders() []string {
	var folders []string
	if exe, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Join(filepath.Dir(exe), "..", "build", "prompts"))
	}
	return append(folders, "/usr/local/share/intercomd/prompts", "/usr/share/intercomd/prompts")
}

// wordsOf finds the folder with the words of a language; "" if there is none.
func wordsOf(language string, folders []string) string {
	for _, f := range folders {
		dir := filepath.Join(f, language)
		if found, err := fs.Glob(os.DirFS(dir), "*.wav"); err == nil && len(found) > 0 {
			return dir
		}
	}
	return ""
}
