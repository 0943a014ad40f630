// Package machine says what machine this is, and what a process on it uses.
//
// It reads what the kernel tells and judges nothing. It knows processes on Linux only.
package machine
