// The threads of open devices. PortAudio's own would have no name, and timers as late as those of the whole process.

#define _GNU_SOURCE // pthread_setname_np, ppoll
#include "sound.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

// engine_time is the engine's clock.
static int64_t engine_time(device *d) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - d->epoch;
}

void ring_bell(device *d) {
	if (d->bell < 0) return;
	ssize_t n = write(d->bell, "", 1);
	(void)n;
}

// run takes the device's turns until it has to stop.
static void *run(void *arg) {
	device *d = arg;
	pthread_setname_np(pthread_self(), d->name);
	prctl(PR_SET_TIMERSLACK, 50000UL); // ns; the kernel's own default
	while (!LOAD(&d->stop)) {
		struct pollfd p = {.fd = d->fd, .events = POLLIN};
		uint64_t count;
		int64_t wait = d->turn(d, engine_time(d));
		struct timespec t = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
		if (ppoll(&p, 1, &t, NULL) > 0 && read(d->fd, &count, sizeof count) < 0 && errno != EAGAIN) break;
	}
	return NULL;
}

int start_thread(device *d) { return pthread_create(&d->thread, NULL, run, d); }

void stop_thread(device *d) {
	uint64_t one = 1;
	STORE(&d->stop, 1);
	ssize_t n = write(d->fd, &one, sizeof one);
	(void)n;
	pthread_join(d->thread, NULL);
}
