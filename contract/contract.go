// Package contract holds what two sides have to agree on: tagproc and the manifests
// that make Envoy ask it, a gateway and the hops behind it, serve and what judges
// its configuration. Where one side changes, the other changes with it.
//
// It holds names and numbers and never what is done with them, and it imports
// nothing of this module.
package contract

import (
	"strconv"
	"time"
)

// Baggage is the name, in lower case, of the W3C header that tags travel in.
const Baggage = "baggage"

// CorrelationContext is the name, in lower case, of what that header was called in
// early drafts. .NET reads it where there is no baggage, and writes it on as baggage.
const CorrelationContext = "correlation-context"

// MetadataNamespace is the namespace of the dynamic metadata that tagproc sends for
// access logs: what an Envoy lists in metadata_options.receiving_namespaces. One
// that does not drops the metadata in silence.
const MetadataNamespace = "tagproc"

// VisitorNamespace is the namespace of the dynamic metadata that Envoy writes into
// the response where a visitor is given an id. It is one of its own since ids of
// people are not for logs.
const VisitorNamespace = "tagproc.visitor"

// CacheControlKey is the key in VisitorNamespace of what is appended to the header
// cache-control of such a response: it is for nobody else.
const CacheControlKey = "cache-control"

// SetCookieKey returns the key in VisitorNamespace of the header set-cookie of the
// visitor's cookie of index i: "set-cookie", "set-cookie-2" and so on.
func SetCookieKey(i int) string {
	if i == 0 {
		return "set-cookie"
	}
	return "set-cookie-" + strconv.Itoa(i+1)
}

// Names of Envoy.
const (
	// ConnectionManager is the network filter that has the HTTP filters in it.
	ConnectionManager = "envoy.filters.network.http_connection_manager"
	// Router is the last of the HTTP filters.
	Router = "envoy.filters.http.router"
	// GatewayFilter is the HTTP filter that asks tagproc at a gateway, and its cluster
	// where tagproc is at a Unix socket.
	GatewayFilter = "tagproc"
	// VisitorFilter is the HTTP filter that gives visitors their cookies.
	VisitorFilter = "tagproc.visitors"
	// HopFilter is, with the name of a Direction behind it, the HTTP filter that asks
	// tagproc at a sidecar, or does the same in Lua.
	HopFilter = "tagproc."
)

// Where serve is if it is not told.
const (
	DefaultListen = "127.0.0.1:9002"
	DefaultAdmin  = "127.0.0.1:9090"
	DefaultPort   = "9002" // of DefaultListen
)

// DrainTime is how long streams have to end after SIGTERM and --drain-delay.
const DrainTime = 5 * time.Second

// The limits that Envoy has if it is not told, and with which serve reckons if it is
// not told: max_headers_count, and max_request_headers_kb in KiB.
const (
	DefaultMaxHeaders  = 100
	DefaultMaxHeaderKB = 60
)

// The limits that a gateway is given, so that tags fit beside what clients send.
const (
	GatewayMaxHeaders  = 200
	GatewayMaxHeaderKB = 128
)
