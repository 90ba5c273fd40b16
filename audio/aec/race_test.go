//go:build race

package aec

const raceDetector = true
