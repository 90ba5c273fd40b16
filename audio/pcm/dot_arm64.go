package pcm

// dot needs y to be as long as x. It is in assembly because a call into C costs as much as the
// product of a frame; every arm64 processor has the instructions.
//
//go:noescape
func dot(x, y []float32) float32
