package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"fortio.org/fortio/periodic"
)

// requestLimit bounds one request. One that takes longer has failed.
const requestLimit = 10 * time.Second

// A connection sends the requests of one user after the other. It stands below
// net/http's client, whose goroutines would take CPU that the servers share, and
// time that would look like theirs.
type connection struct {
	load *load
	next int // index into load.users

	conn   net.Conn
	reader *bufio.Reader
}

// Run sends one request and waits for its answer. It is a periodic.Runnable.
func (c *connection) Run(ctx context.Context, _ periodic.ThreadID) (ok bool, details string) {
	u := c.load.users[c.next]
	c.next = (c.next + 1) % len(c.load.users)
	start := time.Now()
	answer, err := c.do(ctx, u.request)
	latency := time.Since(start)
	if err == nil {
		err = c.load.check(u, answer)
	}
	c.load.record(latency, err)
	return err == nil, ""
}

// do sends a request and returns what the upstream said of it. After an error the
// next request opens a new connection.
func (c *connection) do(ctx context.Context, request []byte) (string, error) {
	if c.conn == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.load.address)
		if err != nil {
			return "", err
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	answer, err := c.exchange(request)
	if err != nil {
		_ = c.close() // the error that led here says more
		return "", err
	}
	return answer, nil
}

func (c *connection) exchange(request []byte) (string, error) {
	if err := c.conn.SetDeadline(time.Now().Add(requestLimit)); err != nil {
		return "", err
	}
	if _, err := c.conn.Write(request); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the answer is %s", response.Status)
	}
	return response.Header.Get("X-Answer"), nil
}

func (c *connection) close() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn, c.reader = nil, nil
	return err
}
