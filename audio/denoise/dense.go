package denoise

// The products of the network are its whole work. In C the compiler makes them four
// or more at a time; Go's does not. Sums are formed in the same order as in Go.

/*
#cgo CFLAGS: -O3
static void add_columns(float *restrict y, int rows, const float *restrict w, int stride, const float *restrict x, int columns) {
	for (int j = 0; j < columns; j++, w += stride) {
		float v = x[j];
		if (v == 0)
			continue; // many units rest
		for (int i = 0; i < rows; i++)
			y[i] += w[i] * v;
	}
}
*/
import "C"

// add adds the part of Wx that starts at row from to y; columns of W are stride long.
func (l *layer) add(y, x []float32, from, stride int) {
	if len(x) == 0 || len(y) == 0 {
		return
	}
	w := l.w[from : (len(x)-1)*stride+from+len(y)]
	C.add_columns((*C.float)(&y[0]), C.int(len(y)), (*C.float)(&w[0]), C.int(stride), (*C.float)(&x[0]), C.int(len(x)))
}
