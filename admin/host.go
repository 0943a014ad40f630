package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/internal/words"
)

// checkHost answers 421 to requests whose Host is not known to be tagproc's. With DNS
// rebinding an attacker points the name of a page at tagproc's address; the browser of
// somebody inside then asks tagproc by that name, and the page reads the answer. An
// address, localhost, or a name that resolves only inside cannot be the name of such a
// page.
func checkHost(known []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isOurs(r.Host, known) {
			writeText(w, http.StatusMisdirectedRequest, fmt.Sprintf(
				"%q is not a name of tagproc: use its address, or start tagproc with --admin-host and that name\n", words.Cut(r.Host, 100)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOurs reports whether the Host of a request is an address, localhost, a name that only
// a cluster or a local network resolves, a name in hosts, or empty.
func isOurs(host string, known []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || // localhost, a service in its own namespace, and HTTP/1.0 without a Host
		strings.HasSuffix(host, ".localhost") ||
		strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local") ||
		slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, host) })
}

// boundTarget answers 414 to requests with a long path, which redirects and errors
// would repeat.
func boundTarget(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxTarget {
			writeText(w, http.StatusRequestURITooLong, fmt.Sprintf("the path has %d bytes: expected at most %d\n", len(r.RequestURI), maxTarget))
			return
		}
		next.ServeHTTP(w, r)
	})
}
