// Package envoygateway holds tests of what tagproc has for Envoy Gateway, through the real
// Envoy Gateway, which starts and programs a real Envoy.
package envoygateway
