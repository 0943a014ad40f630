// Package lint reads rules and the manifests of Istio and Kubernetes together and
// says what would not work: tags that no route matches, subsets without pods, an
// EnvoyFilter that Envoy or Istio ignores without a word.
//
// [Files] is given the content of files and returns a [Report]. Each [Finding] has
// its place, why it is one, and the fix. What the files do not include is not
// found wrong: a check runs only where every kind that it needs is among the
// files, and the report says which did not.
//
// What a check looks at is in files named after it: tags, routes, hosts, gateways,
// the EnvoyFilter, pods. The table in checks.go has them all.
//
// This package never knows files, networks, or a cluster, and what it does not
// find may still be wrong there.
package lint
