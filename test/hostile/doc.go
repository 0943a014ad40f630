// Package hostile has every attack of internal/hostile on a tagproc that an Envoy
// asks for ordinary requests: each is tagged, soon, and memory stays bounded.
package hostile
