package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// CertificateFiles are the paths of the PEM files that TLS needs.
type CertificateFiles struct {
	Certificate string // of the server, followed by the intermediate ones
	Key         string // of the certificate, not encrypted
	ClientCA    string // the authorities that sign client certificates; empty: clients need none
}

// A version identifies a state of the files: their contents, or why they cannot be read.
type version [sha256.Size]byte

// A certificateState is what one look at the files found.
type certificateState struct {
	version

	files                      CertificateFiles
	certificate, key, clientCA []byte
	err                        error
}

// look reads the files by read.
func (f CertificateFiles) look(read func(path string) ([]byte, error)) certificateState {
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
		if *file.to, err = read(file.path); err != nil {
			return failedState(fmt.Errorf("the %s %w", file.what, err))
		}
		fmt.Fprintf(h, "%d:", len(*file.to))
		h.Write(*file.to)
	}
	h.Sum(s.version[:0])
	return s
}

// failedState returns the state of files that cannot be read.
func failedState(err error) certificateState {
	return certificateState{version: sha256.Sum256([]byte(err.Error())), err: err}
}

// readPEM returns the content of a PEM file.
func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // reading a pipe would wait for a writer
		return nil, fmt.Errorf("%s is not a regular file: name one", path)
	}
	content, err := readAtMost(path, maxPEMBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist: create it or correct the path", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: permission denied: let tagproc's user %d read it and enter the directories above it", path, os.Geteuid())
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	case len(content) > maxPEMBytes:
		return nil, fmt.Errorf("%s has more than %d KiB: name a PEM file", path, maxPEMBytes>>10)
	}
	return content, nil
}

// readAtMost reads a file, up to one byte more than most.
func readAtMost(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most+1))
}

// config returns the configuration that the files make, for new connections.
func (s certificateState) config() (*tls.Config, error) {
	if s.err != nil {
		return nil, s.err
	}
	chain, err := chainOf(s.certificate)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s cannot be used: %w: expected the certificate as PEM, with intermediate ones after it", s.files.Certificate, err)
	}
	key, err := keyOf(s.key)
	if err != nil {
		return nil, fmt.Errorf("the key %s %w", s.files.Key, err)
	}
	var certificates []byte // the certificates of the file alone
	for _, c := range chain {
		certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	pair, err := tls.X509KeyPair(certificates, pem.EncodeToMemory(key))
	if err != nil {
		return nil, fmt.Errorf("the key %s cannot be used with %s: %w: expected the key of that certificate", s.files.Key, s.files.Certificate, err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2"},
		Certificates: []tls.Certificate{pair},
		// Connections last, so a client that reconnects is verified again.
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

// changes returns the files whose content differs from another state.
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
