package web

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// wantsJSON says whether the client prefers JSON to HTML (RFC 9110, section
// 12.5.1). Without a preference people come first.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Values("Accept")
	return quality(accept, "application/json") > quality(accept, "text/html")
}

// quality is the weight, 0 to 1, that the Accept header gives to a media type.
// The most specific range that fits decides.
func quality(accept []string, want string) float64 {
	major, _, _ := strings.Cut(want, "/")
	best, specific := 0.0, -1
	for item := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		rank := -1
		switch kind {
		case want:
			rank = 2
		case major + "/*":
			rank = 1
		case "*/*":
			rank = 0
		}
		if rank <= specific {
			continue
		}
		best, specific = weight(params["q"]), rank
	}
	return best
}

func weight(q string) float64 {
	if q == "" {
		return 1
	}
	f, err := strconv.ParseFloat(q, 64)
	if err != nil || f < 0 || f > 1 {
		return 0
	}
	return f
}
