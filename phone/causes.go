package phone

import (
	"strconv"
	"strings"

	"intercomd/words"
)

// This file is the one place that says what the codes of the network mean: the final
// responses of SIP, the causes of ITU-T Q.850 and those that FreeSWITCH has added. All of
// them speak of the called side or of the server. None says that the connection of this
// device is gone: it is what they came over.

// Cause says in a word why a call ended.
type Cause string

// The causes for which a call ends.
const (
	HungUp            Cause = "hung-up"        // End was called, or a BYE came: see Local of the [Ending]
	Cancelled         Cause = "cancelled"      // the caller gave up before the answer
	Busy              Cause = "busy"           // 486, 600
	Refused           Cause = "refused"        // 603, 403 and the like
	NotFound          Cause = "not-found"      // 404, 410, 484, 604
	Unavailable       Cause = "unavailable"    // 480, or 504 behind a dead telephone: known, but not reachable
	NoAnswer          Cause = "no-answer"      // it rang in vain
	NoCodec           Cause = "no-codec"       // 488: no codec in common
	MediaFault        Cause = "media-lost"     // the media failed for good
	NetworkLost       Cause = "network-lost"   // our connection to the server is gone; no code of the server says so
	NotRegistered     Cause = "not-registered" // there is no registration to call with
	AnsweredElsewhere Cause = "elsewhere"      // another device of the group took it
	Shutdown          Cause = "shutdown"       // the phone is being switched off
	Failed            Cause = "failed"         // anything else; see Reason
)

// Causes lists all causes.
func Causes() []Cause {
	return []Cause{HungUp, Cancelled, Busy, Refused, NotFound, Unavailable, NoAnswer, NoCodec, MediaFault, NetworkLost, NotRegistered,
		AnsweredElsewhere, Shutdown, Failed}
}

// Side is where the reason of an ending lies, and where it can be mended.
type Side string

// The sides.
const (
	CalledSide Side = "called side" // the person or telephone that was called
	ServerSide Side = "server"      // the server, and the lines and providers behind it
	DeviceSide Side = "device"      // this device: its configuration, or what it can do
)

// verdict is what one code means.
type verdict struct {
	cause  Cause
	side   Side
	remedy string // code of what a person can do; "" where people have decided, and nothing is wrong
}

// Remedies that several codes share, as codes: package words has the sentences.
const (
	checkTarget  = "target"
	checkAccount = "account"
	checkRights  = "rights"
	checkLog     = "log"
	checkPhone   = "telephone"
	checkCodecs  = "codecs"
	checkLines   = "lines"
	checkDivert  = "forwarding"
)

