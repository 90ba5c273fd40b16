package configs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"

	"intercomd/configs/textfile"
	"intercomd/words"
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
		return nil, faultIn(file, fault)
	}
	return list, nil
}

func faultIn(file string, f *textfile.Fault) Faults {
	return Faults{{File: file, Line: f.Line, Message: f.Message}}
}

// KeyPair reads a certificate and its key, each in PEM, however an editor has saved them. The
// error has nothing of the key in it.
func KeyPair(certFile, keyFile string) (pair tls.Certificate, err error) {
	var text [2][]byte
	for i, file := range []string{certFile, keyFile} {
		data, err := textfile.Read(file)
		if err != nil {
			return pair, faultIn(file, textfile.Unreadable(err))
		}
		var fault *textfile.Fault
		if text[i], _, fault = textfile.Clean(data); fault != nil {
			return pair, faultIn(file, fault)
		}
	}
	pair, err = tls.X509KeyPair(text[0], text[1])
	if err != nil {
		return pair, fmt.Errorf("%s, %s: %s", certFile, keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, nil
}

// pair judges a certificate and its key; of a file that cannot be read the fault says why.
func (c *checker) pair(key, certFile, keyFile string) bool {
	_, err := KeyPair(certFile, keyFile)
	if err == nil {
		return true
	}
	m, told := words.Told(err)
	if !told {
		m = words.New("config-pair-unfit", "detail", err.Error())
	}
	c.bad(key, m)
	return false
}
