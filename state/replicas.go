package state

import "time"

// Replicas says whether all replicas of a tagproc decide alike, as one of them sees it. It is
// what /replicas answers.
type Replicas struct {
	Agree    bool   `json:"agree"`
	Summary  string `json:"summary"`          // in words: who agrees, and on what
	Digest   string `json:"digest,omitempty"` // that of most replicas
	Replicas []Peer `json:"replicas"`
}

// A Peer is one replica.
type Peer struct {
	Address string `json:"address"`
	// Page is the URL of its page; absent where it has none for browsers.
	Page string `json:"page,omitempty"`
	// Answers is false for a replica that gives no answer: Differs says why.
	Answers   bool      `json:"answers"`
	Version   string    `json:"version,omitempty"`
	Instance  string    `json:"instance,omitempty"` // that of its State
	Digest    string    `json:"digest,omitempty"`   // "": it has no good rules
	LiveSince time.Time `json:"liveSince,omitzero"`
	Clock     string    `json:"clock,omitempty"` // in words, beside the asker's
	Differs   []string  `json:"differs"`         // what keeps it from agreeing; none: it agrees
	// Rules says what its rules differ in from those of most replicas; absent where they do not,
	// and where it is not known.
	Rules []string `json:"rules,omitempty"`
}
