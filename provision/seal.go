package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"intercomd/configs"
	"intercomd/store"
)

// Secrets leave the card if the installer asks for it (system.seal): they go to the data
// partition first, then the file on the card is overwritten in place, then what editors have left of
// it. Whenever the power goes, the next start has the same configuration.

const (
	vaultFile   = "sealed.json"       // the secrets, by the names of their settings
	journalFile = "sealing.json"      // what is being written to the card
	scrubFile   = "scrub"             // the card still has to be swept
	sealWish    = "seal"              // in Places.Run: the file on the card that has secrets
	mostVault   = 1 << 20             // far above any
	mostJournal = 8 * (maxFile + 100) // two copies in base64
)

// Card is the partition that people write to, without a file system mounted: only what is in
// files can be overwritten, in place.
type Card interface {
	Read(name string) ([]byte, error)
	// Overwrite puts other contents of the same length in place of those of a file.
	Overwrite(name string, data []byte) error
	// Scrub overwrites what no file uses.
	Scrub(ctx context.Context) (sectors int, err error)
}

// journal is a write to the card that may be under way.
type journal struct {
	Name     string `json:"name"`
	Old, New []byte
}

// middle reports whether data is what a power cut may have left of the write.
func (j *journal) middle(data []byte) bool {
	if len(data) != len(j.Old) || len(data) != len(j.New) || len(data) == 0 {
		return false
	}
	for i, b := range data {
		if b != j.Old[i] && b != j.New[i] {
			return false
		}
	}
	return true
}

// unseal puts the secrets of the data partition into a file of the card.
func (s *settler) unseal(name string, data []byte) []byte {
	if j, err := loadJournal(s.Kept); err == nil && j != nil && strings.EqualFold(j.Name, name) && j.middle(data) {
		data = j.New
	}
	vault, err := loadVault(s.Kept)
	if err != nil {
		s.log.Error("the sealed secrets cannot be read", "error", err)
		return data
	}
	if len(vault) == 0 {
		return data
	}
	whole, err := configs.Unseal(data, vault)
	if err != nil {
		return data // its faults are told by the loader
	}
	return whole
}

// wishSeal leaves a note for [Seal] if the card's file wants it, or if there is some left to do.
func (s *settler) wishSeal(best *trial) {
	path := filepath.Join(s.Run, sealWish)
	_ = os.Remove(path)
	if config, _ := configs.Load(filepath.Join(best.dir, FileName)); !config.System.Seal {
		return
	}
	_, jerr := os.Stat(filepath.Join(s.Kept, journalFile))
	_, serr := os.Stat(filepath.Join(s.Kept, scrubFile))
	data, err := readSome(filepath.Join(s.Card, best.name), maxFile)
	if err != nil {
		return
	}
	_, secrets, _, err := configs.Seal(data)
	if err != nil || len(secrets) > 0 || jerr == nil || serr == nil {
		if err := os.WriteFile(path, []byte(best.name+"\n"), 0o600); err != nil {
			s.log.Error("the secrets cannot be sealed", "error", err)
		}
	}
}

// Seal takes the secrets out of the file on the card that a start has noted in run, and keeps them
// in kept. Without a note it does nothing.
func Seal(ctx context.Context, card Card, run, kept string, log *slog.Logger) error {
	note, err := store.ReadFile(filepath.Join(run, sealWish), 300)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	return seal(ctx, card, strings.TrimSpace(string(note)), kept, log)
}

func seal(ctx context.Context, card Card, name, kept string, log *slog.Logger) error {
	data, err := card.Read(name)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	j, err := loadJournal(kept)
	if err != nil {
		log.Error("sealing: unfinished work is lost", "error", err)
	}
	switch {
	case j == nil:
	case strings.EqualFold(j.Name, name) && j.middle(data):
		data = j.Old // from the beginning
	default: // somebody has saved the file in between
		if err := remove(kept, journalFile); err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
	}
	text, secrets, before, err := configs.Seal(data)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	if len(secrets) > 0 {
		vault, err := loadVault(kept)
		if err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
		maps.DeleteFunc(vault, func(id, _ string) bool { return !slices.Contains(before, id) })
		if vault == nil {
			vault = map[string]string{}
		}
		maps.Copy(vault, secrets)
		// First everything that a start needs to make the old file of the new one, then the card.
		for _, f := range []struct {
			name string
			what any
		}{{vaultFile, vault}, {scrubFile, true}, {journalFile, journal{name, data, text}}} {
			out, err := json.Marshal(f.what)
			if err == nil {
				err = store.WriteFile(filepath.Join(kept, f.name), out, 0o600)
			}
			if err != nil {
				return fmt.Errorf("sealing: %w", err)
			}
		}
		got, err := loadVault(kept)
		if err != nil || !maps.Equal(got, vault) {
			return errors.New("sealing: the data partition does not keep what is written")
		}
		if err := card.Overwrite(name, text); err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
		log.Info("the secrets were taken out of the file on the card", "file", name, "settings", len(secrets))
	}
	if now, err := card.Read(name); err != nil || !bytes.Equal(now, text) {
		return errors.New("sealing: the card does not keep what is written")
	}
	if err := remove(kept, journalFile); err != nil { // it has the secrets, too, but the vault does as well
		return fmt.Errorf("sealing: %w", err)
	}
	if _, err := os.Stat(filepath.Join(kept, scrubFile)); err == nil {
		n, err := card.Scrub(ctx)
		if err != nil {
			return fmt.Errorf("sealing: sweeping the card: %w", err)
		}
		log.Info("what editors left on the card was overwritten", "sectors", n)
		if err := remove(kept, scrubFile); err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
	}
	return nil
}

func remove(dir, name string) error {
	err := os.Remove(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func loadVault(kept string) (vault map[string]string, err error) {
	data, err := store.ReadFile(filepath.Join(kept, vaultFile), mostVault)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &vault)
	}
	return vault, err
}

func loadJournal(kept string) (*journal, error) {
	data, err := store.ReadFile(filepath.Join(kept, journalFile), mostJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var j journal
	if err == nil {
		err = json.Unmarshal(data, &j)
	}
	if err != nil {
		return nil, err
	}
	return &j, nil
}

// CodeFile is the file on the card for the one-time code of the page, with room for it: it is
// never made, only filled.
const CodeFile = "code.txt"

// ShowCode writes the one-time code of the page into [CodeFile], if the card has one. An empty code
// takes it out again.
func ShowCode(card Card, code string) error {
	if len(code) > 64 || strings.Trim(strings.ToLower(code), "0123456789abcdefghijklmnopqrstuvwxyz-") != "" {
		return errors.New("this is no code")
	}
	data, err := card.Read(CodeFile)
	if err != nil {
		return fmt.Errorf("the code of the page: %w", err)
	}
	text := "The page has no code to show.\r\n"
	if code != "" {
		text = "Code for the page, once: " + code + "\r\n"
	}
	if len(data) < len(text) {
		return fmt.Errorf("the code of the page: %s has %d bytes, which is too short for it", CodeFile, len(data))
	}
	fresh := bytes.Repeat([]byte("\r\n"), (len(data)+1)/2)[:len(data)]
	copy(fresh, text)
	if err := card.Overwrite(CodeFile, fresh); err != nil {
		return fmt.Errorf("the code of the page: %w", err)
	}
	return nil
}
