package pcm

// Dot is the inner product over the length of x; y is at least as long. The order of its sums
// is not that of other machines: results differ in the last places.
func Dot(x, y []float32) float32 { return dot(x, y[:len(x)]) }

// plainDot is dot in Go, for machines without anything better, and what the others are
// compared with.
func plainDot(x, y []float32) float32 {
	y = y[:len(x)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a, b := x[i:i+4:i+4], y[i:i+4:i+4]
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
	}
	for ; i < len(x); i++ {
		s0 += x[i] * y[i]
	}
	return (s0 + s1) + (s2 + s3)
}
