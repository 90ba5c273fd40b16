package configs

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

// ReadCertificates reads the authorities that a setting such as sip.ca_file names: PEM
// (RFC 7468) with any number of certificates and whatever text between them, or one
// certificate as DER. There is at least one, and none that the file holds is left out: one
// that cannot be read is an error. That is of type [Faults], without a key.
func ReadCertificates(file string) ([]*x509.Certificate, error) {
	data, err := read(file)
	var list []*x509.Certificate
	var fault *textError
	if err != nil {
		fault = unreadable(err)
	} else {
		list, fault = certificates(data)
	}
	if fault != nil {
		return nil, Faults{{File: file, Line: fault.line, Problem: fault.problem, Remedy: fault.remedy}}
	}
	return list, nil
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

func certificates(data []byte) (list []*x509.Certificate, fault *textError) {
	if der, err := x509.ParseCertificates(data); err == nil && len(der) > 0 {
		return der, nil
	}
	if len(data) > 4 && data[0] == 0x30 && data[1]&0x80 != 0 { // a SEQUENCE of DER, and no text
		return nil, &textError{problem: "it is a binary file, and not one certificate", remedy: "export the authority as PEM (Base-64 encoded X.509)"}
	}
	if !bytes.HasPrefix(data, []byte{0xff, 0xfe}) && !bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd")) // comments may be in any encoding
	}
	text, _, fault := cleanText(data)
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
		return nil, &textError{problem: "there is no certificate in it", remedy: "it must hold PEM text: -----BEGIN CERTIFICATE-----"}
	}
	return list, nil
}

// add takes a line. It returns the certificate that ends with it; n is its number.
func (b *pemBlock) add(line string, at, n int) (*x509.Certificate, *textError) {
	m := marker.FindStringSubmatch(line)
	switch {
	case m == nil && likeMarker.MatchString(line):
		return nil, &textError{line: at, problem: "this line is not quite the marker of a certificate",
			remedy: "write -----BEGIN CERTIFICATE----- or -----END CERTIFICATE-----, with five hyphens on each side"}
	case m == nil:
		if b.kind != "" {
			b.text.WriteString(line)
		}
		return nil, nil
	case m[1] == "BEGIN" && b.kind != "":
		return nil, b.cutOff(n)
	case m[1] == "BEGIN" && m[2] != "CERTIFICATE" && m[2] != "X509 CERTIFICATE":
		remedy := "only certificates (BEGIN CERTIFICATE) belong there"
		if m[2] == "PKCS7" || m[2] == "TRUSTED CERTIFICATE" {
			remedy += ": export the authority as PEM (Base-64 encoded X.509)"
		}
		return nil, &textError{line: at, problem: "has " + strings.ToLower(m[2]) + " in it", remedy: remedy}
	case m[1] == "BEGIN":
		*b = pemBlock{kind: m[2], line: at}
		return nil, nil
	case m[2] != b.kind:
		return nil, &textError{line: at, problem: "something ends here that has no beginning", remedy: copyAgain}
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(b.text.String()), ""))
	begin := b.line
	*b = pemBlock{}
	if err != nil {
		return nil, &textError{line: begin, problem: fmt.Sprintf("certificate %d is damaged", n), remedy: copyAgain}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &textError{line: begin, problem: fmt.Sprintf("certificate %d cannot be read: %v", n, err),
			remedy: copyAgain + "; if openssl can read it, have it made anew without what is refused here"}
	}
	return cert, nil
}

const copyAgain = "copy it again from the server, whole"

func (b *pemBlock) cutOff(n int) *textError {
	return &textError{line: b.line, problem: fmt.Sprintf("certificate %d is cut off: its -----END CERTIFICATE----- is missing", n), remedy: copyAgain}
}
