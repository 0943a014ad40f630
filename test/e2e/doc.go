// Package e2e tests tagproc as it is deployed: the built binary behind a real
// Envoy with the configuration that internal/mesh has, or that tagproc prints. Only ports
// and paths are changed.
package e2e
