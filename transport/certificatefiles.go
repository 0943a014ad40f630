package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		path string
		to   *[]byte
	}{{f.Certificate, &s.certificate}, {f.Key, &s.key}, {f.ClientCA, &s.clientCA}} {
		if file.path == "" {
			continue
		}
		var err error
		if *file.to, err = readCertificateFile(file.path); err != nil {
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
		return nil, fmt.Errorf("cannot read %w", err)
	}
	return content, nil
}

// config returns what the files say, to be used for new connections.
func (s certificateState) config() (*tls.Config, error) {
	if s.err != nil {
		return nil, s.err
	}
	pair, err := tls.X509KeyPair(s.certificate, s.key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s cannot be used: %w: expected the certificate, with intermediate ones after it, and its key, not encrypted, both as PEM",
			s.files.Certificate, s.files.Key, err)
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
	if config.ClientCAs, err = certificatePool(s.clientCA); err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w: expected one certificate or more as PEM", s.files.ClientCA, err)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// certificatePool returns the certificates of a PEM file. It takes all or nothing:
// a certificate that is left out would lock clients out.
func certificatePool(content []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a block %s: %w", block.Type, err)
		}
		pool.AddCert(certificate)
		found = true
	}
	if !found {
		return nil, errors.New("there is no certificate in it")
	}
	return pool, nil
}
