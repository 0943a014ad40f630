// Package envoyfilter has the parts of tagproc's EnvoyFilters: the object with its
// patches, the configuration of Envoy inside them, the address of tagproc, and the checks
// of options.
//
// It knows how Istio and Envoy spell things, and the names of headers in rules. It never
// knows what rules decide, or what a filter is for: istio/gateway and istio/propagation
// do.
package envoyfilter
