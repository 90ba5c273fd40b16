package configs

import (
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"

	"intercomd/words"
)

// utf16Of is text as old editors of Windows save it ("Unicode").
func utf16Of(text string, bigEndian bool) string {
	var order binary.AppendByteOrder = binary.LittleEndian
	if bigEndian {
		order = binary.BigEndian
	}
	b := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func TestPasswordFiles(t *testing.T) {
	for name, tt := range map[string]struct{ file, want, fault string }{
		"plain":                {"geheim", "geheim", ""},
		"Unix":                 {"geheim\n", "geheim", ""},
		"Windows":              {"geheim\r\n", "geheim", ""},
		"echo of Windows":      {"geheim \r\n", "geheim", ""},
		"old Mac":              {"geheim\rmore\r", "geheim", ""},
		"byte-order mark":      {"\ufeffgeheim\r\n", "geheim", ""},
		"copy con":             {"geheim\r\n\x1a", "geheim", ""},
		"Ctrl-Z alone":         {"geheim\x1a", "geheim", ""},
		"blanks within":        {"ge heim\t\n\n\n", "ge heim", ""},
		"umlauts":              {"gehéim€\n", "gehéim€", ""},
		"UTF-16":               {utf16Of("geheim\r\n", false), "", `: it is saved as UTF-16 ("Unicode", as by PowerShell); save it as UTF-8`},
		"UTF-16, big endian":   {utf16Of("geheim", true), "", "UTF-16"},
		"UTF-16 without mark":  {"g\x00e\x00h\x00e\x00i\x00m\x00", "", "pw:1: it is saved as UTF-16 without a byte-order mark"},
		"UTF-32":               {"\xff\xfe\x00\x00g\x00\x00\x00", "", "UTF-32"},
		"Latin 1":              {"geh\xe9im\n", "", "pw:1: this is not UTF-8 text"},
		"NUL":                  {"geheimnis\x00", "", "pw:1: there is a NUL character in it"},
		"zeroes after a crash": {strings.Repeat("\x00", 7), "", "pw:1: there is a NUL character in it"},
		"control character":    {"ge\x1b[Dheim\n", "", "pw:1: there is a control character in it"},
		"invisible character":  {"ge\u200bheim\n", "", "pw:1: there is an invisible character in it"},
		"empty":                {"", "", "its first line is empty"},
		"nothing but a mark":   {"\ufeff\r\n", "", "its first line is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "intercom.toml")
			write(t, filepath.Join(dir, "pw"), tt.file)
			write(t, file, strings.Replace(minimal, `password = "secret"`, `password_file = "pw"`, 1))
			cfg, err := Load(file)
			wellSaid(t, faultsIn(err)...)
			if got := string(cfg.SIP.Password); got != tt.want {
				t.Errorf("password %q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("fault %v, want %q", err, tt.fault)
			}
			if err != nil && (strings.Contains(err.Error(), "heim") || !strings.Contains(err.Error(), "intercom.toml:4: sip.password_file: ")) {
				t.Errorf("fault %v", err)
			}
		})
	}
}

func TestCertificateFiles(t *testing.T) {
	one, two := certificate(t), certificate(t)
	block, _ := pem.Decode([]byte(one))
	lines := strings.SplitAfter(two, "\n")
	at := func(line int) string { return fmt.Sprintf("ca.pem:%d: ", strings.Count(one, "\n")+line) }
	for name, tt := range map[string]struct {
		file  string
		want  int
		fault string
	}{
		"two":                       {one + two, 2, ""},
		"behind a mark":             {"\ufeff" + one + two, 2, ""},
		"each behind a mark":        {"\ufeff" + one + "\ufeff" + two, 2, ""},
		"Windows":                   {strings.ReplaceAll(one+two, "\n", "\r\n"), 2, ""},
		"old Mac":                   {strings.ReplaceAll(one+two, "\n", "\r"), 2, ""},
		"UTF-16":                    {utf16Of(one+two, false), 2, ""},
		"joined":                    {strings.TrimSpace(one) + two, 2, ""},
		"joined, the other one too": {strings.TrimSpace(one) + strings.TrimSpace(two), 2, ""},
		"with texts":                {"subject=CN = A\n" + one + "\n\n# END of the first, -- really\n" + two + "bye\n", 2, ""},
		"indented":                  {"  " + strings.ReplaceAll(one, "\n", " \n  "), 1, ""},
		"blank lines within":        {strings.ReplaceAll(one, "\n", "\n\n"), 1, ""},
		"one long line":             {strings.Join([]string{lines[0], strings.ReplaceAll(strings.Join(lines[1:len(lines)-2], ""), "\n", ""), "\n", lines[len(lines)-2]}, ""), 1, ""},
		"old name":                  {strings.ReplaceAll(one, " CERT", " X509 CERT"), 1, ""},
		"DER":                       {string(block.Bytes), 1, ""},
		"the second cut off":        {one + two[:200], 0, at(1) + "certificate 2 is cut off"},
		"the second without an end": {one + strings.Join(lines[:len(lines)-2], ""), 0, at(1) + "certificate 2 is cut off"},
		"the first without an end":  {strings.Join(lines[:len(lines)-2], "") + one, 0, ":1: certificate 1 is cut off"},
		"without a beginning":       {one + strings.Join(lines[1:], ""), 0, at(len(lines)-2) + "something ends here that did not begin"},
		"a line missing":            {one + lines[0] + strings.Join(lines[2:], ""), 0, at(1) + "certificate 2 "},
		"four hyphens":              {one + "-" + strings.ReplaceAll(two, "-----", "----")[1:], 0, at(1) + "this line is not quite the marker"},
		"dashes":                    {one + strings.ReplaceAll(two, "-----", "—–"), 0, at(1) + "this line is not quite the marker"},
		"a key":                     {one + "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", 0, at(1) + "there is a block \"private key\" in it"},
		"one line alone":            {strings.ReplaceAll(one, "\n", ""), 1, ""},
		"one line, the other not":   {one + strings.ReplaceAll(two, "\n", ""), 2, ""},
		"lines that lost their end": {one + strings.ReplaceAll(two, "\n", `\n`), 0, at(1) + "certificate 2 is damaged"},
		"quoted":                    {one + "> " + strings.ReplaceAll(two, "\n", "\n> "), 0, "certificate 2 is damaged"},
		"comments in Latin 1":       {"subject: M\xfcller\n" + one, 1, ""},
		"binary, of another kind":   {"\x30\x82\x01\x02\x00\x01\x02", 0, "it is a binary file, but not a single certificate; export"},
		"PKCS 7":                    {"-----BEGIN PKCS7-----\nc2VjcmV0\n-----END PKCS7-----\n", 0, "there is a block \"pkcs7\" in it; export"},
		"NUL":                       {one + "\x00", 0, at(1) + "there is a NUL character in it"},
		"DER cut off":               {string(block.Bytes[:100]), 0, ""},
		"nothing":                   {"", 0, "there is no certificate in it"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ca.pem")
			write(t, file, tt.file)
			list, err := ReadCertificates(file)
			wellSaid(t, faultsIn(err)...)
			if len(list) != tt.want || (err == nil) != (tt.want > 0) {
				t.Errorf("%d certificates, %v", len(list), err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.fault) || strings.Contains(err.Error(), "c2Vj")) {
				t.Errorf("fault %v, want %q", err, tt.fault)
			}
		})
	}
}

