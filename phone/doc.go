// Package phone is a SIP user agent over secure WebSocket: it keeps one
// registration and makes and takes calls.
//
// A [UA] owns the connection to a server and its registration; [UA.Run] is its
// life. Each [Call] is driven by one goroutine of its own, which alone touches
// the call's state; requests, responses, timers and the methods of Call all
// reach it as tasks in one queue. Whoever owns the phone is told what happens, an
// [Owner] of the phone and a [Listener] of each call, which makes its media too.
//
//	           Dial                     INVITE from the registered flow
//	             │                                   │
//	         ┌───▼───┐  18x  ┌───────┐           ┌───▼───┐
//	         │calling├──────▶│ early │           │ rings │
//	         └───┬───┘       └───┬───┘           └───┬───┘
//	     200 ACK │      200 ACK  │            Answer │ 200
//	             └──────────┬────┴───────────────────┘
//	                     ┌──▼──┐
//	                     │ up  │◀─┐ re-INVITE, UPDATE, INFO, lost and new flow
//	                     └──┬──┘──┘
//	BYE, CANCEL, refusal,   │
//	End, lost media    ┌────▼────┐  the last request or answer is on its way;
//	──────────────────▶│ ending  │  Ended has been told already
//	                   └─────────┘
//
// Of sipgo it uses the messages, the parser and the transactions (RFC 3261
// section 17, RFC 6026). Connection, order of messages, dialogs and credentials
// are its own, because a door cannot do without a dead-peer check, must never see
// a 200 before its 180, and has to survive every crossing of requests.
//
// The package knows nothing of doors, buttons, tones or sound devices, opens no
// port, and takes requests from nobody but the server it is registered with.
package phone
