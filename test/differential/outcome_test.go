package differential

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tagproc/tagproc/internal/echo"
)

// An outcome is what a client saw of one request.
type outcome struct {
	Status     int
	Headers    map[string][]string // by name in lower case
	Trailers   map[string][]string
	BodyBytes  int64
	BodySHA256 string
	Continued  bool   // 100 Continue came before
	Closes     bool   // HTTP/1.1: the answer ends the connection
	Failure    string // why there was no whole answer
}

// passed reports whether the answer is the upstream's and not Envoy's own.
func (o outcome) passed() bool {
	return o.Failure == "" && len(o.Headers[strings.ToLower(echo.SHA256Header)]) == 1
}

// lower returns headers by name in lower case.
func lower(h http.Header) map[string][]string {
	out := make(map[string][]string, len(h))
	for name, values := range h {
		name = strings.ToLower(name)
		out[name] = append(out[name], values...)
	}
	return out
}

// A digest is of a body that is read in pieces.
type digest struct {
	hash  hash.Hash
	bytes int64
}

func newDigest() *digest { return &digest{hash: sha256.New()} }

func (d *digest) Write(b []byte) (int, error) {
	d.bytes += int64(len(b))
	return d.hash.Write(b)
}

func (d *digest) put(o *outcome) {
	o.BodyBytes, o.BodySHA256 = d.bytes, hex.EncodeToString(d.hash.Sum(nil))
}

// A conn is a connection of one protocol that is used by one request after the other.
type conn interface {
	// exchange sends the request, as often as Copies says, and returns as many outcomes.
	// The connection is usable afterwards if reusable is true.
	exchange(r *request, key string) (outcomes []outcome, reusable bool)
	io.Closer
}

// A client sends requests to one listener, on connections that it keeps.
type client struct {
	addr  string
	conns map[string]conn // by protocol
}

func newClient(addr string) *client { return &client{addr: addr, conns: make(map[string]conn)} }

// send sends a request, on a connection that an earlier one left if there is any.
func (c *client) send(r *request, key string) ([]outcome, error) {
	connection, kept := c.conns[r.Protocol]
	if !kept {
		var err error
		if connection, err = dial(c.addr, r.Protocol); err != nil {
			return nil, err
		}
		c.conns[r.Protocol] = connection
	}
	outcomes, reusable := connection.exchange(r, key)
	if !reusable {
		delete(c.conns, r.Protocol)
		connection.Close()
	}
	return outcomes, nil
}

func (c *client) close() {
	for _, connection := range c.conns {
		connection.Close()
	}
	clear(c.conns)
}

func dial(addr, protocol string) (conn, error) {
	socket, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		return nil, err
	}
	if protocol == http2 {
		return newHTTP2(socket)
	}
	return newHTTP1(socket), nil
}

// broke says how an exchange broke, so that equal breaks are equal: errors of sockets
// name ports.
func broke(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case isTimeout(err):
		return "no answer within " + limit.String()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func deadline() time.Time { return time.Now().Add(limit) }