// statuses are the final responses: RFC 3261 section 21, and the rest of IANA's registry
// of response codes.
func statuses() map[int]verdict {
	return map[int]verdict{
		// A redirection ends a call only if none of its addresses could be called.
		300: {Failed, ServerSide, checkDivert},
		301: {Failed, ServerSide, checkDivert},
		302: {Failed, ServerSide, checkDivert},
		305: {Failed, ServerSide, checkDivert},
		380: {Failed, ServerSide, "alternative-service"},

		400: {Failed, ServerSide, checkLog},
		401: {Refused, DeviceSide, checkAccount},
		402: {Refused, ServerSide, "payment"},
		403: {Refused, ServerSide, checkRights},
		404: {NotFound, CalledSide, checkTarget},
		405: {Failed, ServerSide, checkLog},
		406: {NoCodec, CalledSide, checkCodecs},
		407: {Refused, DeviceSide, checkAccount},
		408: {NoAnswer, CalledSide, ""},
		409: {Failed, ServerSide, checkLog}, // RFC 2543
		410: {NotFound, CalledSide, checkTarget},
		411: {Failed, ServerSide, checkLog}, // RFC 2543
		412: {Failed, ServerSide, checkLog},
		413: {Failed, ServerSide, checkLog},
		414: {Failed, DeviceSide, "target-too-long"},
		415: {NoCodec, CalledSide, checkCodecs},
		416: {NotFound, DeviceSide, "target-scheme"},
		417: {Failed, ServerSide, checkLog},
		420: {Failed, ServerSide, checkLog},
		421: {Failed, ServerSide, checkLog},
		422: {Failed, ServerSide, "session-timer"},
		423: {Failed, ServerSide, checkLog},
		424: {Failed, ServerSide, checkLog},
		425: {Failed, ServerSide, checkLog},
		428: {Refused, ServerSide, checkRights}, // RFC 8224: it wants callers with a signed identity
		429: {Refused, ServerSide, checkRights},
		430: {Unavailable, CalledSide, checkPhone}, // RFC 5626: the flow to the called telephone is dead
		433: {Refused, CalledSide, "anonymous"},
		436: {Refused, ServerSide, checkRights},
		437: {Refused, ServerSide, checkRights},
		438: {Refused, ServerSide, checkRights},
		439: {Failed, ServerSide, checkLog},
		440: {Failed, ServerSide, checkTarget}, // RFC 5393: too many branches
		469: {Failed, ServerSide, checkLog},
		470: {Refused, CalledSide, "consent"},
		480: {Unavailable, CalledSide, checkPhone},
		481: {Failed, ServerSide, checkLog},
		482: {Failed, ServerSide, "loop"},
		483: {Failed, ServerSide, "loop"},
		484: {NotFound, DeviceSide, "incomplete"},
		485: {NotFound, DeviceSide, "ambiguous"},
		486: {Busy, CalledSide, ""},
		487: {NoAnswer, CalledSide, ""},
		488: {NoCodec, CalledSide, checkCodecs},
		489: {Failed, ServerSide, checkLog},
		491: {Failed, ServerSide, checkLog},
		493: {NoCodec, CalledSide, checkCodecs},
		494: {Failed, ServerSide, checkLog},

		500: {Failed, ServerSide, checkLog},
		501: {Failed, ServerSide, checkLog},
		502: {Failed, ServerSide, checkLines},
		503: {Failed, ServerSide, checkLines},
		504: {Unavailable, CalledSide, checkPhone},
		505: {Failed, ServerSide, checkLog},
		513: {Failed, ServerSide, checkLog},
		555: {Unavailable, CalledSide, checkPhone}, // RFC 8599: the telephone sleeps and cannot be woken
		580: {Failed, CalledSide, checkLog},

		600: {Busy, CalledSide, ""},
		603: {Refused, CalledSide, ""},
		604: {NotFound, CalledSide, checkTarget},
		606: {NoCodec, CalledSide, checkCodecs},
		607: {Refused, CalledSide, "unwanted"},
		608: {Refused, ServerSide, "spam"},
	}
}

// vague reports statuses behind which a Reason header tells which kind it was: those that
// gateways and FreeSWITCH choose for everything that SIP has no word for.
func vague(status int) bool {
	switch status {
	case 400, 480, 487, 488:
		return true
	default:
		return status >= 500 && status < 600
	}
}

// verdictOf finds what a final status means. One that is not known counts as the x00 of
// its class (RFC 3261, 8.1.3.2).
func verdictOf(status int) verdict {
	known := statuses()
	if v, ok := known[status]; ok {
		return v
	}
	if v, ok := known[status/100*100]; ok {
		return v
	}
	return verdict{cause: Failed}
}

