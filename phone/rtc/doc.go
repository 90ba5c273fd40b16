// Package rtc is the media of one call: ICE, DTLS-SRTP, RTP and DTMF, on pion.
//
// A [Factory] keeps the certificate of the device and one prepared connection;
// a [Session] is one call's media. Signalling drives it by session descriptions
// as text, the audio side by packets:
//
//	signalling ──Offer, Answer, Accept──▶ Session ──States, Digits──▶ signalling
//	                                      │     ▲
//	             packets in ◀──Receive────┘     └──WriteFrame─── packets out
//
// Inside, a session owns one transport (a pion PeerConnection with its sockets)
// and can replace it without its users noticing, because codecs, directions,
// sequence numbers, received packets and digits belong to the session:
//
//	                  agreement (codecs, hold)
//	                       │
//	sender ────────────────┼────────▶ transport ═══ ICE, DTLS, SRTP ═══ far end
//	receiver, DTMF ◀───────┴───────── (replaceable)
//
// pion learns nothing of codecs and directions: see package sdpfix. That is why
// a re-INVITE that changes only these, or nothing, cannot disturb the media.
//
// The package knows nothing of SIP, of doors, and of what audio sounds like.
package rtc
