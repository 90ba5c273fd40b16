// What runs on threads of the sound, and what it shares with Go.
#ifndef INTERCOMD_CALLBACK_H
#define INTERCOMD_CALLBACK_H

#include <stdint.h>
#include <pthread.h>
#include <portaudio.h>

#include "takes.h"

#define RING_SIZE (1 << 14)

// ring has the layout of device.RingMemory; a test compares them.
typedef struct {
	uint64_t head, tail, asked;
	int64_t last, chunk, alarm;
	uint64_t xruns, gaps, fills;
	uint32_t started, wanted;
	int16_t samples[RING_SIZE];
} ring;

// device is what a callback, or a loudspeaker's thread, is given.
typedef struct device device;
struct device {
	PaStream *stream;
	ring *x;
	int64_t epoch; // CLOCK_MONOTONIC when the engine's clock was 0, ns
	int bell;      // pipe that wakes the engine; -1: nobody waits
	int channels;

	// Of a loudspeaker.
	pthread_t thread;
	int fd;        // eventfd that wakes it
	int stop;      // not 0: the thread has to end
	long size;     // of the card's buffer, samples; 0: not known yet
	long floor;    // silence is added where fewer samples would wait in it
	long step;     // so much, samples,
	int step_ms;   // which is so long
	int64_t taken; // samples of the ring that the card had taken at the last look
	int64_t given; // samples that it was given in all, silence too
	takes takes;   // when it does
	int64_t again; // engine's clock by which it is to be looked at again, if nothing is made before
	long (*room)(device *);                         // samples that the card takes now; negative: an error
	int (*put)(device *, const int16_t *, long n);  // hands n samples on; a PaError
};

int capture_callback(const void *in, void *out, unsigned long frames,
	const PaStreamCallbackTimeInfo *time, PaStreamCallbackFlags flags, void *dev);
void ring_bell(device *d);
int64_t feed(device *d, int64_t now);
void *feeder(void *arg);
long stream_room(device *d);
int stream_put(device *d, const int16_t *pcm, long n);

#endif