// q850 are the cause numbers of ITU-T Q.850 (table 1) that say more than that a call is
// over: 16, 31, 111 and 127 say nothing that the status does not.
func q850() map[int]verdict {
	return map[int]verdict{
		1:   {NotFound, CalledSide, checkTarget},
		2:   {Failed, ServerSide, checkLines}, // no route to the transit network
		3:   {NotFound, ServerSide, "no-route"},
		4:   {NotFound, CalledSide, checkTarget}, // send special information tone
		5:   {NotFound, DeviceSide, checkTarget}, // misdialled trunk prefix
		6:   {Failed, ServerSide, checkLines},
		8:   {Failed, ServerSide, checkLines}, // preemption
		9:   {Failed, ServerSide, checkLines},
		14:  {NotFound, CalledSide, checkTarget}, // number was ported
		17:  {Busy, CalledSide, ""},
		18:  {NoAnswer, CalledSide, ""},
		19:  {NoAnswer, CalledSide, ""},
		20:  {Unavailable, CalledSide, checkPhone}, // subscriber absent
		21:  {Refused, CalledSide, ""},
		22:  {NotFound, CalledSide, checkTarget}, // number changed
		23:  {Failed, ServerSide, checkDivert},
		24:  {Refused, CalledSide, ""},
		25:  {Failed, ServerSide, checkTarget}, // exchange routing error
		26:  {AnsweredElsewhere, CalledSide, ""},
		27:  {Unavailable, CalledSide, checkPhone}, // destination out of order
		28:  {NotFound, DeviceSide, "incomplete"},
		29:  {Refused, ServerSide, checkRights}, // facility rejected
		34:  {Failed, ServerSide, checkLines},
		38:  {Failed, ServerSide, checkLines},
		39:  {Failed, ServerSide, checkLines},
		40:  {Failed, ServerSide, checkLines},
		41:  {Failed, ServerSide, checkLines},
		42:  {Failed, ServerSide, checkLines},
		43:  {Failed, ServerSide, checkLines},
		44:  {Failed, ServerSide, checkLines},
		46:  {Failed, ServerSide, checkLines},
		47:  {Failed, ServerSide, checkLines},
		49:  {Failed, ServerSide, checkLines},
		50:  {Refused, ServerSide, checkRights},
		52:  {Refused, ServerSide, checkRights},
		53:  {Refused, ServerSide, checkRights},
		54:  {Refused, ServerSide, checkRights},
		55:  {Refused, ServerSide, checkRights},
		57:  {Refused, ServerSide, checkRights},
		58:  {Failed, ServerSide, checkLines},
		62:  {Failed, ServerSide, checkLog},
		63:  {Failed, ServerSide, checkLines},
		65:  {NoCodec, CalledSide, checkCodecs},
		66:  {Failed, ServerSide, checkLog},
		69:  {Failed, ServerSide, checkLog},
		70:  {Failed, ServerSide, checkLog},
		79:  {Failed, ServerSide, checkLog},
		81:  {Failed, ServerSide, checkLog},
		82:  {Failed, ServerSide, checkLog},
		83:  {Failed, ServerSide, checkLog},
		84:  {Failed, ServerSide, checkLog},
		85:  {Failed, ServerSide, checkLog},
		86:  {Failed, ServerSide, checkLog},
		87:  {Refused, ServerSide, checkRights}, // not a member of the group
		88:  {NoCodec, CalledSide, checkCodecs}, // incompatible destination
		90:  {Refused, ServerSide, checkRights},
		91:  {Failed, ServerSide, checkLines},
		95:  {Failed, ServerSide, checkLog},
		96:  {Failed, ServerSide, checkLog},
		97:  {Failed, ServerSide, checkLog},
		98:  {Failed, ServerSide, checkLog},
		99:  {Failed, ServerSide, checkLog},
		100: {Failed, ServerSide, checkLog},
		101: {Failed, ServerSide, checkLog},
		102: {Unavailable, CalledSide, checkPhone}, // a timer ended: the called side did not answer
		103: {Failed, ServerSide, checkLog},
		110: {Failed, ServerSide, checkLog},
	}
}

// freeSwitch are the causes that FreeSWITCH has added, by their names: their numbers have
// changed (604 and 804 are both MEDIA_TIMEOUT). It sends them under the name of its
// profile ("FreeSWITCH;cause=804;text=…"). Those that say no more than that a call is
// over are left out.
func freeSwitch() map[string]verdict {
	sip := statuses()
	return map[string]verdict{
		"MEDIA_TIMEOUT":           {MediaFault, ServerSide, "media-timeout"},
		"SRTP_READ_ERROR":         {MediaFault, ServerSide, checkLog},
		"PICKED_OFF":              {AnsweredElsewhere, CalledSide, ""},
		"LOSE_RACE":               {AnsweredElsewhere, CalledSide, ""},
		"USER_NOT_REGISTERED":     {Unavailable, CalledSide, checkPhone},
		"PROGRESS_TIMEOUT":        {Unavailable, CalledSide, checkPhone},
		"ALLOTTED_TIMEOUT":        {NoAnswer, CalledSide, ""},
		"NO_PICKUP":               {NoAnswer, CalledSide, ""},
		"USER_CHALLENGE":          {Refused, ServerSide, checkRights},
		"INVALID_GATEWAY":         {Failed, ServerSide, checkLines},
		"GATEWAY_DOWN":            {Failed, ServerSide, checkLines},
		"INVALID_URL":             {NotFound, ServerSide, checkTarget},
		"INVALID_PROFILE":         {Failed, ServerSide, checkLines},
		"CRASH":                   {Failed, ServerSide, checkLog},
		"SYSTEM_SHUTDOWN":         {Failed, ServerSide, "server-off"},
		"BUSY_EVERYWHERE":         sip[600],
		"DECLINE":                 sip[603],
		"DOES_NOT_EXIST_ANYWHERE": sip[604],
		"NOT_ACCEPTABLE":          sip[606],
		"UNWANTED":                sip[607],
		"NO_IDENTITY":             sip[428],
		"BAD_IDENTITY_INFO":       sip[436],
		"UNSUPPORTED_CERTIFICATE": sip[437],
		"INVALID_IDENTITY":        sip[438],
		"STALE_DATE":              sip[403],
		"REJECT_ALL":              sip[603],
	}
}

