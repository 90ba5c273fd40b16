package phone

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"intercomd/phone/siptest"
	"intercomd/words"
)

// What every final status means: RFC 3261 section 21 and IANA's registry. A Q.850 cause,
// where one stands in the row, comes with it as FreeSWITCH and gateways send it.
func TestStatuses(t *testing.T) {
	for cause, rows := range map[Cause][][2]int{
		Busy:        {{486}, {600}, {480, 17}, {486, 31}, {500, 17}, {503, 17}, {699}, {600, 19}, {487, 17}},
		Refused:     {{401}, {402}, {403}, {407}, {428}, {429}, {433}, {436}, {437}, {438}, {470}, {603}, {607}, {608}, {480, 21}, {603, 17}, {403, 21}, {503, 52}, {480, 57}, {500, 87}},
		NotFound:    {{404}, {410}, {416}, {484}, {485}, {604}, {404, 1}, {480, 1}, {500, 28}, {503, 3}, {404, 3}, {410, 22}, {484, 28}},
		Unavailable: {{480}, {430}, {504}, {555}, {480, 20}, {480, 31}, {480, 16}, {480, 127}, {502, 27}, {503, 20}, {504, 102}, {504, 111}, {500, 102}, {400, 20}},
		NoAnswer:    {{408}, {487}, {480, 18}, {480, 19}, {408, 18}, {408, 102}, {487, 16}, {504, 19}},
		NoCodec:     {{406}, {415}, {488}, {493}, {606}, {488, 88}, {500, 88}, {503, 65}, {606, 41}},
		Failed: {
			{300}, {301}, {302}, {305}, {380}, {399}, {400}, {405}, {409}, {411}, {412}, {413}, {414}, {417}, {420}, {421}, {422}, {423}, {424}, {425},
			{439}, {440}, {469}, {481}, {482}, {483}, {489}, {491}, {494}, {499}, {500}, {501}, {502}, {503}, {505}, {513}, {580}, {599},
			{503, 34}, {503, 38}, {503, 41}, {503, 42}, {483, 25}, {302, 31}, {480, 41}, {500, 16}, {501, 29 + 37},
		},
		AnsweredElsewhere: {{480, 26}, {487, 26}},
	} {
		for _, row := range rows {
			if got := (reasons{q850: row[1]}).refused(row[0]); got.cause != cause {
				t.Errorf("%d with Q.850 %d is %s, want %s", row[0], row[1], got.cause, cause)
			}
		}
	}
}

// The registries as they were in 2026: nothing in them is without a verdict.
func TestEveryCodeIsKnown(t *testing.T) {
	for _, status := range []int{
		300, 301, 302, 305, 380,
		400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 412, 413, 414, 415, 416, 417, 420, 421, 422, 423, 424, 425, 428, 429, 430, 433, 436, 437,
		438, 439, 440, 469, 470, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493, 494,
		500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608,
	} {
		if _, ok := statuses()[status]; !ok {
			t.Errorf("status %d has no row", status)
		}
	}
	silent := []int{7, 16, 30, 31, 111, 127} // a call that is over, and no more
	for _, n := range []int{
		1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 34, 38, 39, 40, 41, 42, 43, 44, 46, 47, 49,
		50, 52, 53, 54, 55, 57, 58, 62, 63, 65, 66, 69, 70, 79, 81, 82, 83, 84, 85, 86, 87, 88, 90, 91, 95, 96, 97, 98, 99, 100, 101, 102, 103, 110, 111, 127,
	} {
		if _, ok := q850()[n]; ok == slices.Contains(silent, n) {
			t.Errorf("Q.850 cause %d: row %v", n, ok)
		}
	}
}

// No code of the server is told as the connection of this device: it came over that.
func TestNoCodeBlamesOurConnection(t *testing.T) {
	check := func(what string, v verdict) {
		t.Helper()
		switch v.cause {
		case NetworkLost, NotRegistered, Shutdown, HungUp, Cancelled, "":
			t.Errorf("%s is told as %q", what, v.cause)
		}
		if v.side == "" {
			t.Errorf("%s: nobody knows whose fault it is", what)
		}
		if decided := v.cause == Busy || v.cause == NoAnswer || v.cause == AnsweredElsewhere; decided != (v.remedy == "") && v.cause != Refused {
			t.Errorf("%s (%s) has the remedy %q", what, v.cause, v.remedy)
		}
	}
	for _, status := range append(slices.Collect(maps.Keys(statuses())), 399, 499, 599, 699) {
		for n := range 128 {
			v := reasons{q850: n}.refused(status)
			check(sip.NewResponse(status, "").Short(), v)
			if v.cause == MediaFault {
				t.Errorf("%d, %d: there was no media yet", status, n)
			}
		}
	}
	for name, v := range freeSwitch() {
		check(name, v)
		if got := (reasons{named: name}).refused(480).cause; got == MediaFault {
			t.Errorf("%s before the answer is %s", name, got)
		}
	}
}

