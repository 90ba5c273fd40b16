// Package lab holds what the whole-system tests, the demo and the benchmarks are
// made of: real peers started as processes (Kamailio, PulseAudio, Chromium, the
// daemon itself), a network namespace to keep them in, certificates, tones and
// their measurement.
//
// It knows the daemon only from outside: its command line, its configuration
// file, its page and its JSON. No package of the daemon is imported here, so that
// a test cannot pass because both sides share a mistake.
package lab
