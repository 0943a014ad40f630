// Package kube watches the rules in one ConfigMap of Kubernetes, and edits them: as
// [rulefile] does for a file. It needs the API server alone, and of that get, list, watch
// and, for edits, patch on the one name.
//
// It knows how the API is asked, and not what rules mean nor who uses them.
//
// [rulefile]: https://pkg.go.dev/github.com/tagproc/tagproc/rules/rulefile
package kube
