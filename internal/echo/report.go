package echo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/internal/walkthrough"
)

// A Report is what reached the server with one request. Its JSON is canonical: equal
// reports are equal bytes.
type Report struct {
	Protocol  string `json:"protocol"` // HTTP/1.1 or HTTP/2.0
	Method    Bytes  `json:"method"`
	Path      Bytes  `json:"path"` // with its query
	Authority Bytes  `json:"authority"`

	// By name in lower case, the values in order of arrival. Host is Authority, and
	// Transfer-Encoding is Chunked.
	Headers  map[Bytes][]Bytes `json:"headers"`
	Trailers map[Bytes][]Bytes `json:"trailers"` // in HTTP/2 those that a header trailer announced

	Chunked    bool   `json:"chunked"`
	BodyBytes  int64  `json:"bodyBytes"`
	BodySHA256 string `json:"bodySHA256"` // in hex
}

// read reads the whole request. It is an error if the client sent no whole request.
func read(r *http.Request) (Report, error) {
	digest := sha256.New()
	n, err := io.Copy(digest, r.Body)
	if err != nil {
		return Report{}, fmt.Errorf("couldn't read the body after %d bytes: %w", n, err)
	}
	return Report{
		Protocol:   r.Proto,
		Method:     Bytes(r.Method),
		Path:       Bytes(r.RequestURI),
		Authority:  Bytes(r.Host),
		Headers:    entries(r.Header),
		Trailers:   entries(r.Trailer), // known after the body
		Chunked:    slices.Contains(r.TransferEncoding, "chunked"),
		BodyBytes:  n,
		BodySHA256: hex.EncodeToString(digest.Sum(nil)),
	}, nil
}

func entries(h http.Header) map[Bytes][]Bytes {
	out := make(map[Bytes][]Bytes, len(h))
	for name, values := range h {
		for _, v := range values {
			name := Bytes(strings.ToLower(name))
			out[name] = append(out[name], Bytes(v))
		}
	}
	return out
}

// tags returns the tag headers in the form of TagsHeader.
func (r Report) tags() string {
	var tags []string
	for name, values := range r.Headers {
		if walkthrough.IsTag(string(name)) {
			for _, v := range values {
				tags = append(tags, string(name)+"="+string(v))
			}
		}
	}
	slices.SortStableFunc(tags, func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	})
	return strings.Join(tags, ", ")
}

// Bytes are what a client sent, which need not be UTF-8. In JSON each byte is the
// character of the same number: 0xff is ÿ.
type Bytes string

// MarshalText returns the bytes as characters, in UTF-8.
func (b Bytes) MarshalText() ([]byte, error) {
	text := make([]byte, 0, len(b))
	for i := range len(b) {
		text = append(text, string(rune(b[i]))...)
	}
	return text, nil
}

// UnmarshalText reads what MarshalText returned. It is an error if a character stands
// for no byte.
func (b *Bytes) UnmarshalText(text []byte) error {
	raw := make([]byte, 0, len(text))
	for _, c := range string(text) {
		if c > 0xff {
			return fmt.Errorf("%q stands for no byte: want characters up to ÿ", c)
		}
		raw = append(raw, byte(c))
	}
	*b = Bytes(raw)
	return nil
}

// json returns the canonical form, one line.
func (r Report) json() []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	// It cannot fail: a Report has only text and numbers.
	_ = e.Encode(r)
	return out.Bytes()
}
