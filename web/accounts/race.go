//go:build race

package accounts

// raceDetector makes passwords cheap: argon2 is slow with it, and tests sign in hundreds of times.
// Programs with the race detector are for tests only.
const raceDetector = true
