package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/tagproc/tagproc/internal/walkthrough"
)

// Hop is one service that a request reached.
type Hop struct {
	App     string `json:"app"`     // its name, e.g. mockc
	Version string `json:"version"` // the version that ran, e.g. v2
	IP      string `json:"ip"`      // the address that it was reached at
	// Tags are the tag headers as this hop saw them: all values, by the name in
	// lower case. A tag that was not sent has no entry.
	Tags map[string][]string `json:"tags"`
}

// NewHop is what a version of an application says of a request that reached it.
func NewHop(app, version string, r *http.Request) Hop {
	h := Hop{App: app, Version: version, Tags: make(map[string][]string)}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		h.IP = addr.IP.String()
	}
	for name, values := range r.Header {
		if name := strings.ToLower(name); walkthrough.IsTag(name) {
			h.Tags[name] = values
		}
	}
	return h
}

// Trace is the hops of one request, in order.
type Trace []Hop

// String is the answer in the documents' form:
// -> mocka(version: v1, ip: 10.0.0.15)-> mockb(version: v1, ip: 10.0.0.130).
func (t Trace) String() string {
	var b strings.Builder
	for _, h := range t {
		fmt.Fprintf(&b, "-> %s(version: %s, ip: %s)", h.App, h.Version, h.IP)
	}
	return b.String()
}

// Versions is the version that answered, by application.
func (t Trace) Versions() map[string]string {
	versions := make(map[string]string, len(t))
	for _, h := range t {
		versions[h.App] = h.Version
	}
	return versions
}

// StatusError is an answer other than 200.
type StatusError struct {
	Code int    // the HTTP status
	Body string // the answer's first KiB
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("answered %d %s: %s", e.Code, http.StatusText(e.Code), strings.TrimSpace(e.Body))
}

// Do sends a request to the first service of a chain, through Envoy or straight,
// and returns the hops that it reached. An answer other than 200 is a
// *StatusError. The Accept header of the request is set.
func Do(client *http.Client, request *http.Request) (Trace, error) {
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return nil, errors.Join(&StatusError{Code: response.StatusCode, Body: string(body)}, err)
	}
	var trace Trace
	if err := json.NewDecoder(response.Body).Decode(&trace); err != nil {
		return nil, fmt.Errorf("couldn't read the hops of the answer: %w", err)
	}
	// Reading to the end lets the connection serve the next request.
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, err
	}
	return trace, nil
}
