// Package webphone is a telephone in a web page, made of SIP.js 0.15.11: the
// far end of the whole-system tests and of the demo. The library is the browser
// bundle of its npm package, unchanged; LICENSE-sip.js is its licence. A second page,
// peer.html, does the same with SIP.js 0.21.2 and JsSIP 3.13.8 for the tests of
// compatibility (bundle.sh made their bundles, LICENSE-bundles are their licences).
//
// The page has two layers. phone.js is the telephone and knows nothing of tests.
// probe.js watches it from below (WebSocket, RTCPeerConnection, remote audio)
// and is only loaded with "?probe".
package webphone

import (
	"embed"
	"net/http"
)

//go:embed index.html phone.js probe.js style.css sip-0.15.11.min.js LICENSE-sip.js
//go:embed peer.html peer.js sip-0.21.2.min.js jssip-3.13.8.min.js LICENSE-bundles
var files embed.FS

// Handler serves the page.
func Handler() http.Handler {
	inner := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'self' blob:; connect-src 'self' ws: wss:; frame-ancestors 'self'")
		inner.ServeHTTP(w, r)
	})
}
