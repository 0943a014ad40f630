package main

import "fmt"

// A variant is one way to decide which lane a request goes to. Each has a
// listener of its own in the same Envoy.
type variant struct {
	id     string // names the listener: "tagproc-unix"
	title  string // as it stands in tables
	filter filter
	server string // the ext_proc server: "textbook", "tagproc" or "tagproc-one", or "" for none
	via    string // how Envoy reaches the server: "unix" or "tcp"
}

// A filter is what decides, in Envoy's terms.
type filter string

const (
	noFilter filter = "none"     // every request goes to the baseline
	weighted filter = "weighted" // weighted_clusters with use_hash_policy and a header hash policy
	ruleLua  filter = "rule lua" // what tagproc renders of the rules for Envoy alone
	lua      filter = "lua"      // tag.lua
	extProc  filter = "ext_proc" // the filter of internal/mesh/envoy.yaml
)

// The variants, in the order in which tables show them and rounds measure them:
// those that are compared stand side by side.
var variants = []variant{
	{id: "none", title: "no filter", filter: noFilter},
	{id: "rule-lua", title: "tagproc's rules as Lua", filter: ruleLua},
	{id: "lua", title: "Lua by hand", filter: lua},
	{id: "weighted", title: "weighted_clusters, use_hash_policy", filter: weighted},
	{id: "textbook-unix", title: "textbook ext_proc, Unix socket", filter: extProc, server: "textbook", via: "unix"},
	{id: "tagproc-unix", title: "tagproc, Unix socket", filter: extProc, server: "tagproc", via: "unix"},
	{id: "tagproc-one-unix", title: "tagproc, GOMAXPROCS=1, Unix socket", filter: extProc, server: "tagproc-one", via: "unix"},
	{id: "textbook-tcp", title: "textbook ext_proc, TCP", filter: extProc, server: "textbook", via: "tcp"},
	{id: "tagproc-tcp", title: "tagproc, TCP", filter: extProc, server: "tagproc", via: "tcp"},
}

// variantOf returns the variant with this id, which must be one.
func variantOf(id string) variant {
	for _, v := range variants {
		if v.id == id {
			return v
		}
	}
	panic("no variant " + id)
}

// check says whether an answer of the upstream is right for the user: each has to
// reach the lane that the variant chooses, with its tag.
func (v variant) check(u user, answer string) error {
	switch v.filter {
	case noFilter:
		return want(answer, answerOf("baseline", "", u.id))
	case weighted:
		// Envoy's hash is another, so the lane of one user cannot be predicted.
		if answer == answerOf("canary", "", u.id) {
			return nil
		}
		return want(answer, answerOf("baseline", "", u.id))
	}
	return want(answer, u.answer)
}

// answerOf is what the upstream of this lane says of a request.
func answerOf(lane, tag, id string) string { return lane + " tag=" + tag + " user=" + id }

func want(got, want string) error {
	if got != want {
		return fmt.Errorf("the upstream was sent %q, want %q", got, want)
	}
	return nil
}
