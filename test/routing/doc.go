// Package routing holds envoyconf to a real Envoy: configurations and requests that are
// generated go through both, and both have to take the same route.
package routing
