// Package provision makes a machine of a card image what an installer has written onto
// its first partition: it finds the configuration there, judges it, keeps the last good
// one, and turns the settings of the machine into files for systemd, iwd and
// wpa_supplicant. What the tool that wrote the card has left there is heeded as far as it
// applies.
//
// Nothing here writes to the card but what an installer asks for: passwords are taken out of a
// file ([Seal]), and the code of the page is put into one ([ShowCode]), in place. A broken card is no error but a [Note]: the door starts
// in any case, with the settings of before or with none, and says why.
//
// It refuses to know how partitions come to be mounted, and what the settings of the door
// mean.
package provision

import (
	"maps"
	"slices"

	"intercomd/words"
)

// Note is something that people at the door should know. The daemon shows it as a fault;
// code and parameters are those of its catalogue of words.
type Note struct {
	Code   string
	Params []string // names and values in turn
}

// The codes of notes.
const (
	NoteBroken     = "card-settings-broken"     // place, key, and a fault of the configuration as why
	NoteMissing    = "card-settings-missing"    // like: what looks like it, or nothing
	NoteUnreadable = "card-settings-unreadable" // detail
	NoteTwice      = "card-settings-twice"      // used, others
	NoteNotKept    = "card-settings-not-kept"   // detail
	NoteTool       = "card-tool-ignored"        // file, and why
	NoteMachine    = "card-machine"             // detail
)

// Codes are the codes of all notes.
func Codes() []string {
	return []string{NoteBroken, NoteMissing, NoteUnreadable, NoteTwice, NoteNotKept, NoteTool, NoteMachine}
}

// because is a note with the reason for it, whose parameters go along.
func because(code string, why words.Message, params ...string) Note {
	all := words.New(code, params...).Because(why).Params.Map()
	n := Note{Code: code}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n.Params = append(n.Params, name, all[name])
	}
	return n
}
