package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tagproc/tagproc/internal/authority"
	"github.com/tagproc/tagproc/internal/transcript"
)

// newFiles names files of TLS in a directory of the test.
func newFiles(t *testing.T) CertificateFiles {
	t.Helper()
	dir := t.TempDir()
	return CertificateFiles{
		Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), ClientCA: filepath.Join(dir, "ca.crt"),
	}
}

// write writes all that f names.
func (f CertificateFiles) write(t *testing.T, server tls.Certificate, clients *authority.Authority) {
	t.Helper()
	replace(t, f.Certificate, authority.CertificatePEM(server.Leaf))
	replace(t, f.Key, authority.KeyPEM(t, server))
	if f.ClientCA != "" {
		replace(t, f.ClientCA, authority.CertificatePEM(clients.Certificate))
	}
}

func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A secured is a running server with TLS.
type secured struct {
	*running

	certificates *prometheus.Registry // their metrics
	log          *transcript.Transcript
}

// startTLS runs a server on TCP and on a Unix socket with the certificates of
// files, and keeps them current.
func startTLS(t *testing.T, files CertificateFiles) *secured {
	t.Helper()
	s := &secured{certificates: prometheus.NewRegistry(), log: &transcript.Transcript{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	c, err := LoadCertificates(t.Context(), files, CertificateOptions{Interval: 10 * time.Millisecond, Registerer: s.certificates, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	o := ListenOptions{TLS: c.Config()}
	s.running = start(t, Options{Logger: log},
		listen(t, "127.0.0.1:0", o), listen(t, UnixScheme+filepath.Join(t.TempDir(), "t.sock"), o))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return s
}

// call sends a message over a new connection and returns the server's certificate.
func (s *secured) call(t *testing.T, c *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	var seen *x509.Certificate
	c.VerifyConnection = func(state tls.ConnectionState) error {
		seen = state.PeerCertificates[0]
		return nil
	}
	conn := dial(t, s.addresses[0], credentials.NewTLS(c))
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, echoMethod)
	if err != nil {
		return nil, err
	}
	return seen, echo(stream, "hello")
}

// client returns the configuration of a client that trusts an authority and shows
// certificates.
func client(trusted *authority.Authority, shown ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: trusted.Pool(), ServerName: authority.ServerName, Certificates: shown}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours := authority.New(t, "ours")
	files := newFiles(t)
	files.ClientCA = ""
	files.write(t, ours.Issue(t, "server"), nil)
	s := startTLS(t, files)
	if _, err := s.call(t, client(ours)); err != nil {
		t.Errorf("a client is not served: %v", err)
	}
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c := client(ours)
		c.MinVersion, c.MaxVersion, c.NextProtos = version, version, []string{"h2"}
		conn, err := tls.Dial("tcp", s.addresses[0], c)
		if (err == nil) != want {
			t.Errorf("a handshake of %s: %v, want success %v", tls.VersionName(version), err, want)
		}
		if err == nil {
			conn.Close()
		}
	}
	if err := echo(open(t, dial(t, "unix://"+s.addresses[1], insecure.NewCredentials()), echoMethod), "hello"); err != nil {
		t.Errorf("over the Unix socket, which has no TLS: %v", err)
	}
	p := s.rawPeer(t)
	awaitClosed(t, p) // it speaks HTTP/2 without TLS
	awaitMetric(t, s.registry, "tagproc_tls_handshake_failures_total", 2)
	awaitLogged(t, s.log, "TLS handshake with a client failed")
	awaitMetric(t, s.registry, "tagproc_connections", 1) // that over the Unix socket
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := authority.New(t, "ours"), authority.New(t, "theirs")
	files := newFiles(t)
	files.write(t, ours.Issue(t, "server"), ours)
	s := startTLS(t, files)
	for _, tt := range []struct {
		name   string
		client *tls.Config
		served bool
	}{
		{"certificate of ours", client(ours, ours.Issue(t, "client")), true},
		{"certificate of another authority", client(ours, theirs.Issue(t, "client")), false},
		{"no certificate", client(ours), false},
	} {
		if _, err := s.call(t, tt.client); (err == nil) != tt.served {
			t.Errorf("%s: %v, want served %v", tt.name, err, tt.served)
		}
	}
	awaitMetric(t, s.registry, "tagproc_tls_handshake_failures_total", 2)
}

// TestRotation checks that new files are used for new connections, that old
// connections live on, and that files which cannot be used change nothing.
func TestRotation(t *testing.T) {
	t.Parallel()
	before, after := authority.New(t, "before"), authority.New(t, "after")
	files := newFiles(t)
	files.write(t, before.Issue(t, "server"), before)
	s := startTLS(t, files)
	living := open(t, dial(t, s.addresses[0], credentials.NewTLS(client(before, before.Issue(t, "client")))), echoMethod)
	if err := echo(living, "hello"); err != nil {
		t.Fatal(err)
	}

	for _, file := range []string{files.Certificate, files.Key, files.ClientCA} {
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string][]byte{"empty": {}, "torn": good[:len(good)/2], "other": authority.KeyPEM(t, after.Issue(t, "other"))} {
			replace(t, file, bad)
			awaitMetric(t, s.certificates, "tagproc_tls_last_reload_successful", 0)
			if _, err := s.call(t, client(before, before.Issue(t, "client"))); err != nil {
				t.Errorf("with %s %s a client is not served: %v", name, filepath.Base(file), err)
			}
			replace(t, file, good)
			awaitMetric(t, s.certificates, "tagproc_tls_last_reload_successful", 1)
		}
	}
	if got, want := strings.Count(s.log.String(), "the TLS files are refused"), 9; got != want {
		t.Errorf("%d refusals are logged, want %d:\n%s", got, want, s.log.String())
	}

	renewed := after.Issue(t, "server")
	files.write(t, renewed, after)
	awaitMetric(t, s.certificates, "tagproc_tls_certificate_expiry_timestamp_seconds", float64(renewed.Leaf.NotAfter.Unix()))
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		seen, err := s.call(t, client(after, after.Issue(t, "client")))
		if err == nil && seen.Equal(renewed.Leaf) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v the new certificate is not in use: %v", limit, err)
		}
	}
	if _, err := s.call(t, client(after, before.Issue(t, "client"))); err == nil {
		t.Error("a client of the authority before is served")
	}
	if err := echo(living, "hello"); err != nil {
		t.Errorf("a stream that was open before: %v", err)
	}
}

