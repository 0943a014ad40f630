package transport

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Options are the bounds of a server. A zero field means its default.
type Options struct {
	// MaxConnections is the most open connections over all listeners, including those
	// that are still shaking hands. A further one is closed at once. The default is
	// 1024.
	MaxConnections int

	// FirstMessage is how long a stream may be open, give or take a fifth more, until its
	// handler says that a request has begun. Then the server ends it without an error;
	// messages other than a request win no time. A call that is not a stream may take no
	// longer as a whole. The default is 3 s.
	FirstMessage time.Duration

	// MaxMessageBytes is the size of the largest message that is received. A larger one
	// fails its stream with ResourceExhausted, which no handler can prevent. The default
	// is 1,088 KiB: a piece of a body as large as Envoy's buffer of 1 MiB, and the rest
	// of its message.
	MaxMessageBytes int

	// MaxConnectionAge is the age, give or take a tenth, at which a connection is asked
	// to end, so that clients spread over all servers of that time. By default
	// connections have no age limit.
	MaxConnectionAge time.Duration

	Registerer prometheus.Registerer // takes the metrics; nil: they are not exported
	Logger     *slog.Logger          // nil: nothing is logged
}

// The defaults of Options.
const (
	DefaultMaxConnections  = 1024
	DefaultFirstMessage    = 3 * time.Second
	DefaultMaxMessageBytes = 1088 << 10
)

func (o Options) withDefaults() Options {
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	o.FirstMessage = cmp.Or(o.FirstMessage, DefaultFirstMessage)
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, DefaultMaxMessageBytes)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

const (
	// handshakeTimeout is how long a new connection may take until it speaks
	// HTTP/2, TLS included.
	handshakeTimeout = 3 * time.Second

	// maxStreamsOfConnection is the most open streams of a connection, and so the most
	// handlers that run for it. Without this limit a peer that opens streams and resets
	// them at once (rapid reset) has as many handlers as it likes. Envoy opens streams
	// before it has seen this setting, and opens one more connection where it has more.
	// With a low number some streams are lost: Envoy 1.36 and 1.40 lost some with 10, and
	// none with 100.
	maxStreamsOfConnection = 2560

	// maxWaitingStreams is how many streams may wait for their requests at a time, over
	// all connections: each costs 12 KiB, and one of reflection, with its answer, 20 KiB.
	maxWaitingStreams = 8 << 10

	// maxStreams is the most open streams over all connections. Streams stay open while
	// bodies are streamed, and as long as a hostile peer wants. This many take 170 MiB.
	maxStreams = 12 << 10

	// maxHeaderBytes bounds the headers of a stream, which are gRPC's own: those of the
	// user's request are inside a message.
	maxHeaderBytes = 16 << 10

	// A peer that has been quiet for keepaliveTime is pinged, and its connection
	// ends if nothing comes for keepaliveTimeout: its machine is gone.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second

	// minPingInterval is the shortest interval at which a peer without streams may ping;
	// Envoy pings as often as its operator likes (connection_keepalive). By default gRPC
	// ends a connection that pings more often than every five minutes.
	minPingInterval = 100 * time.Millisecond

	// connectionAgeGrace is how long the streams of a connection may last after it is
	// asked to end, since a body may take minutes.
	connectionAgeGrace = 5 * time.Minute

	// streamWorkers is how many workers serve streams. A stream takes microseconds, and
	// the stack of a new goroutine has to grow twice; that of a worker has grown already.
	// If all are busy, new goroutines serve.
	streamWorkers = 64
)

// A Server is a grpc.Server with bounds.
type Server struct {
	*grpc.Server

	door *door
}

// GracefulStop stops the server once the streams in flight have ended. Connections
// on which the client has not begun to speak are closed first: gRPC waits for them
// before it tells the others.
func (s *Server) GracefulStop() {
	s.door.close()
	s.Server.GracefulStop()
}

// NewServer returns a server with the bounds of o, without services and listeners. It
// panics if o.Registerer already has metrics of a server.
//
// The bounds use the server's tap handle, credentials and stream interceptor: more must
// not set them.
func NewServer(o Options, more ...grpc.ServerOption) *Server {
	o = o.withDefaults()
	m := newMetrics(o.Registerer)
	streams := &streams{
		maxWaiting: maxWaitingStreams, max: maxStreams, period: o.FirstMessage / lookPeriods,
		reaped: m.reaped, refused: m.streamsRefused,
	}
	foreigners := newForeigners(o.Logger, m)
	server := &Server{door: &door{max: int64(o.MaxConnections), metrics: m, log: o.Logger, streams: streams, foreigners: foreigners, arriving: map[*guest]bool{}}}
	calls := &calls{
		unaryLimit: o.FirstMessage,
		kinds:      sync.OnceValue(func() map[string]kind { return kindsOf(server.Server) }), // once it has its services
	}
	options := []grpc.ServerOption{
		grpc.Creds(server.door),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxRecvMsgSize(o.MaxMessageBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreamsOfConnection),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.ReadBufferSize(0), // a guest has one, and looks at each frame
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      o.MaxConnectionAge,
			MaxConnectionAgeGrace: connectionAgeGrace,
			Time:                  keepaliveTime,
			Timeout:               keepaliveTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
		grpc.InTapHandle(calls.tap),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			g, err := calls.begun(s.Context(), info.FullMethod)
			if err != nil {
				return streams.turnAway(g, s, err)
			}
			if e := encodingOf(s); e != "" {
				foreigners.met(compressed, g.RemoteAddr(), "encoding", e)
				return streams.turnAway(g, s, errCompressed)
			}
			return streams.serve(g, srv, s, handler)
		}),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return errUnknownMethod }), // for the interceptor to be asked
	}
	server.Server = grpc.NewServer(append(options, more...)...)
	return server
}
