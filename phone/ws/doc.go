// Package ws is a WebSocket client for SIP (RFC 6455, RFC 7118) that stays up
// in front of real PBXs.
//
// It answers PING, joins fragments, takes text and binary, swallows the raw
// CRLF keep-alives that some servers write between frames, measures the round
// trip with PINGs of its own, and notices a dead peer. Writing never blocks its
// caller. Every message is one frame, and every frame one write, because there
// are servers that lose the second frame of a message.
//
// The package knows nothing of SIP beyond the name of the subprotocol, and
// refuses to connect without verification: plain ws:// is for loopback only.
package ws
