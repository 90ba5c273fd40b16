// Package alsamixer sets the levels of sound cards in ALSA's mixer, as alsamixer
// and amixer do. It knows nothing of streams, doors or configurations.
package alsamixer

/*
#cgo pkg-config: alsa
#include <stdlib.h>
#include <string.h>
#include <alsa/asoundlib.h>

// The mixer is opened anew for each use: a card may go at any moment, and nothing
// is watched.
static int open_mixer(snd_mixer_t **m, const char *card) {
	int err = snd_mixer_open(m, 0);
	if (err < 0) return err;
	if ((err = snd_mixer_attach(*m, card)) < 0 || (err = snd_mixer_selem_register(*m, NULL, NULL)) < 0 ||
		(err = snd_mixer_load(*m)) < 0) {
		snd_mixer_close(*m);
		*m = NULL;
	}
	return err;
}

static int set_percent(snd_mixer_elem_t *e, int capture, double share) {
	long low = 0, high = 0;
	int err = capture ? snd_mixer_selem_get_capture_volume_range(e, &low, &high) : snd_mixer_selem_get_playback_volume_range(e, &low, &high);
	if (err < 0) return err;
	long v = low + (long)(share * (double)(high - low) + 0.5);
	return capture ? snd_mixer_selem_set_capture_volume_all(e, v) : snd_mixer_selem_set_playback_volume_all(e, v);
}

// A card has steps: the next one above is taken.
static int set_centibels(snd_mixer_elem_t *e, int capture, long v) {
	return capture ? snd_mixer_selem_set_capture_dB_all(e, v, 1) : snd_mixer_selem_set_playback_dB_all(e, v, 1);
}

static int range_centibels(snd_mixer_elem_t *e, int capture, long *low, long *high) {
	return capture ? snd_mixer_selem_get_capture_dB_range(e, low, high) : snd_mixer_selem_get_playback_dB_range(e, low, high);
}

static int set_switch(snd_mixer_elem_t *e, int capture, int on) {
	if (capture) return snd_mixer_selem_has_capture_switch(e) ? snd_mixer_selem_set_capture_switch_all(e, on) : 0;
	return snd_mixer_selem_has_playback_switch(e) ? snd_mixer_selem_set_playback_switch_all(e, on) : 0;
}

// get_percent is the level of one channel, in hundredths; less than 0 is an error.
static int get_percent(snd_mixer_elem_t *e, int capture) {
	long low = 0, high = 0, v = 0;
	int err = capture ? snd_mixer_selem_get_capture_volume_range(e, &low, &high) : snd_mixer_selem_get_playback_volume_range(e, &low, &high);
	if (err < 0) return err;
	err = capture ? snd_mixer_selem_get_capture_volume(e, SND_MIXER_SCHN_MONO, &v) : snd_mixer_selem_get_playback_volume(e, SND_MIXER_SCHN_MONO, &v);
	if (err < 0) return err;
	return high > low ? (int)((100 * (v - low) + (high - low) / 2) / (high - low)) : 0;
}

static int get_switch(snd_mixer_elem_t *e, int capture) {
	int on = 1;
	if (capture && snd_mixer_selem_has_capture_switch(e)) snd_mixer_selem_get_capture_switch(e, SND_MIXER_SCHN_MONO, &on);
	if (!capture && snd_mixer_selem_has_playback_switch(e)) snd_mixer_selem_get_playback_switch(e, SND_MIXER_SCHN_MONO, &on);
	return on;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"intercomd/words"
)

// Errors of [Set].
var (
	ErrNoCard    = errors.New("there is no such sound card")
	ErrNoControl = errors.New("there is no such control")
	ErrTooLoud   = errors.New("the card cannot be that loud")
	ErrNoLevel   = errors.New("this control has no level of that kind")
)

// Side is what a control has an effect on. One of the name "Mic" often has both:
// how loud the microphone is recorded, and how loud it is played back at once.
type Side int

// The sides. Auto is the only one that a control has, or else Capture.
const (
	Auto Side = iota
	Playback
	Capture
)

// Setting is the level of a control.
type Setting struct {
	Control string // name, and its index behind a comma if it is not 0: "Mic,1"
	Side    Side
	Off     bool    // muted
	Decibel bool    // Level is in dB, else in percent of what the card has
	Level   float64 // all channels
}

// Control is a level of a card's mixer.
type Control struct {
	Name     string // as in a [Setting]
	Playback int    // level in percent; less than 0: it has none
	Capture  int
	Muted    bool // one of them
}

// Cards lists the cards as [Set] and [Controls] take them, "hw:0", with their names.
func Cards() (cards, names []string, err error) {
	for i := C.int(-1); ; {
		if code := C.snd_card_next(&i); code < 0 {
			return cards, names, alsaError(code)
		}
		if i < 0 {
			return cards, names, nil
		}
		var name *C.char
		if code := C.snd_card_get_name(i, &name); code < 0 { //nolint:gocritic // cgo's own code
			continue // it went meanwhile
		}
		cards, names = append(cards, fmt.Sprintf("hw:%d", int(i))), append(names, C.GoString(name))
		C.free(unsafe.Pointer(name))
	}
}

// Controls lists the levels of a card: "default", "hw:0" or "hw:Device".
func Controls(card string) (list []Control, err error) {
	err = with(card, func(e *C.snd_mixer_elem_t) {
		if c, ok := describe(e); ok {
			list = append(list, c)
		}
	})
	return list, err
}

func describe(e *C.snd_mixer_elem_t) (Control, bool) {
	c := Control{Name: name(e), Playback: -1, Capture: -1}
	if C.snd_mixer_selem_has_playback_volume(e) != 0 {
		c.Playback = int(C.get_percent(e, 0))
		c.Muted = C.get_switch(e, 0) == 0
	}
	if C.snd_mixer_selem_has_capture_volume(e) != 0 {
		c.Capture = int(C.get_percent(e, 1))
		c.Muted = c.Muted || C.get_switch(e, 1) == 0
	}
	return c, c.Playback >= 0 || c.Capture >= 0
}

func name(e *C.snd_mixer_elem_t) string {
	n := C.GoString(C.snd_mixer_selem_get_name(e))
	if i := int(C.snd_mixer_selem_get_index(e)); i > 0 {
		n += fmt.Sprintf(",%d", i)
	}
	return n
}

// Set sets a level and takes off a mute, or mutes. A card that cannot be as loud as
// that is as loud as it can, and that is an error too.
func Set(card string, s Setting) error {
	var have []string
	found, err := false, error(nil)
	open := with(card, func(e *C.snd_mixer_elem_t) {
		if n := name(e); n != s.Control {
			if c, ok := describe(e); ok && !slices.Contains(have, c.Name) {
				have = append(have, c.Name)
			}
			return
		}
		found = true
		err = s.apply(e)
	})
	switch {
	case open != nil:
		return open
	case !found:
		err = &words.Error{Message: words.New("mixer-no-control", "have", strings.Join(have, ", ")), Kind: ErrNoControl}
	}
	if err != nil {
		return fmt.Errorf("%q on the card %q: %w", s.Control, card, err)
	}
	return nil
}

func (s Setting) apply(e *C.snd_mixer_elem_t) error {
	plays, records := C.snd_mixer_selem_has_playback_volume(e) != 0, C.snd_mixer_selem_has_capture_volume(e) != 0
	side := s.Side
	if side == Auto {
		side = Playback
		if records {
			side = Capture
		}
	}
	capture := C.int(0)
	if side == Capture {
		capture = 1
	}
	if s.Off {
		return alsaError(C.set_switch(e, capture, 0))
	}
	if side == Capture && !records || side == Playback && !plays {
		return &words.Error{Message: words.New("mixer-no-level"), Kind: ErrNoLevel}
	}
	var code C.int
	if s.Decibel {
		code = C.set_centibels(e, capture, C.long(s.Level*100))
	} else {
		code = C.set_percent(e, capture, C.double(s.Level/100))
	}
	if code < 0 {
		return &words.Error{Message: words.New("mixer-no-level"), Kind: ErrNoLevel, Err: alsaError(code)}
	}
	if err := alsaError(C.set_switch(e, capture, 1)); err != nil || !s.Decibel {
		return err
	}
	var low, high C.long
	if C.range_centibels(e, capture, &low, &high) >= 0 && s.Level*100 > float64(high) {
		return &words.Error{Message: words.New("mixer-too-loud", "low", decibel(low), "high", decibel(high)), Kind: ErrTooLoud}
	}
	return nil
}

// with calls f with every control of a card.
func with(card string, f func(*C.snd_mixer_elem_t)) error {
	text := C.CString(card)
	defer C.free(unsafe.Pointer(text))
	var m *C.snd_mixer_t
	if code := C.open_mixer(&m, text); code < 0 { //nolint:gocritic // cgo's own code
		return &words.Error{Message: words.New("mixer-no-card", "card", card), Kind: ErrNoCard, Err: alsaError(code)}
	}
	defer C.snd_mixer_close(m)
	for e := C.snd_mixer_first_elem(m); e != nil; e = C.snd_mixer_elem_next(e) {
		if C.snd_mixer_selem_is_active(e) != 0 {
			f(e)
		}
	}
	return nil
}

// decibel is a level of ALSA, in hundredths of a dB, as a parameter.
func decibel(centibels C.long) string { return strconv.FormatFloat(float64(centibels)/100, 'f', 1, 64) }

func alsaError(code C.int) error {
	if code >= 0 {
		return nil
	}
	return errors.New(strings.ToLower(C.GoString(C.snd_strerror(code))))
}
