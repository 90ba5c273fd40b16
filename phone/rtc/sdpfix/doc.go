// Package sdpfix stands between the SDP of the world and that of pion.
//
// Session descriptions of PBXs and of browsers say the same things in different
// dialects: without a=mid, without a=group:BUNDLE, without a direction, with
// RTP/SAVPF in place of UDP/TLS/RTP/SAVPF, with the address of a candidate or
// with 0.0.0.0. pion understands one of them. So a remote description is read
// into a [Description], which holds only what one audio stream needs; pion is
// given that in its own dialect ([ForPion]); and what goes to the far end is
// written from facts ([Render]), never copied from pion.
//
//	far end ──SDP──▶ Parse ──Description──▶ ForPion ──▶ pion
//	far end ◀──SDP── Render ◀── facts of the session ◀── pion
//
// All functions are pure. None of them panics, whatever the input. The package
// knows neither pion nor calls, and it negotiates nothing.
package sdpfix
