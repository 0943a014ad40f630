package fleet

import (
	"context"
	"net"
	"sync"
)

// A silentConn reads nothing before something is written. The port for Envoy speaks first, and
// what net/http reads before its request it takes for a fault of its own, and logs it.
type silentConn struct {
	net.Conn

	spoken chan struct{}
	once   sync.Once
}

func dialSilent(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &silentConn{Conn: conn, spoken: make(chan struct{})}, nil
}

func (c *silentConn) speak() { c.once.Do(func() { close(c.spoken) }) }

func (c *silentConn) Read(b []byte) (int, error) {
	<-c.spoken
	return c.Conn.Read(b)
}

func (c *silentConn) Write(b []byte) (int, error) {
	c.speak()
	return c.Conn.Write(b)
}

func (c *silentConn) Close() error {
	c.speak()
	return c.Conn.Close()
}
