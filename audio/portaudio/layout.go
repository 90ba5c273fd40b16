package portaudio

/*
#include <stddef.h>
#include <string.h>
#include "sound.h"

static long card_room, card_given;
static int card_error;
static int16_t card_pcm[1 << 16];

static long card_free(device *d) { (void)d; return card_room; }

static int card_take(device *d, const int16_t *pcm, long n) {
	if (card_error != 0 && card_error != paOutputUnderflowed) return card_error;
	memcpy(card_pcm + card_given, pcm, n * d->channels * sizeof *pcm);
	card_given += n * d->channels;
	return card_error;
}

static int card_bring(device *d, int16_t *pcm, long n) {
	if (card_error != 0 && card_error != paInputOverflowed) return card_error;
	memcpy(pcm, card_pcm + card_given, n * d->channels * sizeof *pcm);
	card_given += n * d->channels;
	return card_error;
}

static void card_use(device *d) { d->room = card_free, d->put = card_take, d->get = card_bring; }
static void card_set(long room, int error) { card_room = room, card_error = error, card_given = 0; }
static int16_t *card_got(long *n) { *n = card_given; return card_pcm; }
*/
import "C"

import (
	"slices"
	"time"
	"unsafe"
)

// layout lists where the fields of the C struct ring lie, and its size. Tests
// compare it to [device.RingMemory]: cgo cannot be used in tests themselves.
func layout() []uintptr {
	var x C.ring
	return []uintptr{
		unsafe.Offsetof(x.head), unsafe.Offsetof(x.tail), unsafe.Offsetof(x.asked), unsafe.Offsetof(x.last), unsafe.Offsetof(x.chunk), unsafe.Offsetof(x.alarm),
		unsafe.Offsetof(x.xruns), unsafe.Offsetof(x.gaps), unsafe.Offsetof(x.fills), unsafe.Offsetof(x.started), unsafe.Offsetof(x.wanted),
		unsafe.Offsetof(x.samples), unsafe.Sizeof(x),
	}
}

// card is what the thread of a loudspeaker writes to, or that of a microphone reads from, in tests.
type card struct {
	s   *stream
	now func() time.Duration
}

// newCard puts one in the place of PortAudio, which takes or brings so many samples at a time.
func newCard(s *stream, step int, now func() time.Duration) card {
	C.card_use(s.dev)
	s.dev.step, s.dev.step_ms, s.dev.floor = C.long(step), 1, C.long(step)
	return card{s, now}
}

// feed does what the thread does when it is time to look at a card with so much room, and
// returns what the card was given and after how many milliseconds it wants to be woken again.
func (c card) feed(room int, code int) (given []int16, again int) {
	c.s.dev.again = 0
	return c.wake(room, code)
}

// wake is the same when it was woken before it is time.
func (c card) wake(room int, code int) (given []int16, again int) {
	given, d := c.look(room, code)
	return given, int(d / time.Millisecond)
}

// look is wake to the nanosecond.
func (c card) look(room int, code int) (given []int16, again time.Duration) {
	C.card_set(C.long(room), C.int(code))
	again = time.Duration(C.feed(c.s.dev, C.int64_t(c.now())))
	var n C.long
	pcm := C.card_got(&n)
	return slices.Clone(unsafe.Slice((*int16)(unsafe.Pointer(pcm)), int(n))), again
}

// hear does what the thread does when in waits in a card, and returns after how long it wants to look again.
func (c card) hear(in []int16, code int) time.Duration {
	var n C.long
	copy(unsafe.Slice((*int16)(unsafe.Pointer(C.card_got(&n))), 1<<16), in)
	return c.listen(len(in)/int(c.s.dev.channels), code)
}

// listen is hear where the card says that so many samples wait, or an error.
func (c card) listen(waits, code int) time.Duration {
	C.card_set(C.long(waits), C.int(code))
	return time.Duration(C.hear(c.s.dev, C.int64_t(c.now())))
}

// steps has the thread find out when the card takes a step of so many samples, which lasts so many ms.
func (c card) steps(samples, ms int) {
	c.s.dev.step, c.s.dev.step_ms, c.s.dev.floor = C.long(samples), C.int(ms), C.long(samples+samples/16)
	c.s.dev.takes.step, c.s.dev.takes.size = C.int64_t(time.Duration(ms)*time.Millisecond), C.int64_t(samples)
}
