package door

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"intercomd/audio"
	"intercomd/configs"
)

// recordings are what the door plays beside its tones: read once, and judged by `check` as
// by `run`.
type recordings struct {
	prompts audio.Recordings // own ones
	words   audio.Recordings // what is said after the tones
	folders []string         // where words are looked for
}

// judge reads the recordings that a configuration names. Whatever is wrong with one, the
// door works without it.
func (r *recordings) judge(c *configs.Config) (faults []configs.Fault) {
	bad := func(key, problem, remedy string) {
		faults = append(faults, configs.Fault{Key: key, Problem: problem, Remedy: remedy})
	}
	read := func(key, dir string) audio.Recordings {
		list, errs := audio.ReadRecordings(os.DirFS(dir))
		for _, e := range errs {
			bad(key, filepath.Join(dir, e.File)+": "+e.Problem, e.Remedy)
		}
		return list
	}
	if dir := c.Audio.Prompts; dir != "" {
		r.prompts = read("audio.prompts", dir)
		for i := range c.Targets {
			// A visitor must not hear nothing: without its recording a target has the usual tone.
			if t := &c.Targets[i]; t.Prompt != "" && !r.prompts.Has(t.Prompt) {
				bad(fmt.Sprintf("target[%d].prompt", i), "there is no recording "+filepath.Join(dir, t.Prompt+".wav")+" that can be played", "put it there, or remove the setting")
				t.Prompt = ""
			}
		}
	}
	if l := c.Audio.Language; l != "off" && l != "" {
		if dir := wordsOf(l, r.folders); dir != "" {
			r.words = read("audio.language", dir)
		} else {
			last := r.folders[len(r.folders)-1]
			bad("audio.language", fmt.Sprintf("there are no words in %q, as %s: tones only", l, filepath.Join(last, l)), "make prompts, and copy build/prompts to "+last)
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
