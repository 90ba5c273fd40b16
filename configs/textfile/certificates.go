package textfile

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"

	"intercomd/words"
)

// Certificates reads authorities: PEM (RFC 7468) with any number of certificates and
// whatever text between them, or one certificate as DER. There is at least one, and none that
// the file holds is left out: one that cannot be read is a fault.
func Certificates(file string) ([]*x509.Certificate, *Fault) {
	data, err := Read(file)
	if err != nil {
		return nil, Unreadable(err)
	}
	return certificates(data)
}

var (
	marker = regexp.MustCompile(`^-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]*)-----$`)
	within = regexp.MustCompile(`-----(BEGIN|END) [A-Z0-9][A-Z0-9 ]*-----`)
	// What was a marker before a word processor, or somebody's mouse, got hold of it.
	likeMarker = regexp.MustCompile(`^(BEGIN|END) [A-Z0-9 ]*[-–—]+$|^[-–—]{2,} ?(BEGIN|END) [A-Z0-9 ]*[-–—]*$`)
)

// pemBlock is a block that is being read.
type pemBlock struct {
	kind string // "" outside of any
	line int    // of its beginning
	text strings.Builder
}

func certificates(data []byte) (list []*x509.Certificate, fault *Fault) {
	if der, err := x509.ParseCertificates(data); err == nil && len(der) > 0 {
		return der, nil
	}
	if len(data) > 4 && data[0] == 0x30 && data[1]&0x80 != 0 { // a SEQUENCE of DER, and no text
		return nil, &Fault{Message: words.New("certificate-binary")}
	}
	if !bytes.HasPrefix(data, []byte{0xff, 0xfe}) && !bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd")) // comments may be in any encoding
	}
	text, _, fault := Clean(data)
	if fault != nil {
		return nil, fault
	}
	var b pemBlock
	number := 0
	for whole := range strings.Lines(string(text)) {
		number++
		// Files that were joined where the last line had no end, or that lost all ends.
		for line := range strings.SplitSeq(within.ReplaceAllString(whole, "\n$0\n"), "\n") {
			cert, fault := b.add(strings.TrimSpace(line), number, len(list)+1)
			if fault != nil {
				return nil, fault
			}
			if cert != nil {
				list = append(list, cert)
			}
		}
	}
	switch {
	case b.kind != "":
		return nil, b.cutOff(len(list) + 1)
	case len(list) == 0:
		return nil, &Fault{Message: words.New("certificate-none")}
	}
	return list, nil
}

// add takes a line. It returns the certificate that ends with it; n is its number.
func (b *pemBlock) add(line string, at, n int) (*x509.Certificate, *Fault) {
	m := marker.FindStringSubmatch(line)
	switch {
	case m == nil && likeMarker.MatchString(line):
		return nil, &Fault{Line: at, Message: words.New("certificate-marker")}
	case m == nil:
		if b.kind != "" {
			b.text.WriteString(line)
		}
		return nil, nil
	case m[1] == "BEGIN" && b.kind != "":
		return nil, b.cutOff(n)
	case m[1] == "BEGIN" && m[2] != "CERTIFICATE" && m[2] != "X509 CERTIFICATE":
		what := words.New("certificate-other", "kind", strings.ToLower(m[2]))
		if m[2] == "PKCS7" || m[2] == "TRUSTED CERTIFICATE" {
			what = words.New("certificate-other-container", "kind", strings.ToLower(m[2]))
		}
		return nil, &Fault{Line: at, Message: what}
	case m[1] == "BEGIN":
		*b = pemBlock{kind: m[2], line: at}
		return nil, nil
	case m[2] != b.kind:
		return nil, &Fault{Line: at, Message: words.New("certificate-end-only")}
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(b.text.String()), ""))
	begin := b.line
	*b = pemBlock{}
	if err != nil {
		return nil, &Fault{Line: begin, Message: words.New("certificate-damaged", "n", strconv.Itoa(n))}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &Fault{Line: begin, Message: words.New("certificate-refused", "n", strconv.Itoa(n), "detail", err.Error())}
	}
	return cert, nil
}

func (b *pemBlock) cutOff(n int) *Fault {
	return &Fault{Line: b.line, Message: words.New("certificate-cut-off", "n", strconv.Itoa(n))}
}
