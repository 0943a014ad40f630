// Package program is tagproc as a test sees it from outside: it builds the binary,
// runs a package's tests with it, and asks a running one by its admin API.
//
// It knows what the admin API says. It does not know how a test runs the binary, or
// what for.
package program
