// Package deploy holds the configurations that operators read and copy, so that
// the demo and the tests run those and no others. It knows nothing of what they
// mean.
package deploy

import _ "embed"

// Envoy is envoy/envoy.yaml: a standalone Envoy that reaches tagproc by TCP.
//
//go:embed envoy/envoy.yaml
var Envoy string

// EnvoyUnix is envoy/envoy-unix.yaml: as Envoy, except that the address of the
// cluster tagproc is a Unix socket.
//
//go:embed envoy/envoy-unix.yaml
var EnvoyUnix string

// EnvoyVisitors is envoy/visitors.yaml: a standalone Envoy for users who have no id.
//
//go:embed envoy/visitors.yaml
var EnvoyVisitors string

// VisitorsRules is envoy/visitors-rules.yaml, the rules for EnvoyVisitors.
//
//go:embed envoy/visitors-rules.yaml
var VisitorsRules []byte
