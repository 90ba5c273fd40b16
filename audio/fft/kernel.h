/* The transforms of fft.go in C, on vectors of four, for lengths whose half is a multiple of
 * 16: radix 4 comes first and every later stage has distances that are multiples of 4. Inside
 * real and imaginary parts are apart: n of these, then n of those. plan has radix, groups,
 * distance and first twiddle of each stage. */
#ifndef INTERCOMD_FFT_KERNEL_H
#define INTERCOMD_FFT_KERNEL_H

/* a and b have room for h complex numbers each, twist for h/2+1, tw for all twiddles, n. */
void fft_forward(float *dst, const float *x, float *a, float *b, const float *twist, const float *tw, int n, const int *plan, int stages, int h);
void fft_inverse(float *x, const float *bins, float *a, float *b, const float *twist, const float *tw, int n, const int *plan, int stages, int h);

#endif
