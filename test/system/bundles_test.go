package system

import (
	"fmt"
	"testing"
	"time"

	"intercomd/phone/rtc"
)

// Whatever order a browser offers its streams in, and however it bundles them, it takes the
// answer and is heard; then it holds, and we offer.
func TestBundlesOfABrowser(t *testing.T) {
	s := need(t)
	media, err := rtc.New(rtc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = media.Close() }()
	for _, streams := range []string{"audio", "audio video", "video audio", "data audio", "video data audio", "video audio audio"} {
		for _, policy := range []string{"max-bundle", "balanced", "max-compat"} {
			t.Run(streams+", "+policy, func(t *testing.T) {
				ctx := within(t, 30*time.Second)
				page, err := s.browser.Open("about:blank")
				if err != nil {
					t.Fatal(err)
				}
				defer page.Close()
				session, err := media.NewSession(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = session.Close() }()
				do := func(js string, args ...any) (out string) {
					t.Helper()
					if err := page.Do(ctx, fmt.Sprintf(js, args...), &out); err != nil {
						t.Fatal(err)
					}
					return out
				}
				answer := func(offer string) string {
					t.Helper()
					text, err := session.Answer([]byte(offer))
					if err != nil {
						t.Fatalf("%v\n%s", err, offer)
					}
					return string(text)
				}
				offer := do(`(async () => {
					globalThis.pc = new RTCPeerConnection({bundlePolicy: %q})
					const sound = new AudioContext(), tone = sound.createOscillator(), out = sound.createMediaStreamDestination()
					tone.connect(out); tone.start()
					for (const kind of %q.split(" ")) {
						if (kind == "audio") pc.addTransceiver(out.stream.getAudioTracks()[0].clone())
						else if (kind == "video") pc.addTransceiver("video")
						else { pc.createDataChannel("x"); await pc.setLocalDescription(await pc.createOffer()) } // before what follows
					}
					const all = new Promise(done => pc.onicegatheringstatechange = () => pc.iceGatheringState == "complete" && done())
					await pc.setLocalDescription(await pc.createOffer())
					if (pc.iceGatheringState != "complete") await all
					return pc.localDescription.sdp
				})()`, policy, streams)
				do(`pc.setRemoteDescription({type: "answer", sdp: %q}).then(() => "")`, answer(offer))
				hears(t, session)
				hold := do(`(async () => {
					pc.getTransceivers().find(t => t.sender.track && t.currentDirection == "sendrecv").direction = "sendonly"
					await pc.setLocalDescription(await pc.createOffer())
					return pc.localDescription.sdp
				})()`)
				do(`pc.setRemoteDescription({type: "answer", sdp: %q}).then(() => "")`, answer(hold))
				if !session.OnHold() {
					t.Errorf("not on hold by\n%s", hold)
				}
				again, err := session.Offer()
				if err != nil {
					t.Fatal(err)
				}
				theirs := do(`(async () => {
					await pc.setRemoteDescription({type: "offer", sdp: %q})
					await pc.setLocalDescription(await pc.createAnswer())
					return pc.localDescription.sdp
				})()`, string(again))
				if err := session.Accept([]byte(theirs)); err != nil {
					t.Fatalf("%v\n%s", err, theirs)
				}
				if state := do(`pc.connectionState`); state != "connected" {
					t.Errorf("%s, after\n%s", state, theirs)
				}
				hears(t, session)
			})
		}
	}
}

// hears waits for a packet of the browser.
func hears(t *testing.T, session *rtc.Session) {
	t.Helper()
	ctx := within(t, 10*time.Second)
	for heard := false; !heard; time.Sleep(5 * time.Millisecond) {
		if err := session.Receive(func(*rtc.Packet) { heard = true }); err != nil || ctx.Err() != nil {
			t.Fatal("nothing was heard", err, ctx.Err())
		}
	}
}
