package configs

import (
	"fmt"
	"reflect"
	"strings"
)

// Manual is docs/man/intercom.toml.5: what [Reference] has, as a page for man(1).
func Manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	document(func(name, comment string, _ bool) {
		fmt.Fprintf(&b, ".SS %s\n%s\n", roff(name), roff(comment))
	}, func(key, val, comment string, f reflect.StructField) {
		values := strings.ReplaceAll(allowed(f), "`", "")
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fR = %s\n%s\n(%s)\n", key, roff(val), roff(comment), roff(values))
	})
	b.WriteString(manualFoot)
	return b.String()
}

// roff makes text safe for a line of its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

const manualHead = `.\" Written by: go generate ./configs. Edit configs/intercom.toml instead.
.TH INTERCOM.TOML 5 "" "intercomd" "Door station"
.SH NAME
intercom.toml \- configuration of intercomd
.SH SYNOPSIS
.I /etc/intercomd/intercom.toml
.PP
.EX
[sip]
server = "wss://pbx.example.lan:7443"
user = "1000"
password = "secret"
[call]
target = "1001"
.EE
.SH DESCRIPTION
One TOML file. The four settings above have no default; all others are below with theirs.
.B intercomd check
.I FILE
reports every fault of a file with its line and remedy.
An unknown key or a value out of range is a fault, never ignored.
In sections that decide whom to call, who may open or what lines do, a fault keeps the phone off; in the others
(audio, mixer, notify, canary, web, log, state, system, update) whatever is at fault has its default or is left out, and the bell works.
Windows line ends and a byte order mark are fine.
.PP
Sections with double brackets may occur several times; some of them show examples instead of defaults, and exist
only if the file has them.
Times are strings with units: "500ms", "30s", "2m", "1m30s". A list of one text may be written as that text.
.PP
After a change
.B systemctl reload intercomd
starts with it as soon as no call is up.
.SH SETTINGS
`

const manualFoot = `.SH SEE ALSO
.BR intercomd (8)
`
