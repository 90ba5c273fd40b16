package main

import (
	"os"
	"strings"
	"testing"

	"intercomd/words"
)

// What installers get wrong: check names the line, says what is wrong with it and what to do,
// in every language.
func TestSlipsOfInstallers(t *testing.T) {
	const good = "[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n"
	for name, tc := range map[string]struct{ text, want string }{
		"single to double": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = '1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: this line cannot be understood; begin and end the text with the same quotation mark"},
		"smart quotes": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \u201c1000\u201d\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: these are typographic quotation marks, as word processors and telephones make them; use straight ones: \""},
		"smart single": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \u20181000\u2019\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: these are typographic quotation marks, as word processors and telephones make them; use straight ones: \""},
		"no quotes": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = 1001\n",
			"6: call.target: is a whole number; put it between quotation marks: \"1001\""},
		"bare text": {"[sip]\nserver = wss://pbx.example.lan:7443\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"2: this line cannot be understood; put text between quotation marks: server = \"wss://pbx.example.lan:7443\""},
		"missing bracket": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call\ntarget = \"1001\"\n",
			"5: this line cannot be understood (expected ']' to close table name); write a section as [name] or [[name]], alone on its line"},
		"unclosed list": {good + "[incoming]\nauto_answer = [\"1001\", \"1002\"\nsecond = \"queue\"\n",
			"8: this line cannot be understood; close the list with ]"},
		"unclosed quote": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: this line cannot be understood; add the closing quotation mark"},
		"duplicate key": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\nuser = \"1001\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"4: sip.user: is given twice; the first is in line 3; remove one of them"},
		"duplicate section": {good + "[sip]\ndomain = \"x.lan\"\n",
			"7: section [sip] already began in line 1; put its settings there"},
		"port string": {"[sip]\nserver = \"wss://pbx.example.lan\"\nport = \"7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: sip.port: unknown setting; the port is part of the address: server = \"wss://pbx.example.lan:7443\""},
		"wss twice": {"[sip]\nserver = \"wss://wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"2: sip.server: :// occurs twice; begin the address once with wss://, like \"wss://pbx.example.lan:7443\""},
		"space in user": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"10 00\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: sip.user: \"10 00\" is not a SIP user; use letters, digits and . _ - + * # only, without blanks"},
		"trailing space user": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000 \"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: sip.user: \"1000 \" is not a SIP user; use letters, digits and . _ - + * # only, without blanks"},
		"wrong gpio": {good + "[[relay]]\nname = \"gate\"\nline = \"GPIO40\"\n",
			"9: relay.line: \"GPIO40\" is not on the header of the Raspberry Pi; use \"GPIO0\" to \"GPIO27\" or \"pin 1\" to \"pin 40\""},
		"gpio space": {good + "[[relay]]\nname = \"gate\"\nline = \"GPIO 5\"\n",
			"9: relay.line: \"GPIO 5\" is not on the header of the Raspberry Pi; use \"GPIO0\" to \"GPIO27\" or \"pin 1\" to \"pin 40\""},
		"wrong pull": {good + "[[button]]\nname = \"side\"\nline = 5\npull = \"pullup\"\n",
			"10: button.pull: \"pullup\" is not possible here; write one of \"up\", \"down\", \"none\""},
		"leading zero": {good + "[[code]]\nname = \"post\"\ndigits = 0123\n",
			"9: this line cannot be understood; put the value between quotation marks"},
		"code number": {good + "[[code]]\nname = \"post\"\ndigits = 1234\n",
			"9: code.digits: is a whole number; put it between quotation marks"},
		"tab key": {good + "\tring_tme\t=\t\"30s\"\n",
			"7: call.ring_tme: unknown setting; did you mean \"ring_time\"?"},
		"nbsp": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser\u00a0= \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: this line cannot be understood; type the line again: it contains a special space, as text copied from a web page does"},
		"time number": {good + "ring_time = 30\n",
			"7: call.ring_time: is a whole number; write it with its unit, between quotation marks: \"30s\""},
		"time comma": {good + "ring_time = \"1,5m\"\n",
			"7: call.ring_time: \"1,5m\" is not a length of time; write it like \"500ms\", \"30s\", \"2m\""},
		"yaml colon": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser: \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: this line cannot be understood; write = in place of the colon: name = value"},
		"semicolon": {good + "; the door\n",
			"7: this line cannot be understood; begin a comment with #"},
		"ini comment": {good + "talk_time = \"2m\" // two minutes\n",
			"7: this line cannot be understood; begin a comment with #"},
		"yes": {good + "[[target]]\nname = \"home\"\nusers = \"1001\"\nnotify = yes\n",
			"10: this line cannot be understood; write true or false in lower case, without quotation marks"},
		"True": {good + "[wlan]\nssid = \"x\"\nhidden = True\n",
			"9: this line cannot be understood; write true or false in lower case, without quotation marks"},
		"backslash": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"sec\\ret\"\n[call]\ntarget = \"1001\"\n",
			"4: sip.password: has a control character in it; remove it; where a backslash \\ is meant, write \\\\, or put the text between single quotes"},
		"http": {"[sip]\nserver = \"https://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"2: sip.server: https:// is not supported; calls go over a secure WebSocket: write it like \"wss://pbx.example.lan:7443\""},
		"ws": {"[sip]\nserver = \"ws://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"2: sip.server: ws:// is not encrypted and is accepted for this machine only; use wss://"},
		"capital section": {"[SIP]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"1: SIP: unknown section; did you mean \"sip\"?"},
		"single brackets": {good + "[button]\nname = \"side\"\nline = 5\n",
			"7: button: can occur several times; write [[button]]"},
		"umlaut name": {good + "[[button]]\nname = \"T\u00fcr\"\nline = 5\n",
			"8: button.name: \"T\u00fcr\" is not a name; use up to 32 of a-z, 0-9, \"-\" and \"_\""},
		"gain text": {good + "[audio]\ninput_gain = \"3 dB\"\n",
			"8: audio.input_gain: is text; write a number without quotation marks"},
		"comma decimal": {good + "[audio]\ninput_gain = 1,5\n",
			"8: this line cannot be understood; write a point in place of the comma: input_gain = 1.5"},
		"pin power": {good + "[[button]]\nname = \"side\"\nline = \"pin 1\"\n",
			"9: button.line: \"pin 1\" is 3V3; choose a pin that is a GPIO line"},
		"rtf": {"{\\rtf1\\ansi [sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"1: this is a document of a word processor; save it as plain text (UTF-8)"},
		"two settings one line": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\", password = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: this line cannot be understood; write a setting as name = value, alone on its line"},
		"password file missing": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword_file = \"pw.txt\"\n[call]\ntarget = \"1001\"\n",
			"4: sip.password_file: there is no such file in .; check the path; a password itself is given as password"},
		"mask": {good + "[network]\naddress = \"192.168.1.20 255.255.255.0\"\n",
			"8: network.address: \"192.168.1.20 255.255.255.0\" has a mask instead of a prefix length; write \"192.168.1.20/24\""},
		"windows path": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\"\npassword_file = \"C:\\door\\pw.txt\"\n[call]\ntarget = \"1001\"\n",
			"4: this line cannot be understood; write \\\\ for each backslash, or put the text between single quotes"},
		"trailing comma": {"[sip]\nserver = \"wss://pbx.example.lan:7443\"\nuser = \"1000\",\npassword = \"secret\"\n[call]\ntarget = \"1001\"\n",
			"3: this line cannot be understood; remove the comma at the end"},
		"key dash": {good + "ring-time = \"30s\"\n",
			"7: call.ring-time: unknown setting; did you mean \"ring_time\"?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("door.toml", []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, english := run(t, "check", "--lang", "en", "door.toml")
			if code != exitConfig || !strings.Contains(english, "door.toml:"+tc.want+"\n") {
				t.Errorf("exit code %d\n%s\nlacks %s", code, english, tc.want)
			}
			place, _, _ := strings.Cut(tc.want, ":")
			for _, lang := range words.Languages() {
				_, out := run(t, "check", "--lang", lang, "door.toml")
				if strings.Count(out, "\n") != strings.Count(english, "\n") || !strings.Contains(out, "door.toml:"+place+":") {
					t.Errorf("%s:\n%s", lang, out)
				}
				if lang != "en" && strings.Contains(out, tc.want) {
					t.Errorf("%s says it in English:\n%s", lang, out)
				}
			}
		})
	}
}
