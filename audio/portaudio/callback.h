// The callbacks of PortAudio, and what they share with Go.
#ifndef INTERCOMD_CALLBACK_H
#define INTERCOMD_CALLBACK_H

#include <stdint.h>
#include <portaudio.h>

#define RING_SIZE (1 << 14)

// ring has the layout of device.RingMemory; a test compares them.
typedef struct {
	uint64_t head, tail, asked;
	int64_t last, chunk;
	uint64_t xruns, gaps;
	uint32_t started, wanted;
	int16_t samples[RING_SIZE];
} ring;

// device is what a callback is given.
typedef struct {
	PaStream *stream;
	ring *x;
	int64_t epoch; // CLOCK_MONOTONIC when the engine's clock was 0, ns
	int fd;        // eventfd that wakes the engine; of a microphone
	int channels;
} device;

int capture_callback(const void *in, void *out, unsigned long frames,
	const PaStreamCallbackTimeInfo *time, PaStreamCallbackFlags flags, void *dev);
int playback_callback(const void *in, void *out, unsigned long frames,
	const PaStreamCallbackTimeInfo *time, PaStreamCallbackFlags flags, void *dev);

#endif
