package phone

import "context"

// Owner is whom a phone belongs to. The phone calls it from goroutines of its own, and waits for
// nothing: no method may block.
type Owner interface {
	// Registered tells how the phone stands with its server, whenever that changes.
	Registered(r Registration)
	// Called offers a call to this phone. Whoever takes it calls [Call.Hear] before anything
	// else. It rings at nobody until [Call.Ring], and must be answered or ended. False refuses it
	// as busy.
	Called(c *Call) bool
	// Texted hands a text message over. False: nobody takes it, and the sender is told so.
	Texted(t Text) bool
}

// Listener is whom a call belongs to. It is called in the call's goroutine.
type Listener interface {
	// NewMedia makes the media of the call, once. The session can offer or answer within
	// milliseconds.
	NewMedia(ctx context.Context) (MediaSession, error)
	// Happened tells what happens, in order; nothing follows an event of kind [Ended]. It must
	// not block. A call that is told by [Transferred] needs a listener, see [Call.Hear].
	Happened(e Event)
}
