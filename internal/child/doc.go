// Package child runs processes that end with the one that started them, also where
// that one is killed. Only on Linux the kernel sees to it.
//
// It knows nothing of what they run, nor when they are ready or to be stopped.
package child
