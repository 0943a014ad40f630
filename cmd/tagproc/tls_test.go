package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/transport"
)

// TestTLS checks that the files of TLS are used, and kept current, for as long as
// the server runs.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	rulesFile := filepath.Join(dir, "rules.yaml")
	writeRules(t, rulesFile, oneRule)
	files := transport.CertificateFiles{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	pool := writeCertificate(t, files)

	var log transcript.Transcript
	ctx, cancel := context.WithCancel(t.Context())
	s, err := newServer(ctx, serverOptions{
		rulesFile: rulesFile, tls: files, listen: []string{"127.0.0.1:0"}, admin: "127.0.0.1:0", log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run = %v", err)
		}
	}()

	conn, err := grpc.NewClient(s.listeners[0].Addr().String(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := tagOf(t, open(t, conn, filterv3.ProcessingMode_NONE, "jack")); got != "s1" {
		t.Errorf("tag = %q, want s1", got)
	}
	if err := os.WriteFile(files.Key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if want := "msg=listening address=" + s.listeners[0].Addr().String() + " tls=tls\n"; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not have %q:\n%s", want, log.String())
	}
	mutual := &server{certificates: s.certificates, options: serverOptions{tls: transport.CertificateFiles{ClientCA: "ca.crt"}}}
	if got := mutual.security(s.listeners[0]); got != "mtls" {
		t.Errorf("with authorities of clients security = %q, want mtls", got)
	}
	awaitMetrics(t, s.adminListener.Addr().String(), "tagproc_tls_last_reload_successful 0\n")
}

// writeCertificate writes a certificate for 127.0.0.1 and its key, and returns what
// its clients trust.
func writeCertificate(t *testing.T, files transport.CertificateFiles) *x509.CertPool {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		files.Certificate: {Type: "CERTIFICATE", Bytes: server.Certificate().Raw},
		files.Key:         {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

// awaitMetrics waits until the metrics have a text.
func awaitMetrics(t *testing.T, admin, want string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		response, err := client.Get("http://" + admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v the metrics do not have %q:\n%s", limit, want, body)
		}
	}
}
