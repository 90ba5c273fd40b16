// Package update brings new systems onto a card image and decides whether they may stay.
//
// A system is installed into the slot that is not running, started on trial, and committed
// only when the door has shown that it works: [Trial] is that decision, a function of what
// the door reported and of the time. [Agent] takes one update from the asking to its end, and
// through restarts and power cuts in between: what it is at is in a file that is replaced
// whole, and which slot was really started is believed more than that file.
//
// The package refuses to know what a door is: it hears [Facts], whose codes it compares and
// never reads. How a bundle gets into a slot is the affair of an [Installer], how a slot is
// committed that of a [Machine].
package update
