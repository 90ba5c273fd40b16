#include "kernel.h"

#include <string.h>

#ifdef __arm__ /* used where there is NEON only, see pcm.Vectors */
#pragma GCC target("fpu=neon")
#endif

typedef float v4 __attribute__((vector_size(16)));
typedef int i4 __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))

INLINE v4 load(const float *p)
{
	v4 v;
	memcpy(&v, p, sizeof v);
	return v;
}

INLINE void store(float *p, v4 v) { memcpy(p, &v, sizeof v); }
INLINE v4 all(float x) { return (v4){x, x, x, x}; }
INLINE v4 even(v4 a, v4 b) { return __builtin_shuffle(a, b, (i4){0, 2, 4, 6}); }
INLINE v4 odd(v4 a, v4 b) { return __builtin_shuffle(a, b, (i4){1, 3, 5, 7}); }
INLINE v4 low(v4 a, v4 b) { return __builtin_shuffle(a, b, (i4){0, 4, 1, 5}); }
INLINE v4 high(v4 a, v4 b) { return __builtin_shuffle(a, b, (i4){2, 6, 3, 7}); }
INLINE v4 backwards(v4 a) { return __builtin_shuffle(a, (i4){3, 2, 1, 0}); }

/* c is four complex numbers. */
typedef struct { v4 r, i; } c;

INLINE c plus(c a, c b) { return (c){a.r + b.r, a.i + b.i}; }
INLINE c minus(c a, c b) { return (c){a.r - b.r, a.i - b.i}; }
INLINE c times(c a, c w) { return (c){a.r * w.r - a.i * w.i, a.r * w.i + a.i * w.r}; }
INLINE c turned(c a) { return (c){a.i, -a.r}; } /* -i times */
INLINE c scaled(c a, float g) { return (c){a.r * g, a.i * g}; }

/* butterfly transforms the p numbers of z; p is known where it is inlined. */
INLINE void butterfly(c *z, int p)
{
	switch (p) {
	case 2: {
		c t = minus(z[0], z[1]);
		z[0] = plus(z[0], z[1]);
		z[1] = t;
		break;
	}
	case 3: {
		c t = plus(z[1], z[2]), u = turned(scaled(minus(z[1], z[2]), 0.86602540378443864676f));
		c v = minus(z[0], scaled(t, 0.5f));
		z[0] = plus(z[0], t);
		z[1] = plus(v, u);
		z[2] = minus(v, u);
		break;
	}
	case 4: {
		c ac = plus(z[0], z[2]), am = minus(z[0], z[2]), bd = plus(z[1], z[3]), j = turned(minus(z[1], z[3]));
		z[0] = plus(ac, bd);
		z[1] = plus(am, j);
		z[2] = minus(ac, bd);
		z[3] = minus(am, j);
		break;
	}
	case 5: {
		const float c1 = 0.30901699437494742410f, c2 = -0.80901699437494742410f;
		const float s1 = 0.95105651629515357212f, s2 = 0.58778525229247312917f;
		c a = z[0], t = plus(z[1], z[4]), q = plus(z[2], z[3]), u = minus(z[1], z[4]), v = minus(z[2], z[3]);
		c m1 = plus(a, plus(scaled(t, c1), scaled(q, c2))), m2 = plus(a, plus(scaled(t, c2), scaled(q, c1)));
		c n1 = turned(plus(scaled(u, s1), scaled(v, s2))), n2 = turned(minus(scaled(u, s2), scaled(v, s1)));
		z[0] = plus(a, plus(t, q));
		z[1] = plus(m1, n1);
		z[2] = plus(m2, n2);
		z[3] = minus(m2, n2);
		z[4] = minus(m1, n1);
		break;
	}
	}
}

/* groups does a stage behind the first. The elements of a group have the same twiddles. */
INLINE void groups(float *y, const float *x, const float *tw, int n, int h, int p, int m, int s)
{
	for (int g = 0; g < m; g++) {
		c w[5];
		for (int k = 0; k < p - 1; k++)
			w[k] = (c){all(tw[k * m + g]), all(tw[n + k * m + g])};
		const float *u = x + s * g;
		float *v = y + s * p * g;
		for (int q = 0; q < s; q += 4) {
			c z[5];
			for (int k = 0; k < p; k++)
				z[k] = (c){load(u + q + s * m * k), load(u + h + q + s * m * k)};
			butterfly(z, p);
			if (m > 1) /* else all of them are 1 */
				for (int k = 1; k < p; k++)
					z[k] = times(z[k], w[k - 1]);
			for (int k = 0; k < p; k++) {
				store(v + q + s * k, z[k].r);
				store(v + h + q + s * k, z[k].i);
			}
		}
	}
}

/* turn makes columns of rows. */
INLINE void turn(float *y, v4 a, v4 b, v4 d, v4 e)
{
	v4 l0 = low(a, d), l1 = low(b, e), h0 = high(a, d), h1 = high(b, e);
	store(y, low(l0, l1));
	store(y + 4, high(l0, l1));
	store(y + 8, low(h0, h1));
	store(y + 12, high(h0, h1));
}

