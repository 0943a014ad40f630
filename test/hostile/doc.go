// Package hostile runs every attack of internal/hostile on a tagproc that an Envoy
// asks for ordinary requests. It checks that each is tagged, soon, and that memory
// stays bounded.
package hostile
