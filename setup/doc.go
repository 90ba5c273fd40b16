// Package setup is the configuration as people change it from afar: tried on the door, kept if a
// person says so, and taken back if nobody does.
//
// The file that the installer wrote is never touched. What was kept is a text beside it, derived
// from the file as it was then, and in force as long as the file is still that: whoever edits the
// file has the last word. A change that nobody keeps does not outlive its trial, a restart or a
// power cut, because what is in force is replaced in one step, and only when it is kept.
//
// The package knows no HTTP, no forms and no doors: whoever makes a [Keeper] judges texts and makes
// a door of them. See docs/decisions/page-configuration.md.
package setup
