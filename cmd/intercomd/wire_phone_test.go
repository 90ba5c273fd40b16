package main

import (
	"errors"
	"testing"
	"time"

	"intercomd/phone"
	"intercomd/station"
)

func TestRegistrationIsTranslated(t *testing.T) {
	since, retry := time.Unix(1000, 0), time.Unix(2000, 0)
	for name, tt := range map[string]struct {
		in   phone.Registration
		want station.Registration
	}{
		"off": {phone.Registration{State: phone.Offline, Since: since}, station.Registration{State: station.RegOff, Since: since}},
		"failed": {
			phone.Registration{State: phone.FailedRetrying, Server: "wss://pbx", User: "1000@pbx", Since: since, Retry: retry, Err: errors.New("no"), Remedy: "Mend it."},
			station.Registration{State: station.RegFailed, Server: "wss://pbx", User: "1000@pbx", Since: since, Retry: retry, Error: "no", Remedy: "Mend it."},
		},
		"registered, but another device took it": {
			phone.Registration{State: phone.Registered, Since: since, Retry: retry, Others: 1, Err: errors.New("another device"), Remedy: "Look for it."},
			station.Registration{State: station.RegRegistered, Since: since, Retry: retry, Error: "another device", Remedy: "Look for it."},
		},
	} {
		if got := registration(tt.in); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	for _, s := range []phone.State{phone.Connecting, phone.Registering, phone.Registered, phone.FailedRetrying, phone.RefusedRetrying} {
		switch got := registration(phone.Registration{State: s}).State; got {
		case station.RegConnecting, station.RegRegistering, station.RegRegistered, station.RegFailed, station.RegRefused:
		default:
			t.Errorf("%s became %q, which the door does not know", s, got)
		}
	}
}
