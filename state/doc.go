// Package state has what a running tagproc says of itself at GET /state: the types, their
// JSON, and the words for what they mean. Who serves it and who asks for it share them.
//
// It never knows how a state comes about, nor who asks.
package state