/* first does the first stage, of radix 4, four groups at a time, from pairs of numbers. */
INLINE void first(float *y, const float *x, const float *tw, int n, int h)
{
	int m = h / 4;
	for (int g = 0; g < m; g += 4) {
		c z[4];
		for (int k = 0; k < 4; k++) {
			v4 a = load(x + 2 * (g + k * m)), b = load(x + 2 * (g + k * m) + 4);
			z[k] = (c){even(a, b), odd(a, b)};
		}
		butterfly(z, 4);
		for (int k = 1; k < 4; k++)
			z[k] = times(z[k], (c){load(tw + (k - 1) * m + g), load(tw + n + (k - 1) * m + g)});
		turn(y + 4 * g, z[0].r, z[1].r, z[2].r, z[3].r);
		turn(y + h + 4 * g, z[0].i, z[1].i, z[2].i, z[3].i);
	}
}

/* run transforms the pairs of x and returns which of a and b has the result. */
static float *run(const float *x, float *a, float *b, const float *tw, int n, const int *plan, int stages, int h)
{
	first(a, x, tw + plan[3], n, h);
	for (int i = 1; i < stages; i++) {
		const int *st = plan + 4 * i;
		const float *w = tw + st[3];
		switch (st[0]) {
		case 2: groups(b, a, w, n, h, 2, st[1], st[2]); break;
		case 3: groups(b, a, w, n, h, 3, st[1], st[2]); break;
		case 4: groups(b, a, w, n, h, 4, st[1], st[2]); break;
		case 5: groups(b, a, w, n, h, 5, st[1], st[2]); break;
		}
		float *other = a;
		a = b;
		b = other;
	}
	return a;
}

void fft_forward(float *dst, const float *x, float *a, float *b, const float *twist, const float *tw, int n, const int *plan, int stages, int h)
{
	const float *z = run(x, a, b, tw, n, plan, stages, h);
	const float *twisti = twist + h / 2 + 1;
	dst[0] = z[0] + z[h];
	dst[1] = 0;
	dst[2 * h] = z[0] - z[h];
	dst[2 * h + 1] = 0;
	int k = 1;
	for (; k + 4 <= h / 2; k += 4) {
		int l = h - k - 3;
		v4 pr = load(z + k), pi = load(z + h + k), qr = backwards(load(z + l)), qi = backwards(load(z + h + l));
		c e = scaled((c){pr + qr, pi - qi}, 0.5f), o = scaled((c){pi + qi, qr - pr}, 0.5f);
		c t = times(o, (c){load(twist + k), load(twisti + k)});
		c f = plus(e, t);
		v4 br = backwards(e.r - t.r), bi = backwards(t.i - e.i);
		store(dst + 2 * k, low(f.r, f.i));
		store(dst + 2 * k + 4, high(f.r, f.i));
		store(dst + 2 * l, low(br, bi));
		store(dst + 2 * l + 4, high(br, bi));
	}
	for (; k <= h / 2; k++) {
		int l = h - k;
		float er = 0.5f * (z[k] + z[l]), ei = 0.5f * (z[h + k] - z[h + l]);
		float or = 0.5f * (z[h + k] + z[h + l]), oi = 0.5f * (z[l] - z[k]);
		float tr = or * twist[k] - oi * twisti[k], ti = or * twisti[k] + oi * twist[k];
		dst[2 * k] = er + tr;
		dst[2 * k + 1] = ei + ti;
		dst[2 * l] = er - tr;
		dst[2 * l + 1] = ti - ei;
	}
}

void fft_inverse(float *x, const float *bins, float *a, float *b, const float *twist, const float *tw, int n, const int *plan, int stages, int h)
{
	/* The spectrum that is transformed takes the place of the result. */
	const float *twisti = twist + h / 2 + 1;
	float g = 0.5f / (float)h, r0 = bins[0], rh = bins[2 * h];
	x[0] = g * (r0 + rh);
	x[1] = -g * (r0 - rh);
	int k = 1;
	for (; k + 4 <= h / 2; k += 4) {
		int l = h - k - 3;
		v4 p0 = load(bins + 2 * k), p1 = load(bins + 2 * k + 4), q0 = load(bins + 2 * l), q1 = load(bins + 2 * l + 4);
		v4 pr = even(p0, p1), pi = odd(p0, p1), qr = backwards(even(q0, q1)), qi = backwards(odd(q0, q1));
		c e = scaled((c){pr + qr, pi - qi}, g), d = scaled((c){pr - qr, pi + qi}, g);
		c o = times(d, (c){load(twist + k), -load(twisti + k)});
		v4 fr = e.r - o.i, fi = -(e.i + o.r), br = backwards(e.r + o.i), bi = backwards(e.i - o.r);
		store(x + 2 * k, low(fr, fi));
		store(x + 2 * k + 4, high(fr, fi));
		store(x + 2 * l, low(br, bi));
		store(x + 2 * l + 4, high(br, bi));
	}
	for (; k <= h / 2; k++) {
		int l = h - k;
		float er = g * (bins[2 * k] + bins[2 * l]), ei = g * (bins[2 * k + 1] - bins[2 * l + 1]);
		float dr = g * (bins[2 * k] - bins[2 * l]), di = g * (bins[2 * k + 1] + bins[2 * l + 1]);
		float or = dr * twist[k] + di * twisti[k], oi = di * twist[k] - dr * twisti[k];
		x[2 * k] = er - oi;
		x[2 * k + 1] = -(ei + or);
		x[2 * l] = er + oi;
		x[2 * l + 1] = ei - or;
	}
	const float *z = run(x, a, b, tw, n, plan, stages, h);
	for (int i = 0; i < h; i += 4) {
		v4 r = load(z + i), j = -load(z + h + i);
		store(x + 2 * i, low(r, j));
		store(x + 2 * i + 4, high(r, j));
	}
}
