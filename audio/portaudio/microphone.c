// The microphone without a callback: a thread that comes for what was heard when it is due.
//
// PortAudio's thread waits for the device. Behind a sound server another thread wakes it, holds the client's
// lock still, and so has it wait a second time: two wake-ups a packet. This one looks by the clock. When a packet is
// due is learned by coming a little earlier each time, until there is nothing yet; a packet that is late now
// and then changes little.

#include "sound.h"

#define MOST 2048               // samples that are read at once
#define US INT64_C(1000)        // ns
#define AGAIN (500 * US)        // it is looked again so soon for what was not there
#define SELDOM (5000 * US)      // and so soon for a device that stands still
#define BEGINS (500000 * US)    // one that has brought nothing yet does so only after that
#define EARLIER (2 * US)        // each time, times how often in a row there was something
#define EARLIEST (500 * US)     // at most
#define LATER (300 * US)        // at most, for one that was late
#define MOVED 3                 // late ones in a row by which all are later

// fetch moves so many samples to the ring, or returns 0 if it could not.
static int fetch(device *d, long samples) {
	ring *x = d->x;
	int16_t pcm[MOST];
	uint64_t head = LOAD(&x->head), room = RING_SIZE - (head - LOAD(&x->tail));
	int lost = 0;
	for (long done = 0, n; done < samples; done += n) {
		n = samples - done;
		if (n > MOST / d->channels) n = MOST / d->channels;
		int error = d->get(d, pcm, n);
		if (error == paInputOverflowed) lost = 1;
		else if (error != paNoError) return 0;
		const int16_t *p = pcm;
		for (long i = 0; i < n; i++) {
			int32_t sum = 0;
			for (int c = 0; c < d->channels; c++) sum += *p++;
			if (room == 0) lost = 1; // the engine has not come for a third of a second
			else x->samples[head++ % RING_SIZE] = (int16_t)(sum / d->channels), room--;
		}
	}
	STORE(&x->head, head);
	if (lost) ADD(&x->xruns, 1);
	return 1;
}

int64_t hear(device *d, int64_t now) {
	ring *x = d->x;
	hearing *h = &d->hearing;
	int64_t step_ns = d->step_ms * NS_PER_MS;
	if (h->due == 0) h->due = now, h->moved = MOVED; // not known yet
	long waits = d->room(d);
	if (waits == paInputOverflowed) ADD(&x->xruns, 1);
	if (waits < d->step) { // or the device is gone: who sees that nothing comes closes it
		h->early = 0;
		if (!h->late) h->late = 1, h->moved++;
		return now - h->due < (LOAD(&x->last) == 0 ? BEGINS : 2 * step_ns) ? AGAIN : SELDOM;
	}
	long steps = waits / d->step;
	if (!fetch(d, steps * d->step)) return step_ns;
	if (!h->late) {
		h->moved = 0;
		if (h->early < EARLIEST) h->early += EARLIER;
		h->due -= h->early;
	} else if (h->moved >= MOVED) {
		h->due = now;
	} else {
		h->due = now - h->due < LATER ? now : h->due + LATER;
	}
	h->late = 0;
	h->due += steps * step_ns;
	STORE(&x->last, now > 0 ? now : 1);
	STORE(&x->chunk, d->step);
	ADD(&x->asked, steps * d->step);
	uint32_t wanted = LOAD(&x->wanted);
	if (wanted && LOAD(&x->head) - LOAD(&x->tail) >= wanted) ring_bell(d);
	return h->due - now > AGAIN ? h->due - now : AGAIN;
}

long stream_waits(device *d) { return Pa_GetStreamReadAvailable(d->stream); }
int stream_get(device *d, int16_t *pcm, long n) { return Pa_ReadStream(d->stream, pcm, n); }
