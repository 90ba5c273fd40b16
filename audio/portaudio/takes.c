// A sound server says that it has taken something when it is asked, not when it does so. Each look
// tells on which side of it a take was; looks at the right times halve what is not known, like the
// early-late gate of a receiver. What is known widens with time, since two clocks are apart.

#include "takes.h"

#define MS INT64_C(1000000)
#define DRIFT 1000              // what is known widens by one part in so many: more than crystals are apart
#define SURE (t->step * 3 / 10) // known so well, it is relied upon
#define VAGUE (t->step / 4)     // known worse, it is looked again
#define HOLD (500 * MS)         // for so long
#define PATIENCE 5              // looks in a row by which it is late until it is believed to have stood still
#define OFTEN (5000 * MS)       // what was forgotten, and is again within that time, is left alone for longer each time
#define LEAST (100 * MS)        // at least
#define MOST (2000 * MS)        // and at most

// forget begins anew with what one look tells.
static void forget(takes *t, int64_t now, int64_t lo, int64_t hi) {
	t->lo = lo, t->hi = hi, t->late = 0, t->until = 0;
	t->pause = t->missed == 0 || now - t->missed > OFTEN ? 0 : t->pause < LEAST ? LEAST : 2 * t->pause;
	if (t->pause > MOST) t->pause = MOST;
	t->missed = now, t->rest = now + t->pause;
}

int64_t takes_saw(takes *t, int64_t now, int64_t samples) {
	if (t->step == 0) return 0;
	int64_t count = samples / t->size, odd = samples % t->size;
	int64_t hi = now - count * t->step, lo = hi - t->step, wider = (now - t->looked) / DRIFT;
	t->lo -= wider, t->hi += wider;
	if (t->looked == 0 || odd != t->odd || hi < t->lo) {
		forget(t, now, lo, hi); // another time than before
	} else if (lo > t->hi && ++t->late > PATIENCE) {
		forget(t, now, lo, hi); // it has stood still
	} else if (lo > t->hi) {
		t->lo = t->hi - SURE / 2; // a take is late; the next ones are not, for that
	} else {
		if (lo > t->lo) t->lo = lo;
		if (hi < t->hi) t->hi = hi;
		t->late = 0;
	}
	t->looked = now, t->odd = odd;
	if (t->hi - t->lo <= SURE) t->first = t->lo, t->until = now + HOLD;
	return count;
}

int takes_sure(const takes *t, int64_t now) { return t->step != 0 && now < t->until; }

int64_t takes_look(const takes *t, int64_t now) {
	if (t->step == 0 || t->looked == 0 || t->hi - t->lo <= VAGUE) return 0;
	int64_t from = now + MS > t->rest ? now + MS : t->rest;
	int64_t at = t->lo + (t->hi - t->lo) / 2, since = (from - at) % t->step;
	return since <= 0 ? from - since : from + t->step - since;
}
