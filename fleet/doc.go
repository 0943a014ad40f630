// Package fleet asks the admin ports of all replicas of tagproc for their state, and
// judges whether they decide alike.
//
// It never knows how a replica comes to its state, and changes nothing.
package fleet
