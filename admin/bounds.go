package admin

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of the server. Probes and Prometheus open a handful of connections and
// send some hundred bytes.
const (
	// MaxConnections is the most open connections. A further one closes the oldest, so
	// that a probe, which takes milliseconds, gets its answer although somebody holds
	// all of them.
	MaxConnections = 64

	maxHeaderBytes = 4 << 10 // of a request, including its first line, and 4 KiB more: net/http adds them
	maxTarget      = 1 << 10 // bytes of a path and its query
	readTimeout    = 5 * time.Second
	writeTimeout   = 10 * time.Second
	profileTimeout = 5 * time.Minute // to write, with Options.Pprof: a profile may take as long as asked
	idleTimeout    = 2 * time.Minute // above the usual intervals of Prometheus
)

// NewServer returns a server of [Handler] that is bounded in what a peer can hold,
// together with [Bound]. What net/http reports goes to log; nil: it is dropped.
func NewServer(handler http.Handler, o Options, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{
		Handler:        handler,
		MaxHeaderBytes: maxHeaderBytes,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if o.Pprof {
		s.WriteTimeout = profileTimeout
	}
	return s
}

// Bound returns l with at most [MaxConnections] open connections: a further one closes
// the oldest.
func Bound(l net.Listener) net.Listener { return &bounded{Listener: l, most: MaxConnections} }

// A bounded listener knows the connections that it has accepted, oldest first.
type bounded struct {
	net.Listener

	most int

	mu   sync.Mutex
	open list.List // of *connection
}

// A connection leaves the list of its listener when it is closed.
type connection struct {
	net.Conn

	leave func()
}

func (c *connection) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Accept returns the next connection.
func (l *bounded) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c, oldest := l.enter(conn)
	if oldest != nil {
		_ = oldest.Close() // the error does not matter
	}
	return c, nil
}

// enter notes a connection, and returns the oldest if there is one too many.
func (l *bounded) enter(conn net.Conn) (c, oldest *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c = &connection{Conn: conn}
	at := l.open.PushBack(c)
	c.leave = sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open.Remove(at)
	})
	if l.open.Len() > l.most {
		oldest, _ = l.open.Front().Value.(*connection)
	}
	return c, oldest
}
