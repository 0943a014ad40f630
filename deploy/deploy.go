// Package deploy is configurations that operators read and copy. The Go files beside them
// test that they are what tagproc prints, and that nothing in them is wrong.
package deploy

import _ "embed"

// EnvoyVisitors is envoy/visitors.yaml: a standalone Envoy for users who have no id.
//
//go:embed envoy/visitors.yaml
var EnvoyVisitors string

// VisitorsRules is envoy/visitors-rules.yaml, the rules for EnvoyVisitors.
//
//go:embed envoy/visitors-rules.yaml
var VisitorsRules []byte
