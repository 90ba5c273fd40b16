// Package web is the door's status page and its JSON.
//
// It renders [station.Snapshot], the same value for every reader: a page for
// people, JSON for programs, both also live as server-sent events, and the
// interface for programs, /api/v1. It hands on the commands that somebody's role
// or a token's scopes allow, and names in each who gave it.
//
// It holds no state of the door and makes up none: what is not in the snapshot
// cannot be on the page, but for the SIP messages of a call, which are handed to
// it as text. It knows nothing of SIP, sound devices or GPIO. It
// listens on the loopback interface only until a password is set.
//
// Every sentence and number on the page is made here, once. The browser gets
// finished HTML, and with it live only the sections that changed; its script
// puts them in place and knows nothing of doors.
package web
