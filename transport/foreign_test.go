package transport

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tagproc/tagproc/internal/authority"
	"github.com/tagproc/tagproc/internal/transcript"
)

func TestForeignBeginning(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		http2.ClientPreface + "\x00\x00\x00\x04":                                 "",
		http2.ClientPreface[:known]:                                              "",
		"POST /envoy.service.ext_proc.v3.ExternalProcessor/Process HTTP/1.1\r\n": "http1",
		"GET / HTTP/1.0\r\n\r\n":                                                 "http1",
		"GET /":                                                                  "http1",
		"OPTIONS * HTTP/1.1\r\n":                                                 "http1",
		"PRI * HTTP/1.1\r\n\r\n":                                                 "http1",
		"GET http://a/ HTTP/1.1\r":                                               "http1",
		"\x16\x03\x01\x02\x00\x01":                                               "tls",
		"\x16\x02\x01\x02\x00\x01":                                               "other",
		"SSH-2.0-OpenSSH_9.6\r\n":                                                "other",
		"\x00\x00\x00\x00\x00":                                                   "other",
		"get / HTTP/1.1\r\n":                                                     "other",
	} {
		what, ok := foreignBeginning([]byte(said))
		got := ""
		if ok {
			got = foreignWords[what].label
		}
		if got != want {
			t.Errorf("%q is taken for %q, want %q", said, got, want)
		}
	}
}

// startLogged runs a server that logs.
func startLogged(t *testing.T) (*running, *transcript.Transcript) {
	t.Helper()
	log := &transcript.Transcript{}
	return start(t, Options{Logger: slog.New(slog.NewTextHandler(log, nil))}), log
}

// TestForeign checks that what speaks something else is counted and named, with the
// remedy, and at most once per second.
func TestForeign(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, said, label, want string }{
		{"HTTP/1.1", "POST /Process HTTP/1.1\r\nhost: tagproc\r\n\r\n", "http1", "http2_protocol_options"},
		{"HTTP/1.0, which is short", "GET / HTTP/1.0\r\n\r\n", "http1", "http2_protocol_options"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and some more of it", "tls", "remove the transport_socket"},
		{"something else", "SSH-2.0-OpenSSH_9.6p1 Ubuntu\r\n", "other", "it is not Envoy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, log := startLogged(t)
			const n = 20
			began := time.Now()
			for range n {
				conn := connect(t, "tcp", r.addresses[0])
				if _, err := io.WriteString(conn, tt.said); err != nil {
					t.Fatal(err)
				}
			}
			awaitLabelled(t, r, tt.label, n)
			awaitLogged(t, log, tt.want)
			lines, most := strings.Count(log.String(), "level=WARN"), int(time.Since(began)/time.Second)+2 // a second may just begin
			if !strings.Contains(log.String(), "client=127.0.0.1:") || lines == 0 || lines > most {
				t.Errorf("of %d clients %d lines are logged, want one per second, %d, with the client and %q:\n%s", n, lines, most, tt.want, log.String())
			}
		})
	}
	t.Run("HTTP/2 in pieces", func(t *testing.T) {
		t.Parallel()
		r, log := startLogged(t)
		if err := echo(open(t, r.dial(t), echoMethod), "hello"); err != nil {
			t.Fatal(err)
		}
		conn := connect(t, "tcp", r.addresses[0])
		for _, c := range http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" {
			if _, err := io.WriteString(conn, string(c)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := http2.NewFramer(nil, conn).ReadFrame(); err != nil {
			t.Fatal(err)
		}
		if log.String() != "" {
			t.Errorf("a client that speaks HTTP/2 is logged:\n%s", log.String())
		}
	})
}

// awaitLabelled waits until the clients with a label are as many as wanted.
func awaitLabelled(t *testing.T, r *running, label string, want float64) {
	t.Helper()
	awaitValue(t, want, func() (got float64) {
		families, err := r.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "tagproc_foreign_protocol_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				if m.GetLabel()[0].GetValue() == label {
					got = m.GetCounter().GetValue()
				}
			}
		}
		return got
	})
}

// awaitLogged waits until the log has all of want. What is logged is counted before.
func awaitLogged(t *testing.T, log *transcript.Transcript, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		missing := slices.DeleteFunc(slices.Clone(want), func(w string) bool { return strings.Contains(log.String(), w) })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v the log does not have %q:\n%s", limit, missing, log.String())
		}
	}
}

// TestPlainOnTLS checks that a client without TLS is told from one whose TLS fails.
func TestPlainOnTLS(t *testing.T) {
	t.Parallel()
	ours := authority.New(t, "ours")
	for _, said := range []string{http2.ClientPreface, "POST /Process HTTP/1.1\r\nhost: tagproc\r\n\r\n"} {
		files := newFiles(t)
		files.write(t, ours.Issue(t, "server"), ours)
		s := startTLS(t, files)
		conn := connect(t, "tcp", s.addresses[0])
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		awaitLabelled(t, s.running, "plaintext", 1)
		awaitLogged(t, s.log, "a client speaks without TLS", "UpstreamTlsContext")
	}
}

// TestCompressed checks that streams with compressed messages are refused, counted
// and named, and that others on the connection go on.
func TestCompressed(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"gzip", "deflate", "snappy", "zstd"} {
		r, log := startLogged(t)
		conn := r.dial(t)
		other := open(t, conn, echoMethod)
		p := r.rawPeer(t)
		p.open(t, 1, echoMethod, "grpc-encoding", encoding)
		if got := p.awaitStatus(t); got != "12" {
			t.Errorf("%s: status %s, want 12", encoding, got)
		}
		awaitLabelled(t, r, "compressed", 1)
		awaitLogged(t, log, "encoding="+encoding, "grpc.default_compression_algorithm")
		if err := echo(other, "hello"); err != nil {
			t.Errorf("a stream beside one with %s: %v", encoding, err)
		}
	}
}

// TestCompressedCall checks that a call that is not a stream is not decompressed
// either.
func TestCompressedCall(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	err := r.dial(t).Invoke(t.Context(), "/grpc.health.v1.Health/Check", wrapperspb.String(""), new(wrapperspb.BytesValue), grpc.UseCompressor("gzip"))
	if err == nil || status.Code(err) == codes.OK {
		t.Errorf("a compressed call: %v, want an error", err)
	}
}
