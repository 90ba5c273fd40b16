// Package simulate plays many doors at once against a laboratory's SIP server, to plan a site:
// how fast they come back after a restart, whether presses ring meanwhile, what the server bears.
//
// Each door is the phone of the real one (package phone) with its own registration, connection and
// policy of coming back, so that what is measured is what a site would see. It has no buttons, no
// sound and no configuration of its own: a [Site] is told who registers where, and presses by
// itself. Telephones that ring when they are called can be played beside the doors.
//
// The package knows nothing of files, flags and terminals: a [Report] is figures, and whoever asked
// for it shows them.
package simulate
