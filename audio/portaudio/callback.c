#define _GNU_SOURCE // pthread_setname_np
#include "callback.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

// The other side of each counter is Go, whose atomics are sequentially consistent.
#define LOAD(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define ADD(p, n) __atomic_add_fetch((p), (n), __ATOMIC_SEQ_CST)

// named gives the thread, which is the library's own, a name that tools show, and timers that
// are not late, whatever the rest of the process has.
static void named(device *d, const char *name) {
	if (LOAD(&d->x->last) != 0) return;
	pthread_setname_np(pthread_self(), name);
	prctl(PR_SET_TIMERSLACK, 50000UL); // ns; the kernel's own default
}

// called notes a callback.
static void called(device *d, unsigned long frames, int xrun) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - d->epoch;
	STORE(&d->x->last, now > 0 ? now : 1);
	if ((int64_t)frames > LOAD(&d->x->chunk)) STORE(&d->x->chunk, (int64_t)frames);
	if (xrun) ADD(&d->x->xruns, 1);
	ADD(&d->x->asked, frames);
}

// ring_bell wakes the engine. It never blocks; a full pipe wakes as well.
void ring_bell(device *d) {
	if (d->bell < 0) return;
	ssize_t n = write(d->bell, "", 1);
	(void)n;
}

// wake wakes the engine if as much waits as it wants.
static void wake(device *d) {
	ring *x = d->x;
	uint32_t wanted = LOAD(&x->wanted);
	if (wanted && LOAD(&x->head) - LOAD(&x->tail) >= wanted) ring_bell(d);
}

int capture_callback(const void *in, void *out, unsigned long frames,
	const PaStreamCallbackTimeInfo *time, PaStreamCallbackFlags flags, void *dev) {
	(void)out; (void)time;
	device *d = dev;
	named(d, "microphone");
	ring *x = d->x;
	const int16_t *pcm = in;
	uint64_t head = LOAD(&x->head);
	uint64_t room = RING_SIZE - (head - LOAD(&x->tail));
	uint64_t n = frames < room ? frames : room;
	if (pcm == NULL) n = 0;
	for (uint64_t i = 0; i < n; i++) {
		int32_t sum = 0;
		for (int c = 0; c < d->channels; c++) sum += *pcm++;
		x->samples[(head + i) % RING_SIZE] = (int16_t)(sum / d->channels);
	}
	STORE(&x->head, head + n);
	called(d, frames, n < frames || (flags & (paInputOverflow | paInputUnderflow)));
	wake(d);
	return paContinue;
}
