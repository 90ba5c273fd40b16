package textfile

import (
	"encoding/pem"
	"os"
	"testing"
)

func FuzzCertificates(f *testing.F) {
	data, err := os.ReadFile("../testdata/pem-bom-two.pem")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(append([]byte{0xfe, 0xff}, []byte("\x00-\x00-\x00-\x00-\x00-\x00B\x00E\x00G\x00I\x00N")...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE----------BEGIN CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, fault := certificates(data)
		if (fault == nil) != (len(list) > 0) {
			t.Errorf("%d certificates, %+v", len(list), fault)
		}
		// What a plain reader finds must not be lost here.
		text, _, f := Clean(data)
		if f != nil || fault != nil {
			return
		}
		n := 0
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			n++
		}
		if n > len(list) {
			t.Errorf("%d blocks, %d certificates", n, len(list))
		}
	})
}
