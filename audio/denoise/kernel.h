/* The large network's products and units, of which the compiler makes vectors; large_net.go has
 * the same in Go. */
#ifndef INTERCOMD_DENOISE_KERNEL_H
#define INTERCOMD_DENOISE_KERNEL_H

/* The most columns that a matrix has. */
#define DENOISE_COLUMNS 384

/* y = scale·(Wx) + bias; W is rows × columns, row after row. rows is a multiple of 4, columns of 16. */
void denoise_rows(float *y, const signed char *w, const float *scale, const float *bias, const signed char *x, int rows, int columns);
/* x, all within ±1, as signed bytes of 1/127. */
void denoise_bytes(signed char *y, const float *x, int n);
/* The gates of a recurrent unit of n cells: in and from are 3n, what its input and its state give. */
void denoise_gates(float *state, const float *in, const float *from, const float *diagonal, int n);
void denoise_tanh(float *x, int n);

#endif
