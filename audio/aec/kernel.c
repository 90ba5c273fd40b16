#include "kernel.h"

#ifdef __arm__
/* Used where there is NEON only, see pcm.Vectors. Its vectors flush denormals, which GCC must be
 * allowed. */
#pragma GCC target("fpu=neon")
#pragma GCC optimize("unsafe-math-optimizations")
#endif

void aec_through(float *restrict acc, const float *restrict x, const float *restrict w, int bins, int parts)
{
	for (; parts > 0; parts--, x += 2 * bins, w += 2 * bins)
		for (int i = 0; i < bins; i++) {
			float a = x[2 * i], b = x[2 * i + 1], c = w[2 * i], d = w[2 * i + 1];
			acc[2 * i] += a * c - b * d;
			acc[2 * i + 1] += a * d + b * c;
		}
}

void aec_expect(float *restrict sum, const float *restrict x2, const float *restrict p, int bins, int parts)
{
	for (; parts > 0; parts--, x2 += bins, p += bins)
		for (int i = 0; i < bins; i++)
			sum[i] += x2[i] * p[i];
}

void aec_learn(float *restrict w, float *restrict p, const float *restrict x, const float *restrict x2, const float *restrict gain, const float *restrict err, float decay, float trust, int bins, int parts)
{
	for (; parts > 0; parts--, w += 2 * bins, p += bins, x += 2 * bins, x2 += bins)
		for (int i = 0; i < bins; i++) {
			float mu = p[i] * gain[i], xr = mu * x[2 * i], xi = mu * x[2 * i + 1];
			float er = err[2 * i], ei = err[2 * i + 1], wr = w[2 * i], wi = w[2 * i + 1];
			float v = decay * (1 - trust * mu * x2[i]) * p[i] + (1 - decay) * (wr * wr + wi * wi + 1e-7f);
			p[i] = v > 1e-9f ? v : 1e-9f;
			w[2 * i] = wr + (xr * er + xi * ei);
			w[2 * i + 1] = wi + (xr * ei - xi * er);
		}
}
