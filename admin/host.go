package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// checkHost answers 421 to requests whose Host is a name that is not known to be
// tagproc's. A page of an attacker whose name is made to lead to tagproc's address
// (DNS rebinding) has the browser of somebody inside ask tagproc by that name, and
// reads the answer. Who asks by address, by localhost, or by a name that only
// resolves inside is no such page.
func checkHost(known []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isOurs(r.Host, known) {
			writeText(w, http.StatusMisdirectedRequest, fmt.Sprintf(
				"%q is not a name of tagproc: use its address, or start tagproc with --admin-host and that name\n", cut(r.Host)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOurs reports whether the Host of a request is an address, localhost, a name that
// only a cluster or a local network resolves, one that is known, or nothing.
func isOurs(host string, known []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || // localhost, a service in its own namespace, and HTTP/1.0, which says none
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

// cut returns the beginning of what a peer sent, for an error.
func cut(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
