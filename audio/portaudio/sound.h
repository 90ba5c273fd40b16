// What runs on threads of the sound, and what it shares with Go.
#ifndef INTERCOMD_SOUND_H
#define INTERCOMD_SOUND_H

#include <stdint.h>
#include <pthread.h>
#include <portaudio.h>

#include "takes.h"

#define RING_SIZE (1 << 14)
#define MOST 2048 // samples that are handed on or read at once
#define NS_PER_MS INT64_C(1000000)

// The other side of each counter is Go, whose atomics are sequentially consistent.
#define LOAD(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define ADD(p, n) __atomic_add_fetch((p), (n), __ATOMIC_SEQ_CST)

// ring has the layout of device.RingMemory; a test compares them.
typedef struct {
	uint64_t head, tail, asked;
	int64_t last, chunk, alarm;
	uint64_t xruns, gaps, fills;
	uint32_t started, wanted;
	int16_t samples[RING_SIZE];
} ring;

// hearing is when a microphone is expected to have something.
typedef struct {
	int64_t due;   // engine's clock, ns; 0: nothing is known
	int64_t early; // by how much earlier the last packet was come for, ns
	int late;      // not 0: what is due was not there yet
	int moved;     // so many in a row were not
	long piece;    // so much the device brings at a time, samples
	int seen;      // so many were seen to come,
	long least;    // of which this is the smallest,
	int64_t judged; // and that is judged then
	long waited;   // in the device after the last look, samples
	long full;     // so much will wait in it when the next packet is full
	long left;     // so much was left behind the last packet,
	int same;      // and behind so many before it
} hearing;

// device is what the thread of an open device is given.
typedef struct device device;
struct device {
	PaStream *stream;
	ring *x;
	int64_t epoch; // CLOCK_MONOTONIC when the engine's clock was 0, ns
	int bell;      // pipe that wakes the engine; -1: nobody waits
	int channels;
	long step;     // so much, samples, the device takes or brings at a time,
	int step_ms;   // which is so long
	const char *name;
	pthread_t thread;
	int fd;        // eventfd that wakes it
	int stop;      // not 0: the thread has to end
	// turn does what is to be done, and returns after how many nanoseconds there is more, if it is not woken before.
	int64_t (*turn)(device *, int64_t now);
	long (*room)(device *);                         // samples that the device takes, or has, now; negative: an error
	int (*put)(device *, const int16_t *, long n);  // hands n samples on; a PaError
	int (*get)(device *, int16_t *, long n);        // reads n samples; a PaError

	hearing hearing; // of a microphone

	// Of a loudspeaker.
	long size;     // of the card's buffer, samples; 0: not known yet
	long floor;    // silence is added where fewer samples would wait in it
	int64_t taken; // samples of the ring that the card had taken at the last look
	int64_t given; // samples that it was given in all, silence too
	takes takes;   // when it does
	int64_t again; // engine's clock by which it is to be looked at again, if nothing is made before
};

// ring_bell wakes the engine. It never blocks; a full pipe wakes as well.
void ring_bell(device *d);
int start_thread(device *d); // an error number; 0: it runs
void stop_thread(device *d); // and waits for its end

// The turns. feed is a loudspeaker's, hear a microphone's.
int64_t feed(device *d, int64_t now);
int64_t hear(device *d, int64_t now);

// PortAudio's ends of room, put and get.
long stream_room(device *d);
long stream_waits(device *d);
int stream_put(device *d, const int16_t *pcm, long n);
int stream_get(device *d, int16_t *pcm, long n);

#endif
