// Package envoyfilter is the parts that EnvoyFilters of tagproc are made of: the
// object with its patches, configuration of Envoy inside of them, the address at
// which tagproc is reached, and what options must look like to be used.
//
// It knows how Istio and Envoy spell things, and of rules the names of headers. It
// never knows what rules decide, or what a filter
// is for: istio/gateway and istio/propagation do.
package envoyfilter
