// The loudspeaker without a callback: a thread that hands on what the engine has made.
//
// A callback has its own clock and takes what it needs when it needs it, so that the engine has to
// be awake just before, and a period of the card more than that is always on its way. This thread
// writes as soon as the engine has made something, and the card's buffer is all that waits: the
// engine may make what is needed when the microphone has woken it anyhow. Where the microphone does
// not, this thread does, at a time that the engine names: a timer of Go's costs several wake-ups of
// its threads each time that it is set, and is set anew with each packet.

#include "sound.h"

// What is handed on goes to the sound server's client, to the server, and to the thread there that takes it: so much sooner.
#define ROUTE (5 * NS_PER_MS)

// hand_on writes so many samples of the ring, or silence, to the card. It returns 0 if it could not.
static int hand_on(device *d, long samples, int silence) {
	ring *x = d->x;
	int16_t pcm[MOST];
	uint64_t tail = LOAD(&x->tail);
	for (long done = 0; done < samples;) {
		long n = samples - done, i = 0;
		if (n > MOST / d->channels) n = MOST / d->channels;
		for (int16_t *p = pcm; i < n; i++)
			for (int c = 0; c < d->channels; c++) *p++ = silence ? 0 : x->samples[(tail + done + i) % RING_SIZE];
		int error = d->put(d, pcm, n);
		if (error == paOutputUnderflowed) ADD(&x->xruns, 1);
		else if (error != paNoError) return 0;
		done += n;
	}
	if (!silence) STORE(&x->tail, tail + samples);
	d->given += samples;
	return 1;
}

// dry is when a card whose takes are known takes a step that is not there, less what the way to it takes: so many
// steps have been taken, so many samples wait.
static int64_t dry(const device *d, int64_t steps, long queued) {
	return d->takes.first + (steps + queued / d->step + 1) * d->takes.step - ROUTE;
}

// hand_over hands on what waits, or silence where the card would run dry, and returns after how many
// nanoseconds it has to be called again if nothing is made meanwhile.
static int64_t hand_over(device *d, int64_t now) {
	ring *x = d->x;
	takes *t = &d->takes;
	int64_t step_ns = d->step_ms * NS_PER_MS;
	long room = d->room(d);
	if (room < 0) return step_ns; // the card is gone: who sees that nothing is taken any more closes it
	if (d->size == 0) d->size = room; // it is empty
	long queued = d->size - room;
	int64_t steps = takes_saw(t, now, d->given - queued);
	int sure = takes_sure(t, now);
	uint64_t tail = LOAD(&x->tail);
	int64_t taken = (int64_t)tail - queued;
	if (taken != d->taken || LOAD(&x->last) == 0) { // else it stands still
		int64_t last = sure ? t->first + steps * step_ns : now;
		STORE(&x->last, last > 0 ? last : 1);
	}
	STORE(&x->chunk, sure ? d->step : 0);
	// A card that is late with a step has enough.
	int short_of = sure ? now >= dry(d, steps, queued) && queued < 2 * d->step : queued < d->floor;
	long n = (long)(LOAD(&x->head) - tail);
	if (n > room) n = room;
	if (n > 0) {
		if (!hand_on(d, n, 0)) return step_ns;
	} else if (short_of && d->step <= room) {
		if (!hand_on(d, n = d->step, 1)) return step_ns;
		ADD(&x->fills, 1);
		if (LOAD(&x->started)) ADD(&x->gaps, 1), ADD(&x->xruns, 1);
		taken -= n;
	} else {
		n = 0;
	}
	d->taken = taken;
	STORE(&x->asked, (uint64_t)taken);
	queued += n;
	int64_t again = sure ? dry(d, steps, queued) - now
		: (queued - d->floor) * d->step_ms / d->step * NS_PER_MS;
	int64_t look = takes_look(t, now);
	if (look != 0 && look - now < again) again = look - now;
	return again < NS_PER_MS ? NS_PER_MS : again;
}

// feed does that where something was made or it is time, and wakes the engine if it is time for that. It
// returns after how many nanoseconds it has to be called again. Who was woken for the engine's alarm alone does
// not ask the sound system, which costs more than all else here: behind a server, its lock, and another thread with it.
int64_t feed(device *d, int64_t now) {
	if (now >= d->again || LOAD(&d->x->head) != LOAD(&d->x->tail)) d->again = now + hand_over(d, now);
	int64_t next = d->again - now;
	int64_t alarm = LOAD(&d->x->alarm), left = alarm - now;
	if (alarm == 0) return next;
	if (left > 0) return left < next ? left : next;
	// The engine may have named another time meanwhile: it wakes this thread then.
	if (__atomic_compare_exchange_n(&d->x->alarm, &alarm, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) ring_bell(d);
	return next;
}

long stream_room(device *d) { return Pa_GetStreamWriteAvailable(d->stream); }
int stream_put(device *d, const int16_t *pcm, long n) { return Pa_WriteStream(d->stream, pcm, n); }
