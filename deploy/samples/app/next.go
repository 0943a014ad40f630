package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tagproc/tagproc/internal/chain"
)

// host returns the host and port of next, the URL of the next hop: what is called
// and what is sent as the call's host, which the mesh routes by. It is empty if next
// is.
func host(next string) (string, error) {
	if next == "" {
		return "", nil
	}
	u, err := url.Parse(next)
	if err != nil {
		return "", fmt.Errorf("next is not a URL: %w", err)
	}
	// The mesh routes plain HTTP and encrypts it; the root is all that is served.
	if u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("next is %q, want a URL like http://mockb:8000", next)
	}
	return u.Host, nil
}

// forwarded returns the headers of a list, which are sent to the next hop.
func forwarded(list string) chain.Headers {
	if list == "" {
		return chain.Forwarded
	}
	var headers chain.Headers
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			headers = append(headers, name)
		}
	}
	return headers
}
