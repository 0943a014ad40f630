// Package accesslog knows the JSON access log of an Envoy that asks tagproc: how its lines
// are made, and whether their requests got the tags that a rules table gives.
//
// A line needs no id of a user: it has the bucket that was decided by. Where it has what
// the rules look at, that is decided again. The package never knows where a log comes from.
package accesslog