// A final response, with its headers as they were sent, and what the door is told.
func TestWhatRefusalsTell(t *testing.T) {
	for name, tc := range map[string]struct {
		status  int
		headers []string
		want    Ending
		remedy  string // a part of it
	}{
		"FreeSWITCH had no answer of the telephone": {504, []string{`Reason: Q.850;cause=102;text="RECOVERY_ON_TIMER_EXPIRE"`},
			Ending{Cause: Unavailable, Reason: "RECOVERY_ON_TIMER_EXPIRE", Side: CalledSide}, "called telephone"},
		"no line": {503, []string{`Reason: Q.850;cause=34;text="NORMAL_CIRCUIT_CONGESTION"`, "Retry-After: 90 (maintenance)"},
			Ending{Cause: Failed, Reason: "NORMAL_CIRCUIT_CONGESTION", Side: ServerSide}, "try again in 1 min 30 s"},
		"busy for a while": {486, []string{"Retry-After: 60"}, Ending{Cause: Busy, Reason: "Nope", Side: CalledSide}, "try again in 1 min"},
		"a profile of another name": {480, []string{`Reason: mypbx;cause=806;text="USER_NOT_REGISTERED"`},
			Ending{Cause: Unavailable, Reason: "USER_NOT_REGISTERED", Side: CalledSide}, "registered"},
		"an older FreeSWITCH": {480, []string{`Reason: Q.850;cause=605;text="PICKED_OFF"`},
			Ending{Cause: AnsweredElsewhere, Reason: "PICKED_OFF", Side: CalledSide}, ""},
		"two headers, of which SIP repeats the status": {500, []string{`Reason: SIP;cause=500;text="Server Internal Error"`, `Reason: Q.850;cause=17`},
			Ending{Cause: Busy, Reason: "Server Internal Error", Side: CalledSide}, ""},
		"two values in one header": {480, []string{`Reason: SIP ;cause=480 ;text="a, b; \"c\"" , q.850 ; cause = 21`},
			Ending{Cause: Refused, Reason: `a, b; "c"`, Side: CalledSide}, ""},
		"the status of the other leg": {480, []string{`Reason: SIP;cause=603;text="Decline"`},
			Ending{Cause: Refused, Reason: "Decline", Side: CalledSide}, ""},
		"two causes of one protocol: the first counts": {480, []string{`Reason: Q.850;cause=17, Q.850;cause=1`},
			Ending{Cause: Busy, Reason: "Nope", Side: CalledSide}, ""},
		"a protocol that nobody knows": {480, []string{`Reason: X.int;reasoncode=0x1;add-info=0532.0001`},
			Ending{Cause: Unavailable, Reason: "Nope", Side: CalledSide}, "registered"},
		"a warning": {488, []string{`Warning: 305 pbx.test:5060 "Incompatible, media \"format\""`},
			Ending{Cause: NoCodec, Reason: `Incompatible, media "format"`, Side: CalledSide}, "audio.codecs"},
		"a reason goes before a warning": {488, []string{`Warning: 399 pbx "first"`, `Reason: Q.850;cause=88;text="second"`},
			Ending{Cause: NoCodec, Reason: "second", Side: CalledSide}, "audio.codecs"},
		"nonsense": {486, []string{"Reason: ;;=,\"", "Retry-After: soon", "Warning: 1"}, Ending{Cause: Busy, Reason: "Nope", Side: CalledSide}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, siptest.Options{}, func(s *stage) {
				c := s.dial("1001")
				s.conn.ExpectInvite().Respond(tc.status, "Nope", tc.headers...)
				s.conn.Expect("ACK")
				s.event(c, Sent)
				e := s.ended(c, tc.want.Cause, tc.status)
				if e.Reason != tc.want.Reason || e.Side != tc.want.Side || e.Local || !strings.Contains(words.English().Say("call-remedy", e.Remedy), tc.remedy) || tc.remedy == "" && !e.Remedy.None() {
					t.Errorf("told %+v", e)
				}
				s.over(c)
			})
		})
	}
	t.Run("by the scripted server", func(t *testing.T) {
		play(t, siptest.Options{}, func(s *stage) {
			c := s.dial("1001")
			s.conn.ExpectInvite().TimeOut()
			s.conn.Expect("ACK")
			s.event(c, Sent)
			s.ended(c, Unavailable, 504)
			s.over(c)
		})
	})
}
