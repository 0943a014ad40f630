// Package traffic knows what the requests of the last minutes were: how many there were,
// and how each rule spread them over its tags. It samples the counters of a processor and
// takes differences, in memory that does not grow with requests.
//
// It never knows who asks, and decides nothing.
package traffic
