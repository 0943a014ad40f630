package cluster

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// A front is what listens at a service's address on the node, as kube-proxy's first
// form did: each connection goes to a ready pod, at random.
type front struct {
	name     string // of the port
	listener net.Listener
	tasks    sync.WaitGroup

	mu       sync.Mutex
	backends []netip.AddrPort
	open     map[net.Conn]bool
	closed   bool
}

// listen replaces the service's fronts by those of its ports.
func (s *service) listen() error {
	s.close()
	if !s.address.IsValid() {
		return nil
	}
	for _, p := range s.object.Spec.Ports {
		listener, err := net.Listen("tcp", netip.AddrPortFrom(s.address, uint16(p.Port)).String())
		if err != nil {
			return err
		}
		f := &front{name: p.Name, listener: listener, open: make(map[net.Conn]bool)}
		f.tasks.Go(f.serve)
		s.fronts = append(s.fronts, f)
	}
	return nil
}

// close ends the service's fronts and their connections.
func (s *service) close() {
	for _, f := range s.fronts {
		f.close()
	}
	s.fronts = nil
}

func (f *front) setBackends(backends []netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backends = backends
}

func (f *front) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return // it was closed
		}
		f.tasks.Go(func() { f.pass(conn) })
	}
}

// pass joins a connection with one to a pod. Without a pod it is closed.
func (f *front) pass(conn net.Conn) {
	if !f.hold(conn) {
		return
	}
	defer f.drop(conn)
	f.mu.Lock()
	var backend netip.AddrPort
	if len(f.backends) > 0 {
		backend = f.backends[rand.IntN(len(f.backends))]
	}
	f.mu.Unlock()
	if !backend.IsValid() {
		return
	}
	behind, err := net.Dial("tcp", backend.String())
	if err != nil || !f.hold(behind) {
		return
	}
	defer f.drop(behind)
	var both sync.WaitGroup
	both.Go(func() { copyHalf(behind, conn) })
	both.Go(func() { copyHalf(conn, behind) })
	both.Wait()
}

// copyHalf passes on what comes, and that nothing more comes.
func copyHalf(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		from.Close()
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // fails if that side is gone too
	}
}

// hold has close end a connection, unless the front is closed already.
func (f *front) hold(conn net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		conn.Close()
		return false
	}
	f.open[conn] = true
	return true
}

func (f *front) drop(conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, conn)
	conn.Close()
}

func (f *front) close() {
	f.mu.Lock()
	f.closed = true
	f.listener.Close()
	for conn := range f.open {
		conn.Close()
	}
	f.mu.Unlock()
	f.tasks.Wait()
}
