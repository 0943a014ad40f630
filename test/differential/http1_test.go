package differential

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/tagproc/tagproc/internal/echo"
)

// An http1Conn speaks HTTP/1.1, and writes what it is given without looking at it.
type http1Conn struct {
	net.Conn
	reader *bufio.Reader
}

func newHTTP1(socket net.Conn) *http1Conn {
	return &http1Conn{Conn: socket, reader: bufio.NewReader(socket)}
}

func (c *http1Conn) exchange(r *request, key string) (outcomes []outcome, reusable bool) {
	if err := c.SetDeadline(deadline()); err != nil {
		return []outcome{{Failure: err.Error()}}, false
	}
	goAhead := make(chan bool, 1) // whether to send the body
	if !r.Expect {
		goAhead <- true
	}
	written := make(chan bool, 1) // whether all of it was
	go func() { written <- c.write(r, key, goAhead) == nil }()

	copies := 1
	if !r.Expect {
		copies = max(1, r.Copies)
	}
	for range copies {
		o := c.read(r, goAhead)
		outcomes = append(outcomes, o)
		if o.Failure != "" || o.Closes {
			break
		}
	}
	select {
	case goAhead <- false: // for a body that nobody waits for
	default:
	}
	last := outcomes[len(outcomes)-1]
	if len(outcomes) == copies && last.passed() {
		// The upstream answers when it has the whole request: it was sent.
		return outcomes, <-written && !last.Closes
	}
	c.Close() // ends a request that is still being sent
	<-written
	return outcomes, false
}

// write sends the request, and its body when it may.
func (c *http1Conn) write(r *request, key string, goAhead <-chan bool) error {
	w := bufio.NewWriterSize(c.Conn, 64<<10)
	proceed := false
	for range max(1, r.Copies) {
		fmt.Fprintf(w, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Path, r.Authority)
		for _, f := range r.fields(key) {
			fmt.Fprintf(w, "%s: %s\r\n", f.Name, f.value())
		}
		fmt.Fprint(w, "\r\n")
		if !proceed {
			if r.Expect {
				if err := w.Flush(); err != nil {
					return err
				}
			}
			if proceed = <-goAhead; !proceed {
				return nil
			}
		}
		if err := writeBody(w, r); err != nil {
			return err
		}
		if r.Expect {
			break
		}
	}
	return w.Flush()
}

func writeBody(w *bufio.Writer, r *request) error {
	body := echo.Body(r.Body)
	if !r.chunked() {
		_, err := io.Copy(w, body)
		return err
	}
	for left := r.Body; left > 0; {
		n := min(left, int64(r.Chunk))
		fmt.Fprintf(w, "%x\r\n", n)
		if _, err := io.CopyN(w, body, n); err != nil {
			return err
		}
		fmt.Fprint(w, "\r\n")
		left -= n
	}
	fmt.Fprint(w, "0\r\n")
	for _, f := range r.Trailers {
		fmt.Fprintf(w, "%s: %s\r\n", f.Name, f.value())
	}
	_, err := fmt.Fprint(w, "\r\n")
	return err
}

// read reads one answer, and what announces it.
func (c *http1Conn) read(r *request, goAhead chan<- bool) (o outcome) {
	var response *http.Response
	for {
		var err error
		if response, err = http.ReadResponse(c.reader, &http.Request{Method: string(r.Method)}); err != nil {
			return outcome{Failure: "no answer: " + broke(err)}
		}
		if response.StatusCode != http.StatusContinue {
			break
		}
		o.Continued = true
		select {
		case goAhead <- true:
		default:
		}
	}
	defer response.Body.Close()
	o.Status, o.Headers, o.Closes = response.StatusCode, lower(response.Header), response.Close
	if len(response.TransferEncoding) > 0 {
		o.Headers["transfer-encoding"] = response.TransferEncoding
	}
	d := newDigest()
	if _, err := io.Copy(d, response.Body); err != nil {
		o.Failure = fmt.Sprintf("%d, and its body: %s", o.Status, broke(err))
	}
	d.put(&o)
	o.Trailers = lower(response.Trailer)
	return o
}
