package configs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"

	"intercomd/configs/textfile"
)

// CertPool is what [ReadCertificates] reads, to be trusted: all of them or none.
func CertPool(file string) (*x509.CertPool, error) {
	list, err := ReadCertificates(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool, nil
}

// ReadCertificates reads the authorities that a setting such as sip.ca_file names, see
// [textfile.Certificates]. The error is of type [Faults], without a key.
func ReadCertificates(file string) ([]*x509.Certificate, error) {
	list, fault := textfile.Certificates(file)
	if fault != nil {
		return nil, Faults{{File: file, Line: fault.Line, Message: fault.Message}}
	}
	return list, nil
}

// KeyPair reads a certificate and its key, each in PEM, however an editor has saved them. The
// error has nothing of the key in it.
func KeyPair(certFile, keyFile string) (pair tls.Certificate, err error) {
	var text [2][]byte
	for i, file := range []string{certFile, keyFile} {
		data, err := textfile.Read(file)
		if err != nil {
			return pair, fmt.Errorf("%s: %s", file, textfile.Unreadable(err).Message)
		}
		var fault *textfile.Fault
		if text[i], _, fault = textfile.Clean(data); fault != nil {
			return pair, fmt.Errorf("%s: %s", file, fault.Message)
		}
	}
	pair, err = tls.X509KeyPair(text[0], text[1])
	if err != nil {
		return pair, fmt.Errorf("%s and %s: %s", certFile, keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, nil
}
