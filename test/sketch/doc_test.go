// Package sketch holds readers of the door's events that the program does not have yet, as
// small as they can be: they show that a new room subscribes and touches no other.
package sketch
