#ifdef __arm__
/* Used where there is NEON only, see pcm.Vectors. Its vectors flush denormals, which GCC must be
 * allowed. */
#pragma GCC target("fpu=neon")
#pragma GCC optimize("unsafe-math-optimizations")
#endif

#include "kernel.h"

#if defined(__aarch64__) || defined(__arm__)
#include <arm_neon.h>

/* The compiler does not find these: two products of signed bytes fit into 16 bits as long as none
 * is -128 times -128, and x never is -128. */
static inline int32x4_t more(int32x4_t sum, const signed char *w, int8x16_t x)
{
	int8x16_t v = vld1q_s8(w);
	int16x8_t p = vmull_s8(vget_low_s8(v), vget_low_s8(x));
	return vpadalq_s16(sum, vmlal_s8(p, vget_high_s8(v), vget_high_s8(x)));
}

static inline int32x2_t total(int32x4_t a, int32x4_t b)
{
	return vpadd_s32(vadd_s32(vget_low_s32(a), vget_high_s32(a)), vadd_s32(vget_low_s32(b), vget_high_s32(b)));
}

void denoise_rows(float *restrict y, const signed char *restrict w, const float *restrict scale, const float *restrict bias, const signed char *restrict x, int rows, int columns)
{
	for (int r = 0; r < rows; r += 4, w += 4 * columns) {
		int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
		for (int i = 0; i < columns; i += 16) {
			int8x16_t v = vld1q_s8(x + i);
			a = more(a, w + i, v);
			b = more(b, w + columns + i, v);
			c = more(c, w + 2 * columns + i, v);
			d = more(d, w + 3 * columns + i, v);
		}
		float32x4_t sum = vcvtq_f32_s32(vcombine_s32(total(a, b), total(c, d)));
		vst1q_f32(y + r, vaddq_f32(vmulq_f32(vld1q_f32(scale + r), sum), vld1q_f32(bias + r)));
	}
}
#else
void denoise_rows(float *restrict y, const signed char *restrict w, const float *restrict scale, const float *restrict bias, const signed char *restrict x, int rows, int columns)
{
	short v[DENOISE_COLUMNS]; /* the compiler multiplies and adds pairs of these */
	for (int i = 0; i < columns; i++)
		v[i] = x[i];
	for (int r = 0; r < rows; r++, w += columns) {
		int sum = 0;
		for (int i = 0; i < columns; i++)
			sum += (short)w[i] * v[i];
		y[r] = scale[r] * (float)sum + bias[r];
	}
}
#endif

void denoise_bytes(signed char *restrict y, const float *restrict x, int n)
{
	for (int i = 0; i < n; i++)
		y[i] = (signed char)((int)(127 * x[i] + 127.5f) - 127);
}

/* A quotient of polynomials that differs from the hyperbolic tangent by less than 5e-5. */
static inline float curve(float x)
{
	float s = x * x;
	float v = x * (952.52801514f + s * (96.39235687f + s * 0.60863042f)) / (952.72399902f + s * (413.36801147f + s * 11.88600922f));
	v = v > 1 ? 1 : v;
	return v < -1 ? -1 : v;
}

static inline float gate(float x) { return 0.5f + 0.5f * curve(0.5f * x); }

void denoise_tanh(float *x, int n)
{
	for (int i = 0; i < n; i++)
		x[i] = curve(x[i]);
}

void denoise_gates(float *restrict state, const float *restrict in, const float *restrict from, const float *restrict diagonal, int n)
{
	for (int i = 0; i < n; i++) {
		float s = state[i];
		float z = gate(in[i] + (from[i] + diagonal[i] * s));
		float r = gate(in[n + i] + (from[n + i] + diagonal[n + i] * s));
		float h = curve(in[2 * n + i] + (from[2 * n + i] + diagonal[2 * n + i] * s) * r);
		state[i] = z * s + (1 - z) * h;
	}
}
