/* The interpolation of resample.go in C, on vectors of four. */
#ifndef INTERCOMD_RESAMPLE_KERNEL_H
#define INTERCOMD_RESAMPLE_KERNEL_H

enum { taps = 24, phases = 128 }; /* rateTaps and ratePhases */

/* Makes n samples of out from those of hist at pos, pos+step, and so on; table has phases+1 rows of taps. */
void resample_pull(float *out, int n, const float *hist, const float *table, double pos, double step);

#endif
