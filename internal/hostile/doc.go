// Package hostile is peers of tagproc that mean harm, for tests: HTTP/2 without
// manners, floods, and messages that cost more than they should.
package hostile
