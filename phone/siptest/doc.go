// Package siptest is a scriptable SIP server over WebSocket for tests. It behaves
// like FreeSWITCH towards a device (challenges, headers, one contact a user, which goes with
// its connection, silence where FreeSWITCH is silent) and can misbehave on purpose: order,
// loss, repetition, forks, wrong certificates, a socket that dies, flushed registrations, a
// server that is started anew.
//
// As FreeSWITCH does, it sends all that belongs to a call to the address and port of the
// connection over which the call was made (see [Leg]), whatever Contact it is told later.
//
// It shares no code with the phone that it tests, its own reading of SIP is plain
// text, and it can do without sockets, so that whole stories run in the fake time
// of testing/synctest.
package siptest
