package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
)

// A foreign is something that a client speaks and this server does not.
type foreign int

const (
	http1 foreign = iota
	tlsOnPlain
	plainOnTLS
	compressed
	other
	foreigns // how many there are
)

// foreignWords are the label of the metric, and what the log says.
var foreignWords = [foreigns]struct{ label, message, remedy string }{
	http1: {
		"http1", "a client speaks HTTP/1.1, and gRPC is HTTP/2; its connection is closed",
		"in Envoy give the cluster of tagproc typed_extension_protocol_options with explicit_http_config and http2_protocol_options; elsewhere see who probes this port by HTTP",
	},
	tlsOnPlain: {
		"tls", "a client speaks TLS, and this address has none; its connection is closed",
		"take the transport_socket from the cluster of tagproc in Envoy, or start tagproc with --tls-cert and --tls-key; in Istio set the mode of TLS in a DestinationRule for tagproc",
	},
	plainOnTLS: {
		"plaintext", "a client speaks without TLS, and this address wants it; its connection is closed",
		"in Envoy give the cluster of tagproc a transport_socket with an UpstreamTlsContext, or start tagproc without --tls-cert",
	},
	compressed: {
		"compressed", "a client compresses its messages, and this server takes none; its stream is refused",
		"in Envoy take grpc.default_compression_algorithm from the channel_args of google_grpc, or use envoy_grpc",
	},
	other: {
		"other", "a client speaks no HTTP/2; its connection is closed",
		"see who connects to this port: no Envoy does so",
	},
}

// A foreigners counts what clients speak that this server does not, and logs each
// kind at most once per second.
type foreigners struct {
	counters [foreigns]prometheus.Counter
	logged   [foreigns]atomic.Int64 // when the last line was, in Unix seconds
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
	if now := time.Now().Unix(); f.logged[what].Swap(now) != now {
		w := foreignWords[what]
		f.log.Warn(w.message, append([]any{"client", client.String(), "do", w.remedy}, more...)...)
	}
}

// known is how many of a connection's first bytes say what it speaks.
const known = 5

// foreignBeginning returns what a connection speaks by its first bytes, of which
// there are known at least, unless it is HTTP/2.
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

// isPlain reports whether a handshake failed since the client does no TLS.
func isPlain(err error) bool {
	e, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && (isHTTP1(e.RecordHeader[:]) || string(e.RecordHeader[:]) == http2.ClientPreface[:len(e.RecordHeader)])
}

// The encodings that clients of gRPC know are registered, and nothing is decoded: of
// an encoding that is not registered grpc-go tells nobody but the client. A message
// of 1 KiB can have a MiB in it, so whoever may send one could make a thousand times
// the work.
func init() {
	for _, name := range []string{"gzip", "deflate", "snappy", "zstd"} {
		if encoding.GetCompressor(name) == nil {
			encoding.RegisterCompressor(refusedEncoding(name))
		}
	}
}

var errCompressed = status.Error(codes.Unimplemented, "compressed messages are not taken: send them as they are")

type refusedEncoding string

func (e refusedEncoding) Name() string                             { return string(e) }
func (refusedEncoding) Compress(io.Writer) (io.WriteCloser, error) { return nil, errCompressed }
func (refusedEncoding) Decompress(io.Reader) (io.Reader, error)    { return nil, errCompressed }

// encodingOf returns how the messages of a stream are compressed, "" for not.
func encodingOf(ss grpc.ServerStream) string {
	s, ok := grpc.ServerTransportStreamFromContext(ss.Context()).(interface{ RecvCompress() string })
	if !ok || s.RecvCompress() == encoding.Identity {
		return ""
	}
	return s.RecvCompress()
}