// refused is what a final response says together with its Reason headers.
func (r reasons) refused(status int) verdict {
	v := verdictOf(status)
	if !vague(status) {
		return v
	}
	switch more, ok := r.cause(); {
	case ok && more.cause == MediaFault: // there was no media yet that the door could lose
		return verdict{Failed, ServerSide, more.remedy}
	case ok:
		return more
	case r.sip >= 300 && !vague(r.sip):
		return verdictOf(r.sip)
	}
	return v
}

// cause is the most telling of the causes that are not of SIP.
func (r reasons) cause() (verdict, bool) {
	if v, ok := freeSwitch()[r.named]; ok {
		return v, true
	}
	v, ok := q850()[r.q850]
	return v, ok
}

// reasons is what the Reason headers of a message say together (RFC 3326, RFC 6432).
type reasons struct {
	sip, q850 int    // cause of each protocol, 0 for none
	named     string // the name of a cause of FreeSWITCH's own
	text      string // the first that there is
}

// more notes one value of a header; of each protocol the first one counts.
func (r *reasons) more(one reason) {
	switch {
	case one.protocol == "SIP":
		if r.sip == 0 {
			r.sip = one.cause
		}
	case one.protocol == "Q.850" && one.cause <= 127:
		if r.q850 == 0 {
			r.q850 = one.cause
		}
	case r.named == "":
		if name := strings.ToUpper(one.text); freeSwitch()[name] != (verdict{}) {
			r.named = name
		}
	}
	if r.text == "" {
		r.text = one.text
	}
}

// elsewhere reports whether somebody else has taken the call that is cancelled
// (RFC 3326, 2; Q.850 cause 26).
func (r reasons) elsewhere() bool {
	v, _ := r.cause()
	return r.sip == 200 || v.cause == AnsweredElsewhere
}

// ending is how a call ended that the far end hung up for these reasons. A server that
// answers before it calls on tells what became of that in its BYE.
func (r reasons) ending() Ending {
	e := Ending{Cause: HungUp, Status: r.sip, Reason: r.text}
	v, ok := r.cause()
	switch {
	case r.sip == 408: // a session that was not refreshed, or a request without an answer
		v, ok = verdict{Unavailable, ServerSide, checkLog}, true
	case r.sip >= 300 && r.sip != 487:
		v, ok = r.refused(r.sip), true
	}
	if ok {
		e.Cause, e.Side, e.Remedy = v.cause, v.side, words.New(v.remedy)
	}
	return e
}

// reason is one value of a Reason header.
type reason struct {
	protocol string // in upper case: "SIP", "Q.850"
	cause    int
	text     string
}

// parseReason reads one value of a Reason header. Whatever is malformed is left empty.
func parseReason(s string) reason {
	var r reason
	proto, rest, _ := strings.Cut(s, ";")
	r.protocol = strings.ToUpper(strings.TrimSpace(proto))
	for _, p := range splitOutside(rest, ';') {
		name, value, _ := strings.Cut(p, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "cause":
			r.cause, _ = strconv.Atoi(unquote(value))
		case "text":
			r.text = unquote(value)
		}
	}
	return r
}
