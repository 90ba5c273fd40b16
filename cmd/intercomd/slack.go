package main

// A process that computes for a millisecond every ten wakes Go's monitor thread each time, and
// that sleeps for 20 microseconds, again and again, until the process rests. How long such a sleep
// really is, the kernel decides: as much longer as the slack of the thread's timers allows, 50
// microseconds unless told otherwise. Half a millisecond makes a tenth of the wake-ups of it, and
// comes too late for nothing here: frames for the loudspeaker are made milliseconds before
// they are needed. Threads take the slack of the one that makes them, so it is set before Go
// has any; the sound's own threads set their own (audio/portaudio).

/*
#include <sys/prctl.h>

__attribute__((constructor)) static void lazy_timers(void) { prctl(PR_SET_TIMERSLACK, 500000UL); }
*/
import "C"
