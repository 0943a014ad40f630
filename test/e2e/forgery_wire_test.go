package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tagproc/tagproc/internal/echo"
)

// A client sends a form to an address, byte for byte, and returns what the application
// was sent, nil if the request did not reach it, and the status, 0 if the connection or
// the stream was ended instead.
type client func(address string, f *form) (report *echo.Report, status int, err error)

// http1 speaks HTTP/1.1.
func http1(address string, f *form) (report *echo.Report, status int, err error) {
	conn, err := dial(address)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: echo\r\n", f.verb(), f.target())
	for _, field := range f.fields {
		fmt.Fprintf(&b, "%s: %s\r\n", field[0], field[1])
	}
	for _, line := range f.lines {
		fmt.Fprintf(&b, "%s\r\n", line)
	}
	if f.trailer[0] == "" {
		b.WriteString("\r\n")
	} else {
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\nTrailer: %s\r\n\r\n1\r\nx\r\n0\r\n%s: %s\r\n\r\n", f.trailer[0], f.trailer[0], f.trailer[1])
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		return nil, 0, nil // refused before all of it was read
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: f.verb()})
	if err != nil {
		return nil, 0, refusal(err)
	}
	defer response.Body.Close()
	report, err = readReport(response.StatusCode, f, response.Body)
	return report, response.StatusCode, err
}

// http2Client speaks HTTP/2, without a look at what it sends.
func http2Client(address string, f *form) (report *echo.Report, status int, err error) {
	conn, err := dial(address)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	framer := http2.NewFramer(conn, conn)
	framer.AllowIllegalWrites = true
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, 0, err
	}
	if err := framer.WriteSettings(); err != nil {
		return nil, 0, err
	}
	pseudo := [][2]string{{":method", f.verb()}, {":scheme", "http"}, {":authority", "echo"}, {":path", f.target()}}
	err = writeBlock(framer, append(pseudo, f.fields...), f.trailer[0] == "")
	if err == nil && f.trailer[0] != "" {
		err = errors.Join(framer.WriteData(1, false, []byte("x")), writeBlock(framer, [][2]string{f.trailer}, true))
	}
	if err != nil {
		return nil, 0, nil // refused before all of it was read
	}
	var body bytes.Buffer
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return nil, 0, refusal(err)
		}
		ended := false
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if status, err = strconv.Atoi(frame.PseudoValue("status")); err != nil {
				return nil, 0, err
			}
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			body.Write(frame.Data())
			if n := uint32(len(frame.Data())); n > 0 {
				if err := errors.Join(framer.WriteWindowUpdate(0, n), framer.WriteWindowUpdate(1, n)); err != nil {
					return nil, 0, err
				}
			}
			ended = frame.StreamEnded()
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return nil, 0, nil
		}
		if ended {
			report, err := readReport(status, f, &body)
			return report, status, err
		}
	}
}

// writeBlock writes headers, in as many frames as they need.
func writeBlock(framer *http2.Framer, fields [][2]string, end bool) error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	const frame = 16 << 10
	first := block.Next(frame)
	err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: end, EndHeaders: block.Len() == 0})
	for err == nil && block.Len() > 0 {
		part := block.Next(frame)
		err = framer.WriteContinuation(1, block.Len() == 0, part)
	}
	return err
}

func dial(address string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", address, limit)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(limit))
}

// verb is the method of the request.
func (f *form) verb() string {
	if f.method == "" {
		return http.MethodGet
	}
	return f.method
}

// target is the path of the request.
func (f *form) target() string {
	if f.path == "" {
		return "/"
	}
	return f.path
}

// refusal returns nil for what a connection that was closed reads as.
func refusal(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "broken pipe") {
		return nil
	}
	return err
}

// readReport reads what the application says, where it is asked for a body.
func readReport(status int, f *form, body io.Reader) (*echo.Report, error) {
	if status != http.StatusOK || f.verb() == http.MethodHead {
		return nil, nil
	}
	report := &echo.Report{}
	if err := json.NewDecoder(body).Decode(report); err != nil {
		return nil, fmt.Errorf("couldn't read the application's answer: %w", err)
	}
	return report, nil
}
