package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// CertificateFiles name the PEM files that TLS needs.
type CertificateFiles struct {
	Certificate string // of the server, followed by the intermediate ones
	Key         string // of the certificate, not encrypted
	ClientCA    string // who signs the certificates of clients; empty: clients need none
}

// A version identifies a state of the files: their content, or why there is none.
type version [sha256.Size]byte

// A certificateState is what one look at the files found.
type certificateState struct {
	version

	files                      CertificateFiles
	certificate, key, clientCA []byte
	err                        error
}

// look reads the files.
func (f CertificateFiles) look() certificateState {
	s := certificateState{files: f}
	h := sha256.New()
	for _, file := range []struct {
		what, path string
		to         *[]byte
	}{{"certificate", f.Certificate, &s.certificate}, {"key", f.Key, &s.key}, {"client CA", f.ClientCA, &s.clientCA}} {
		if file.path == "" {
			continue
		}
		var err error
		if *file.to, err = readCertificateFile(file.path); err != nil {
			err = fmt.Errorf("the %s %w", file.what, err)
			return certificateState{version: sha256.Sum256([]byte(err.Error())), err: err}
		}
		fmt.Fprintf(h, "%d:", len(*file.to))
		h.Write(*file.to)
	}
	h.Sum(s.version[:0])
	return s
}

func readCertificateFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // reading a pipe would wait for a writer
		return nil, fmt.Errorf("%s is not a regular file: name one", path)
	}
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist: create it or correct the path", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: permission denied: let user %d, as whom tagproc runs, read it and enter the directories above it", path, os.Geteuid())
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return content, nil
}

// config returns what the files say, to be used for new connections.
func (s certificateState) config() (*tls.Config, error) {
	if s.err != nil {
		return nil, s.err
	}
	if err := checkCertificate(s.certificate); err != nil {
		return nil, fmt.Errorf("the certificate %s cannot be used: %w: expected the certificate as PEM, with intermediate ones after it", s.files.Certificate, err)
	}
	if err := checkKey(s.key); err != nil {
		return nil, fmt.Errorf("the key %s %w", s.files.Key, err)
	}
	pair, err := tls.X509KeyPair(s.certificate, s.key)
	if err != nil {
		return nil, fmt.Errorf("the key %s cannot be used with %s: %w: expected the key of that certificate", s.files.Key, s.files.Certificate, err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2"},
		Certificates: []tls.Certificate{pair},
		// Connections last; a client that comes again is verified again.
		SessionTicketsDisabled: true,
	}
	if s.files.ClientCA == "" {
		return config, nil
	}
	authorities, err := authoritiesOf(s.clientCA)
	if err != nil {
		return nil, fmt.Errorf("the client CA %s cannot be used: %w: expected one certificate or more as PEM", s.files.ClientCA, err)
	}
	config.ClientCAs = x509.NewCertPool()
	for _, a := range authorities {
		config.ClientCAs.AddCert(a)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// changes returns the files that another state had with other content.
func (s certificateState) changes(before certificateState) []string {
	var files []string
	for _, file := range []struct {
		path        string
		was, became []byte
	}{
		{s.files.Certificate, before.certificate, s.certificate},
		{s.files.Key, before.key, s.key},
		{s.files.ClientCA, before.clientCA, s.clientCA},
	} {
		if !bytes.Equal(file.was, file.became) {
			files = append(files, file.path)
		}
	}
	return files
}

// checkCertificate reports what is wrong with the file of a certificate, without
// its key.
func checkCertificate(content []byte) error {
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			return errNoCertificate
		}
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err
		}
	}
}

// checkKey reports what is wrong with the file of a key, without its certificate.
func checkKey(content []byte) error {
	for {
		var block *pem.Block
		block, content = pem.Decode(content)
		switch {
		case block == nil:
			return errors.New("cannot be used: there is no private key in it: expected the key of the certificate as PEM, not encrypted")
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.HasSuffix(block.Type, "PRIVATE KEY") && block.Headers["DEK-Info"] != "":
			return errors.New("is encrypted, and nobody is there to type a password: decrypt it (openssl pkey -in ENCRYPTED -out KEY), and let nobody but tagproc read the file")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil
		}
	}
}

var errNoCertificate = errors.New("there is no certificate in it")

// authoritiesOf returns the certificates of a PEM file. It takes all or nothing: a
// certificate that is left out would lock clients out.
func authoritiesOf(content []byte) ([]*x509.Certificate, error) {
	var authorities []*x509.Certificate
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a block %s: %w", block.Type, err)
		}
		authorities = append(authorities, certificate)
	}
	if len(authorities) == 0 {
		return nil, errNoCertificate
	}
	return authorities, nil
}
