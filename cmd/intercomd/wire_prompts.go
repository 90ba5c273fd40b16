package main

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// promptFolders is where the spoken words may be: of the source tree that the program
// was built in, then of the system.
func promptFolders() []string {
	var folders []string
	if exe, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Join(filepath.Dir(exe), "..", "build", "prompts"))
	}
	return append(folders, "/usr/local/share/intercomd/prompts", "/usr/share/intercomd/prompts")
}

// spoken returns the words in a language; nil for none. Without them the door has its
// tones.
func spoken(language string, log *slog.Logger) fs.FS {
	if language == "off" || language == "" {
		return nil
	}
	folders := promptFolders()
	for _, f := range folders {
		dir := filepath.Join(f, language)
		if found, err := filepath.Glob(filepath.Join(dir, "*.wav")); err == nil && len(found) > 0 {
			return os.DirFS(dir)
		}
	}
	log.Warn("the door has no words in this language: tones only", "language", language, "looked in", folders,
		"remedy", "make prompts, and copy build/prompts to "+folders[len(folders)-1])
	return nil
}
