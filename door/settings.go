package door

import (
	"errors"
	"fmt"
	"slices"

	"intercomd/configs"
	"intercomd/station"
	"intercomd/words"
)

// Settings are a configuration and everything that it names.
type Settings struct {
	*configs.Config // complete in any case, see [configs.Load]

	Path string
	Err  error // what is wrong, of type [configs.Faults]; nil for nothing

	recordings *recordings
}

// Load reads a configuration.
func Load(path string) Settings {
	r := &recordings{folders: promptFolders()}
	cfg, err := configs.Load(path, r.judge)
	return Settings{Config: cfg, Path: path, Err: err, recordings: r}
}

// LoadText reads a configuration that stands in place of the file of an installer, whose own
// configuration own is.
func LoadText(path string, text []byte, own *configs.Config) Settings {
	r := &recordings{folders: promptFolders()}
	cfg, err := configs.LoadText(path, text, r.judge, configs.SameOwn(own))
	return Settings{Config: cfg, Path: path, Err: err, recordings: r}
}

// LoadLayers reads a configuration in layers, see [configs.LoadLayers]. path is what people are
// to correct.
func LoadLayers(path string, layers []configs.Layer) Settings {
	r := &recordings{folders: promptFolders()}
	cfg, err := configs.LoadLayers(layers, r.judge)
	return Settings{Config: cfg, Path: path, Err: err, recordings: r}
}

// Usable reports whether the door can call in spite of what is wrong.
func (s *Settings) Usable() bool {
	var list configs.Faults
	return s.Err == nil || errors.As(s.Err, &list) && !slices.ContainsFunc(list, func(f configs.Fault) bool { return !f.Optional })
}

// faults are what is wrong, as faults of the door.
func (s *Settings) faults() []station.Fault {
	if s.Err == nil {
		return nil
	}
	var list configs.Faults
	if !errors.As(s.Err, &list) {
		return []station.Fault{{Key: "config", Blinks: station.FaultConfig, Message: words.Because(words.New("config-unreadable"), s.Err)}}
	}
	var out []station.Fault
	for i, f := range list {
		blinks := station.FaultConfig
		if f.Optional {
			blinks = station.FaultLesser
		}
		out = append(out, station.Fault{Key: fmt.Sprintf("config.%d", i+1), Blinks: blinks, Message: f.Told()})
	}
	return out
}
