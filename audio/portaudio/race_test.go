//go:build race

package portaudio_test

// The race detector turns on checkptr, which ends the process in the binding's
// OpenStream: it hands an index to C as a pointer.
const streamsWork = false
