// Package container runs programs in the surroundings of a container: a network
// namespace, and files of their own.
//
// It knows neither images nor pods, and brings no other library: the program that
// uses it is run once for each container.
package container
