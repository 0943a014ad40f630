package echo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// closeLimit is how long Close waits for answers in flight, whose delays it ends.
const closeLimit = 5 * time.Second

// window is how much of a body may be on its way in HTTP/2, in bytes.
const window = 64 << 20

// A Server is a running upstream.
type Server struct {
	listener net.Listener
	server   *http.Server
	stop     context.CancelFunc // ends every delay
	served   chan error         // the result of Serve

	mu   sync.Mutex
	kept map[string][]Report
}

// Start runs a server on a free port of 127.0.0.1.
func Start() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("couldn't start the echo: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		listener: listener,
		stop:     stop,
		served:   make(chan error, 1),
		kept:     make(map[string][]Report),
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.server = &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		Protocols:         &protocols,
		ReadHeaderTimeout: 30 * time.Second,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 1 << 16, // a gateway with few connections must not wait for this side
			// Envoy takes more than ten window updates for one frame as an attack, and as many
			// come for one of 1 MiB, net/http's default.
			MaxReadFrameSize: 16 << 10,
			// Envoy 1.36 loses the trailers of a request that ended well, and resets it, where
			// body and trailers wait together for this side's window.
			MaxReceiveBufferPerStream:     window,
			MaxReceiveBufferPerConnection: window,
		},
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // what clients do wrong, they are told
	}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// Port is the port of 127.0.0.1 that the server listens on.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Take returns what came with KeepHeader: key since the last Take of the key, in
// order of arrival, and forgets it. A request whose answer was seen is among it.
func (s *Server) Take(key string) []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	reports := s.kept[key]
	delete(s.kept, key)
	return reports
}

func (s *Server) keep(key string, r Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[key] = append(s.kept[key], r)
}

// Close ends every delay and then the server.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close() // a client that keeps its connection half used
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("couldn't close the echo: %w", err)
	}
	return nil
}
