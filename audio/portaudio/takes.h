// When a card takes what waits for it, where it takes a step at a time.
#ifndef INTERCOMD_TAKES_H
#define INTERCOMD_TAKES_H

#include <stdint.h>

// takes is what is known of that. All times are ns of one clock. It begins as zeros, but for the first two.
typedef struct {
	int64_t step;     // what a step lasts; 0: nothing is found out
	int64_t size;     // of a step, samples
	int64_t odd;      // how many more than whole steps were taken
	int64_t lo, hi;   // take number 0 was between these
	int64_t looked;   // the last look; 0: none yet
	int late;         // looks in a row before which a take should have been
	int64_t missed;   // when it was last forgotten
	int64_t rest;     // no look is worth it before
	int64_t pause;    // how long that is
	int64_t first;    // take number 0 at the earliest, as it is relied upon
	int64_t until;    // this long
} takes;

// takes_saw is told of a look: now, so many samples have been taken in all. It returns how many steps that is.
int64_t takes_saw(takes *t, int64_t now, int64_t samples);

// takes_sure tells whether first can be relied upon.
int takes_sure(const takes *t, int64_t now);

// takes_look is when a look would tell most; 0: not needed.
int64_t takes_look(const takes *t, int64_t now);

#endif