// TestTornRotation checks that a certificate whose key comes a moment later is no
// failure.
func TestTornRotation(t *testing.T) {
	t.Parallel()
	ours := authority.New(t, "ours")
	files := newFiles(t)
	files.write(t, ours.Issue(t, "server"), ours)
	var log transcript.Transcript
	c, err := LoadCertificates(t.Context(), files, CertificateOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	renewed := ours.Issue(t, "renewed")
	replace(t, files.Certificate, authority.CertificatePEM(renewed.Leaf))
	c.consider(c.look(t.Context()))
	replace(t, files.Key, authority.KeyPEM(t, renewed))
	c.consider(c.look(t.Context()))
	if got := c.config.Load().Certificates[0].Leaf.Subject.CommonName; got != "renewed" {
		t.Errorf("the certificate in use is %q, want the renewed one", got)
	}
	if strings.Contains(log.String(), "refused") {
		t.Errorf("the moment between is logged as a failure:\n%s", log.String())
	}
}

// TestCertificateLog checks what is said of files that are in use: for how long,
// whether clients need a certificate, and what is new.
func TestCertificateLog(t *testing.T) {
	t.Parallel()
	ours, theirs := authority.New(t, "ours"), authority.New(t, "theirs")
	files := newFiles(t)
	server := ours.Issue(t, "server")
	files.write(t, server, ours)
	var log transcript.Transcript
	last := func() string {
		lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(log.String(), filepath.Dir(files.Key)+"/", "")), "\n")
		return lines[len(lines)-1]
	}
	check := func(step string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(last(), w) {
				t.Errorf("%s: the log has %q, want %q in it", step, last(), w)
			}
		}
	}
	options := CertificateOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	c, err := LoadCertificates(t.Context(), files, options)
	if err != nil {
		t.Fatal(err)
	}
	check("start", "level=INFO", `msg="a certificate is in use" file=tls.crt`, "client_ca=ca.crt authorities=1", `changed="tls.crt tls.key ca.crt"`)

	replace(t, files.ClientCA, append(authority.CertificatePEM(ours.Certificate), authority.CertificatePEM(theirs.Certificate)...))
	c.consider(c.look(t.Context()))
	check("other authorities", "level=INFO", "client_ca=ca.crt authorities=2", "changed=ca.crt")

	now := time.Now()
	files.write(t, ours.IssueFor(t, "server", now.Add(-2*time.Hour), now.Add(-time.Hour)), ours)
	c.consider(c.look(t.Context()))
	check("expired", "level=WARN", "the certificate in use has expired")
	files.write(t, ours.IssueFor(t, "server", now.Add(time.Hour), now.Add(2*time.Hour)), ours)
	c.consider(c.look(t.Context()))
	check("not yet valid", "level=WARN", "the certificate in use is not valid yet")

	files.ClientCA = ""
	if _, err := LoadCertificates(t.Context(), files, options); err != nil {
		t.Fatal(err)
	}
	check("start without authorities", "level=WARN", "client_ca=none authorities=0")
}

