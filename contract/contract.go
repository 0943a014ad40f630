// Package contract holds what two sides agree on: tagproc and the manifests that make
// Envoy ask it, a gateway and the hops behind it, serve and lint. If one side changes,
// the other changes with it.
//
// It has names and numbers, never what is done with them, and it imports nothing from
// this module.
package contract

import (
	"strconv"
	"time"
)

// Baggage is the name, in lower case, of the W3C header that tags travel in.
const Baggage = "baggage"

// CorrelationContext is the name, in lower case, that the header had in early drafts.
// .NET reads it if there is no baggage, and forwards it as baggage.
const CorrelationContext = "correlation-context"

// MetadataNamespace is the namespace of the dynamic metadata that tagproc sends for
// access logs. An Envoy without it in metadata_options.receiving_namespaces drops the
// metadata in silence.
const MetadataNamespace = "tagproc"

// VisitorNamespace is the namespace of the dynamic metadata that Envoy writes into the
// response when a visitor gets an id. It differs from MetadataNamespace because logs
// must not have ids of people.
const VisitorNamespace = "tagproc.visitor"

// CacheControlKey is the key in VisitorNamespace of the value that is appended to the
// header cache-control of such a response, which caches must not give to others.
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
	// ConnectionManager is the network filter that contains the HTTP filters.
	ConnectionManager = "envoy.filters.network.http_connection_manager"
	// Router is the last of the HTTP filters.
	Router = "envoy.filters.http.router"
	// GatewayFilter is the HTTP filter that asks tagproc at a gateway, and its cluster if
	// tagproc is at a Unix socket.
	GatewayFilter = "tagproc"
	// VisitorFilter is the HTTP filter that gives visitors their cookies.
	VisitorFilter = "tagproc.visitors"
	// HopFilter, followed by the name of a Direction, is the HTTP filter that asks
	// tagproc at a sidecar, or does the same in Lua.
	HopFilter = "tagproc."
)

// Where serve listens by default.
const (
	DefaultListen = "127.0.0.1:9002"
	DefaultAdmin  = "127.0.0.1:9090"
	DefaultPort   = "9002" // of DefaultListen
)

// DrainTime is how long streams have to end after SIGTERM and --drain-delay.
const DrainTime = 5 * time.Second

// Envoy's default limits, which serve assumes by default: max_headers_count, and
// max_request_headers_kb in KiB.
const (
	DefaultMaxHeaders  = 100
	DefaultMaxHeaderKB = 60
)

// The limits that render sets at a gateway, so that tags fit beside what clients send.
const (
	GatewayMaxHeaders  = 200
	GatewayMaxHeaderKB = 128
)
