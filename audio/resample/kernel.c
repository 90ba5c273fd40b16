#include "kernel.h"

#include <string.h>

#ifdef __arm__ /* used where there is NEON only, see pcm.Vectors */
#pragma GCC target("fpu=neon")
#endif

/* A place is rounded as Go rounds it: one that is a little further might be behind the end. */
#pragma GCC optimize("fp-contract=off")

typedef float v4 __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) v4 load(const float *p)
{
	v4 v;
	memcpy(&v, p, sizeof v);
	return v;
}

void resample_pull(float *out, int n, const float *hist, const float *table, double pos, double step)
{
	for (int i = 0; i < n; i++) {
		double at = pos + i * step;
		int k = (int)at;
		double phase = (at - k) * phases;
		int row = (int)phase;
		float w = (float)(phase - row);
		const float *x = hist + k, *a = table + row * taps, *b = a + taps;
		v4 s = {0}, t = {0};
		for (int j = 0; j < taps; j += 4) {
			s += load(x + j) * load(a + j);
			t += load(x + j) * load(b + j);
		}
		s += w * (t - s);
		out[i] = (s[0] + s[1]) + (s[2] + s[3]);
	}
}
