package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	answerLimit = 10 * time.Second // until the API server begins to answer
	mostAnswer  = 16 << 20         // bytes: a ConfigMap has 1 MiB, which JSON escapes
)

// A Client asks one API server.
type Client struct {
	server string                 // URL without a final slash
	token  func() (string, error) // nil: none
	http   *http.Client
}

func newClient(server string, token func() (string, error), secure *tls.Config) *Client {
	// A redirect would take the token elsewhere.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{server: server, token: token, http: &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, TLSHandshakeTimeout: answerLimit,
		ResponseHeaderTimeout: answerLimit, ForceAttemptHTTP2: true,
		// A connection whose other end is gone is found out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 10 * time.Second},
	}}}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// A statusError is an answer that is no success.
type statusError struct {
	code    int
	message string // of the API server
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the API server answers %d: %s", e.code, e.message)
}

// isStatus reports whether err is an answer with a code.
func isStatus(err error, code int) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.code == code
}

// do asks the API server. Whoever calls closes the body of the answer, which is a success.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, contentType string, body any) (*http.Response, error) {
	var sent io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	at := c.server + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, at, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "tagproc")
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	if c.token != nil {
		token, err := c.token()
		if err != nil {
			return nil, fmt.Errorf("the token cannot be read: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	var status struct{ Message string }
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil || json.Unmarshal(text, &status) != nil || status.Message == "" {
		status.Message = http.StatusText(response.StatusCode)
	}
	return nil, &statusError{response.StatusCode, status.Message}
}

// into reads an answer as JSON.
func into(response *http.Response, to any) error {
	defer response.Body.Close()
	return json.NewDecoder(io.LimitReader(response.Body, mostAnswer)).Decode(to)
}

// only selects the one ConfigMap: roles that name it allow that.
func (r Reference) only() url.Values { return url.Values{"fieldSelector": {"metadata.name=" + r.Name}} }

// list returns the ConfigMap, nil if there is none, and where a watch goes on.
func (c *Client) list(ctx context.Context, r Reference) (o *object, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	response, err := c.do(ctx, http.MethodGet, r.path(), r.only(), "", nil)
	if err != nil {
		return nil, "", err
	}
	var all struct {
		Metadata struct{ ResourceVersion string }
		Items    []object
	}
	if err := into(response, &all); err != nil {
		return nil, "", fmt.Errorf("the API server's answer: %w", err)
	}
	if len(all.Items) > 0 {
		o = &all.Items[0]
	}
	return o, all.Metadata.ResourceVersion, nil
}

// watch calls changed for each new state of the ConfigMap, nil when it is deleted, until
// the API server ends the watch, which is no error, or ctx does. begun is called when the
// API server has taken it.
func (c *Client) watch(ctx context.Context, r Reference, version string, limit time.Duration, begun func(), changed func(*object)) error {
	ctx, cancel := context.WithTimeout(ctx, limit+answerLimit)
	defer cancel()
	query := r.only()
	query.Set("watch", "1")
	query.Set("resourceVersion", version)
	query.Set("timeoutSeconds", fmt.Sprint(int(limit.Seconds())))
	response, err := c.do(ctx, http.MethodGet, r.path(), query, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	begun()
	body := &io.LimitedReader{R: response.Body}
	for decoder := json.NewDecoder(body); ; {
		body.N = mostAnswer // of each event
		var event struct {
			Type   string
			Object json.RawMessage
		}
		switch err := decoder.Decode(&event); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the watch broke: %w", err)
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			var o object
			if err := json.Unmarshal(event.Object, &o); err != nil {
				return fmt.Errorf("the watch: %w", err)
			}
			changed(&o)
		case "DELETED":
			changed(nil)
		case "ERROR":
			var status struct {
				Code    int
				Message string
			}
			if err := json.Unmarshal(event.Object, &status); err != nil {
				return fmt.Errorf("the watch: %w", err)
			}
			return &statusError{status.Code, status.Message}
		}
	}
}