// TestLoadCertificates checks what is said of files that cannot be used at the
// start.
func TestLoadCertificates(t *testing.T) {
	t.Parallel()
	ours := authority.New(t, "ours")
	server := ours.Issue(t, "server")
	for _, tt := range []struct {
		name  string
		spoil func(f *CertificateFiles)
		want  string
	}{
		{"no certificate", func(f *CertificateFiles) { f.Certificate += ".gone" }, "the certificate DIR/tls.crt.gone does not exist: create it or correct the path"},
		{"directory", func(f *CertificateFiles) { f.Key = filepath.Dir(f.Key) }, "the key DIR is not a regular file: name one"},
		{"torn certificate", func(f *CertificateFiles) {
			replace(t, f.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Leaf.Raw[:100]}))
		}, "the certificate DIR/tls.crt cannot be used: block 1 (CERTIFICATE, line 1): x509: malformed certificate: expected the certificate as PEM"},
		{
			"key of another", func(f *CertificateFiles) { replace(t, f.Key, authority.KeyPEM(t, ours.Issue(t, "other"))) },
			"the key DIR/tls.key cannot be used with DIR/tls.crt: tls: private key does not match public key: expected the key of that certificate",
		},
		{"swapped", func(f *CertificateFiles) { f.Certificate, f.Key = f.Key, f.Certificate }, "the certificate DIR/tls.key cannot be used: it has no certificate: expected"},
		{"no key", func(f *CertificateFiles) { f.Key = f.Certificate }, "the key DIR/tls.crt cannot be used: it has no private key: expected"},
		{"encrypted key", func(f *CertificateFiles) {
			replace(t, f.Key, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("secret")}))
		}, "the key DIR/tls.key is encrypted: decrypt it"},
		{"encrypted key of old", func(f *CertificateFiles) {
			replace(t, f.Key, pem.EncodeToMemory(&pem.Block{
				Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("secret"),
			}))
		}, "the key DIR/tls.key is encrypted"},
		{"two keys", func(f *CertificateFiles) {
			replace(t, f.Key, bytes.Repeat(authority.KeyPEM(t, server), 2))
		}, "the key DIR/tls.key cannot be used: block 2 (PRIVATE KEY, line 6) is a second private key: expected"},
		{"torn key", func(f *CertificateFiles) {
			replace(t, f.Key, authority.KeyPEM(t, server)[:100])
		}, "the key DIR/tls.key cannot be used: block 1 (PRIVATE KEY, line 1) is cut off: the file ends in it: expected"},
		{"damaged intermediate", func(f *CertificateFiles) {
			damaged := authority.CertificatePEM(ours.Certificate)
			damaged[100] = '*'
			replace(t, f.Certificate, append(authority.CertificatePEM(server.Leaf), damaged...))
		}, "the certificate DIR/tls.crt cannot be used: block 2 (CERTIFICATE, line "},
		{"too large", func(f *CertificateFiles) {
			replace(t, f.ClientCA, bytes.Repeat([]byte("# \n"), 1<<20))
		}, "the client CA DIR/ca.crt has more than 1024 KiB: name a PEM file"},
		{"no authority", func(f *CertificateFiles) { replace(t, f.ClientCA, []byte("none")) }, "the client CA DIR/ca.crt cannot be used: it has no certificate: expected"},
		{"one bad authority", func(f *CertificateFiles) {
			replace(t, f.ClientCA, append(authority.CertificatePEM(ours.Certificate), authority.KeyPEM(t, server)...))
		}, "the client CA DIR/ca.crt cannot be used: block 2 (PRIVATE KEY, line "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := newFiles(t)
			files.write(t, server, ours)
			want := strings.ReplaceAll(tt.want, "DIR", filepath.Dir(files.Key))
			tt.spoil(&files)
			_, err := LoadCertificates(t.Context(), files, CertificateOptions{})
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("LoadCertificates = %v, want an error that begins with %q", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "BEGIN") {
				t.Errorf("the error shows what is in a file: %v", err)
			}
		})
	}
}
