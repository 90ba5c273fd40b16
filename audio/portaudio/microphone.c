// The microphone without a callback: a thread that comes for what was heard when it is due.
//
// PortAudio's thread waits for the device. Behind a sound server another thread wakes it, holds the client's
// lock still, and so has it wait a second time: two wake-ups a packet. This one looks by the clock. When a packet is
// due follows from the pieces in which the device brings what it hears, and from when the last one came. That
// is learned by coming a little earlier each time, until there is nothing yet; a packet that is late now and then
// changes little.

#include "sound.h"

#define US INT64_C(1000)        // ns
#define AGAIN (500 * US)        // it is looked again so soon for what was not there
#define SELDOM (5000 * US)      // and so soon for a device that stands still
#define BEGINS (500000 * US)    // one that has brought nothing yet does so only after that
#define EARLIER (2 * US)        // each time, times how often in a row there was something
#define EARLIEST (500 * US)     // at most
#define LATER (300 * US)        // at most, for one that was late
#define MOVED 3                 // late ones in a row by which all are later
#define JUDGED (1000000 * US)   // so often it is judged in which pieces they come
#define SAME 25                 // packets in a row behind which as much is left

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

// lasts is how long so many samples are, ns.
static int64_t lasts(const device *d, int64_t samples) { return samples * d->step_ms * NS_PER_MS / d->step; }

// pieces is how many pieces make a packet of what waits already.
static int64_t pieces(const device *d, long waits) { return (d->step - waits + d->hearing.piece - 1) / d->hearing.piece; }

// measure learns in which pieces the device brings what it hears: of what came between a look that found too little
// and the next one, the smallest. Other looks do not tell, for they are where pieces are thought to end.
static void measure(device *d, int64_t now, long waits) {
	hearing *h = &d->hearing;
	long came = waits - h->waited;
	if (h->late && came > 0) {
		if (h->seen++ == 0 || came < h->least) h->least = came;
		if (came < h->piece) h->piece = came;
	} else if (waits >= d->step && waits < h->full && h->piece > d->step) {
		h->piece = d->step; // it has brought less at once than it is thought to
	}
	if (now < h->judged) return;
	if (h->seen > 1) h->piece = h->least; // one alone may have piled up
	h->seen = 0, h->judged = now + JUDGED;
}

// take fetches what is to be fetched of what waits, and returns how much that was.
static long take(device *d, long waits) {
	hearing *h = &d->hearing;
	long n = waits - waits % d->step, left = waits - n;
	h->same = left == h->left ? h->same + 1 : 0;
	h->left = left;
	if (h->same >= SAME && left >= d->step / 4) n = waits; // it would wait for the rest of the call; the engine leaves it out
	return fetch(d, n) ? n : 0;
}

int64_t hear(device *d, int64_t now) {
	ring *x = d->x;
	hearing *h = &d->hearing;
	if (h->due == 0) h->due = now, h->moved = MOVED, h->piece = d->step, h->judged = now + JUDGED; // nothing is known yet
	long waits = d->room(d);
	if (waits == paInputOverflowed) ADD(&x->xruns, 1);
	if (waits >= 0) measure(d, now, waits);
	if (waits < d->step) { // or the device is gone: who sees that nothing comes closes it
		if (waits >= 0) h->waited = waits;
		h->early = 0;
		if (!h->late) h->late = 1, h->moved++;
		return now - h->due < (LOAD(&x->last) == 0 ? BEGINS : 2 * lasts(d, d->step)) ? AGAIN : SELDOM;
	}
	// When the piece came that made the packet full.
	int64_t came = h->due;
	if (!h->late) {
		h->moved = 0;
		if (h->early < EARLIEST) h->early += EARLIER;
		came -= h->early;
	} else {
		came = h->moved >= MOVED || now - h->due < LATER ? now : h->due + LATER;
	}
	// And when the last one did: never after they have been seen, as those that have piled up in a server would have.
	came += (waits - h->full) / h->piece * lasts(d, h->piece);
	if (came > now) came = now;
	long n = take(d, waits);
	if (n == 0) return lasts(d, d->step);
	h->late = 0;
	h->waited = waits - n;
	int64_t more = pieces(d, h->waited);
	h->full = h->waited + more * h->piece;
	h->due = came + more * lasts(d, h->piece);
	STORE(&x->last, now > 0 ? now : 1);
	STORE(&x->chunk, d->step);
	ADD(&x->asked, n);
	uint32_t wanted = LOAD(&x->wanted);
	if (wanted && LOAD(&x->head) - LOAD(&x->tail) >= wanted) ring_bell(d);
	return h->due - now > AGAIN ? h->due - now : AGAIN;
}

long stream_waits(device *d) { return Pa_GetStreamReadAvailable(d->stream); }
int stream_get(device *d, int16_t *pcm, long n) { return Pa_ReadStream(d->stream, pcm, n); }
