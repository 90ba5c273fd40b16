// Package fleet feeds a door from a plain directory of a web server: its configuration by its
// serial number, and which version of the system it should take. What is fetched is judged
// before it is used, tried before it counts, and given up when the door does not register
// with it; the last good one is kept.
//
// Nothing here is needed for a call. A server that is down, slow or hostile costs nothing but
// news.
//
// The package refuses to know what a configuration means, how an update is installed, and how a
// door is started anew.
package fleet
