package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// closeLimit is how long Close waits for requests in flight.
const closeLimit = 5 * time.Second

// Service is one running version of one application.
type Service struct {
	app     string
	next    string // the application that it calls; empty: the chain's end
	forward Headers

	version atomic.Pointer[string]
	mesh    atomic.Pointer[string]

	listener net.Listener
	server   *http.Server
	client   *http.Client
	served   chan error // the result of Serve
}

// Start runs a service on a free port of 127.0.0.1 that forwards what the documents'
// applications do; see Listen.
func Start(app, version, next string) (*Service, error) {
	return Listen("127.0.0.1:0", app, version, next, Forwarded)
}

// Listen runs a service at a TCP address, such as :8000. app is its name and next
// the application that it calls and names as the call's host, empty at the chain's
// end. The call has the headers of the request that are in forward. A service with a
// next answers 502 until SetMesh.
func Listen(address, app, version, next string, forward Headers) (*Service, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("couldn't start %s: %w", app, err)
	}
	s := &Service{
		app: app, next: next, forward: forward,
		listener: listener,
		client: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			DisableCompression:  true,
		}},
		served: make(chan error, 1),
	}
	s.SetVersion(version)
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// Port is the port that the service listens on.
func (s *Service) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// SetMesh says at which host:port the mesh takes calls to other applications.
func (s *Service) SetMesh(addr string) { s.mesh.Store(&addr) }

// Version is the version that runs.
func (s *Service) Version() string { return *s.version.Load() }

// SetVersion changes the version that runs, as a promotion does.
func (s *Service) SetVersion(version string) { s.version.Store(&version) }

// Close ends the service, after the requests in flight or five seconds.
func (s *Service) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.client.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("couldn't close %s: %w", s.app, err)
	}
	return nil
}

// ServeHTTP calls the next service and answers with the hops from here on: in the
// documents' form, or as JSON if the request accepts application/json.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trace := Trace{NewHop(s.app, s.Version(), r)}
	if s.next != "" {
		behind, err := s.call(r)
		if err != nil {
			http.Error(w, fmt.Sprintf("%s couldn't call %s: %v", s.app, s.next, err), http.StatusBadGateway)
			return
		}
		trace = append(trace, behind...)
	}
	// A write fails when the client is gone.
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(trace)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, trace)
}

// call sends the forwarded headers, and no others, to the next application.
func (s *Service) call(r *http.Request) (Trace, error) {
	mesh := s.mesh.Load()
	if mesh == nil {
		return nil, errors.New("it was not told the mesh's address")
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+*mesh+"/", nil)
	if err != nil {
		return nil, err
	}
	request.Host = s.next
	for name, values := range r.Header {
		if s.forward.Has(name) {
			request.Header[name] = values
		}
	}
	return Do(s.client, request)
}