// Files that are none are told at once, and nobody waits for them.
func TestStrangeFiles(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "intercom.toml")
	for name, want := range map[string]string{"pipe": "it is a pipe that nothing came out of", "link": "there is no such file", "/dev/zero": "it is a device", ".": "it is a folder"} {
		write(t, file, strings.Replace(minimal, `password = "secret"`, fmt.Sprintf("password_file = %q", name), 1))
		_, err := Load(file)
		wellSaid(t, faultsIn(err)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a judge finds stands at the line of the key; what can be done without is said to be so.
func TestLoadWithAJudge(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	write(t, file, minimal+"[audio]\nprompts = \"none\"\n[[notify]]\nwebhook = \"https://a\"\nca_file = \"none.pem\"\nmessage = \"1\"\n")
	cfg, err := Load(file, func(*Config) []Fault {
		return []Fault{{Key: "notify[0].message", Message: words.New("told", "detail", "is\x1b[31m odd", "remedy", "do not")}}
	})
	faults, _ := errors.AsType[Faults](err)
	want := []string{
		"intercom.toml:8: audio.prompts: " + dir + "/none: there is no such file; check the path",
		"intercom.toml:11: notify.ca_file: " + dir + "/none.pem: there is no such file; check the path",
		"intercom.toml:12: notify.message: is\ufffd[31m odd; do not",
	}
	if len(faults) != len(want) {
		t.Fatalf("faults %v", err)
	}
	for i, w := range want {
		if !strings.HasSuffix(faults[i].String(), w) || !faults[i].Optional {
			t.Errorf("fault %+v, want %s", faults[i], w)
		}
	}
	if cfg.Audio.Prompts != "" || cfg.Notify[0].Webhook != "" || len(cfg.Notify[0].Message) != 1 {
		t.Errorf("what cannot be used is still there: %+v, %+v", cfg.Audio, cfg.Notify)
	}
}

func TestFilesFromTheField(t *testing.T) {
	for file, want := range map[string]string{
		"pwfile-utf16le.toml": "pwfile-utf16le.toml:4: sip.password_file: testdata/utf16le.txt: it is saved as UTF-16",
		"ca-pem-bom-two.toml": "",
		"hash-user.toml":      "",
	} {
		_, err := Load(filepath.Join("testdata", file))
		wellSaid(t, faultsIn(err)...)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if list, err := ReadCertificates("testdata/pem-bom-two.pem"); len(list) != 2 || err != nil {
		t.Errorf("%d certificates, %v", len(list), err)
	}
}

// A broker whose files cannot be used is not asked at all.
func TestBrokerWithoutItsFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("password", "hunter22\n")
	file := filepath.Join(dir, "intercom.toml")
	for setting, want := range map[string]string{
		"user = \"d\"\npassword_file = \"password\"":        "",
		"user = \"d\"\npassword_file = \"passwort\"":        "mqtt.password_file: ",
		"ca_file = \"none.pem\"":                            "mqtt.ca_file: ",
		"cert_file = \"password\"\nkey_file = \"password\"": "mqtt.cert_file: the certificate and its key cannot be used",
	} {
		write("intercom.toml", minimal+"[mqtt]\nserver = \"mqtts://broker\"\n"+setting+"\n")
		cfg, err := Load(file)
		faults := faultsIn(err)
		wellSaid(t, faults...)
		switch {
		case want == "" && (err != nil || cfg.MQTT.Server == "" || cfg.MQTT.Password != "hunter22"):
			t.Errorf("%s: %v, %+v", setting, err, cfg.MQTT)
		case want != "" && (len(faults) != 1 || !strings.Contains(faults[0].String(), want) || !faults[0].Optional || cfg.MQTT.Server != "" || strings.Contains(faults[0].String(), "hunter22")):
			t.Errorf("%s: %v, %+v", setting, err, cfg.MQTT)
		}
	}
}

// A webhook whose key cannot be read gets nothing.
func TestWebhookWithoutItsKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "intercom.toml")
	for key, good := range map[string]bool{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n": true, "hunter22\n": false, "": false} {
		if err := os.WriteFile(filepath.Join(dir, "key"), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(minimal+"[[notify]]\nwebhook = \"https://a\"\nsecret_file = \"key\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(file)
		faults := faultsIn(err)
		wellSaid(t, faults...)
		if n := cfg.Notify[0]; good != (err == nil) || good != (n.Webhook != "" && n.Secret != "") || err != nil && strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%q: %v, %+v", key, err, n)
		}
	}
}
