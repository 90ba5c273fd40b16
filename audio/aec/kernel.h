/* The sums over all partitions of the filter, of which the compiler makes vectors. Complex
 * numbers are pairs of floats; each function takes partitions that lie next to each other. */
#ifndef INTERCOMD_AEC_KERNEL_H
#define INTERCOMD_AEC_KERNEL_H

/* acc += x·w, complex. */
void aec_through(float *acc, const float *x, const float *w, int bins, int parts);
/* sum += x2·p. */
void aec_expect(float *sum, const float *x2, const float *p, int bins, int parts);
/* The Kalman update of w and p. decay is the square of how much of the path survives. */
void aec_learn(float *w, float *p, const float *x, const float *x2, const float *gain, const float *err, float decay, float trust, int bins, int parts);

#endif
