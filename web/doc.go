// Package web is the door's status page and its JSON.
//
// It renders [station.Snapshot], the same value for every reader: a page for
// people, JSON for programs, both also live as server-sent events. It submits
// the few commands a page may give: end the call, and, on a simulated board
// only, press the buttons of the front panel.
//
// It holds no state of the door and makes up none: what is not in the snapshot
// cannot be on the page, but for the SIP messages of a call, which are handed to
// it as text. It knows nothing of SIP, sound devices or GPIO. It
// listens on the loopback interface only, because it has no password yet.
//
// Every sentence and number on the page is made here, once. The browser gets
// finished HTML, and with it live only the sections that changed; its script
// puts them in place and knows nothing of doors.
package web
