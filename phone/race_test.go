//go:build race

package phone

// raceDetector makes everything ten times as slow; make unit plays the longest stories without it, too.
const raceDetector = true
