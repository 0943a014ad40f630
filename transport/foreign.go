package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"

	"github.com/tagproc/tagproc/internal/seldom"
)

// A foreign is a protocol that a client speaks and this server does not.
type foreign int

const (
	http1 foreign = iota
	tlsOnPlain
	plainOnTLS
	compressed
	other
	foreigns // their number
)

// foreignWords are the label of the metric and the words of the log.
var foreignWords = [foreigns]struct{ label, message, remedy string }{
	http1: {
		"http1", "a client speaks HTTP/1.1 instead of HTTP/2; its connection is closed",
		"in Envoy give the cluster of tagproc typed_extension_protocol_options with explicit_http_config and http2_protocol_options; otherwise find out who probes this port by HTTP",
	},
	tlsOnPlain: {
		"tls", "a client speaks TLS to an address without TLS; its connection is closed",
		"in Envoy remove the transport_socket of the cluster of tagproc, or start tagproc with --tls-cert and --tls-key; in Istio set the TLS mode in a DestinationRule for tagproc",
	},
	plainOnTLS: {
		"plaintext", "a client speaks without TLS to an address with TLS; its connection is closed",
		"in Envoy give the cluster of tagproc a transport_socket with an UpstreamTlsContext, or start tagproc without --tls-cert",
	},
	compressed: {
		"compressed", "a client compresses its messages; its stream is refused",
		"in Envoy remove grpc.default_compression_algorithm from the channel_args of google_grpc, or use envoy_grpc",
	},
	other: {
		"other", "a client does not speak HTTP/2; its connection is closed",
		"find out who connects to this port: it is not Envoy",
	},
}

// A foreigners counts clients that speak something foreign, and logs each kind at most
// once per second.
type foreigners struct {
	counters [foreigns]prometheus.Counter
	logged   [foreigns]seldom.Second
	log      *slog.Logger
}

func newForeigners(log *slog.Logger, m *metrics) *foreigners {
	f := &foreigners{log: log}
	for i, w := range foreignWords {
		f.counters[i] = m.foreign.WithLabelValues(w.label)
	}
	return f
}

func (f *foreigners) met(what foreign, client net.Addr, more ...any) {
	f.counters[what].Inc()
	if f.logged[what].First() {
		w := foreignWords[what]
		f.log.Warn(w.message, append([]any{"client", client.String(), "do", w.remedy}, more...)...)
	}
}

// known is how many of a connection's first bytes tell what it speaks.
const known = 5

// foreignBeginning returns what a connection speaks by its first bytes, and whether it
// is foreign. b has at least known bytes, unless it is HTTP/2.
func foreignBeginning(b []byte) (what foreign, ok bool) {
	b = b[:min(len(b), len(http2.ClientPreface))]
	switch {
	case string(b) == http2.ClientPreface[:len(b)]:
		return 0, false
	case b[0] == 0x16 && b[1] == 3: // a record of a handshake (RFC 8446, section 5.1)
		return tlsOnPlain, true
	case isHTTP1(b):
		return http1, true
	}
	return other, true
}

// isHTTP1 reports whether b begins a request: a method and a path.
func isHTTP1(b []byte) bool {
	method, target, _ := bytes.Cut(b, []byte(" "))
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(method) >= 3 && (len(target) == 0 || target[0] == '/' || target[0] == '*' || bytes.HasPrefix(target, []byte("http")))
}

// isPlain reports whether a handshake failed because the client speaks without TLS.
func isPlain(err error) bool {
	e, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && (isHTTP1(e.RecordHeader[:]) || string(e.RecordHeader[:]) == http2.ClientPreface[:len(e.RecordHeader)])
}

// The encodings that gRPC clients know are registered, so that the server notices them:
// grpc-go reports an unregistered encoding to the client alone. Nothing is decoded: a
// message of 1 KiB can decode to a MiB, a thousand times the work.
func init() {
	for _, name := range []string{"gzip", "deflate", "snappy", "zstd"} {
		if encoding.GetCompressor(name) == nil {
			encoding.RegisterCompressor(refusedEncoding(name))
		}
	}
}

var errCompressed = status.Error(codes.Unimplemented, "compressed messages are refused: send them uncompressed")

type refusedEncoding string

func (e refusedEncoding) Name() string                             { return string(e) }
func (refusedEncoding) Compress(io.Writer) (io.WriteCloser, error) { return nil, errCompressed }
func (refusedEncoding) Decompress(io.Reader) (io.Reader, error)    { return nil, errCompressed }

// encodingOf returns the compression of a stream's messages, "" for none.
func encodingOf(ss grpc.ServerStream) string {
	s, ok := grpc.ServerTransportStreamFromContext(ss.Context()).(interface{ RecvCompress() string })
	if !ok || s.RecvCompress() == encoding.Identity {
		return ""
	}
	return s.RecvCompress()
}
