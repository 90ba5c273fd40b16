// Package siptest is a scriptable SIP server over WebSocket for tests. It behaves
// like FreeSWITCH towards a device (challenges, headers, one registration per
// user, silence where FreeSWITCH is silent) and can misbehave on purpose: order,
// loss, repetition, forks, wrong certificates, a socket that dies.
//
// It shares no code with the phone that it tests, its own reading of SIP is plain
// text, and it can do without sockets, so that whole stories run in the fake time
// of testing/synctest.
package siptest
