// Package child runs processes that end with the one that started them, also where
// that one is killed: the kernel does that, on Linux only.
//
// It knows nothing of what they run, nor when they are ready or to be stopped.
package child
