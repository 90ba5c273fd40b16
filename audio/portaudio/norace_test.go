//go:build !race

package portaudio_test

const streamsWork = true
