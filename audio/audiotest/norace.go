//go:build !race

package audiotest

// Race tells that the race detector is at work, which makes arithmetic slow.
const Race = false
