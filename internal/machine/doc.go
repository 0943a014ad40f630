// Package machine says what machine this is, and what a process on it uses.
//
// It reads what the kernel tells and judges nothing. On other systems than Linux
// it knows no process.
package machine
