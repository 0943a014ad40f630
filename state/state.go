package state

import "time"

// Version is the version of the form of State. Fields may be added without a new one.
const Version = 1

// A State is what one replica says of itself. It has no id of a user. Times are RFC 3339.
type State struct {
	StateVersion int       `json:"stateVersion"` // Version
	Version      string    `json:"version"`      // of tagproc
	Now          time.Time `json:"now"`          // the replica's clock
	Started      time.Time `json:"started"`
	Instance     string    `json:"instance"` // a random name that this run of the replica alone has
	// NotReady says why the replica is not ready; absent if it is.
	NotReady string `json:"notReady,omitempty"`

	File string `json:"file"` // the rules file
	// Digest is that of the live rules; absent if there are none yet.
	Digest string `json:"digest,omitempty"`
	// LiveSince is when the live rules were loaded.
	LiveSince time.Time `json:"liveSince,omitzero"`
	// Step is where the ramps of the rules are; absent without ramps.
	Step *Step `json:"step,omitempty"`
	// Rules are the first of the live rules, in the order of the file, at most MaxRules that
	// have at most MaxTags and MaxPieces together.
	Rules []Rule `json:"rules"`
	// RulesLeftOut is how many more there are.
	RulesLeftOut int `json:"rulesLeftOut,omitempty"`

	// Requests are those of the last 1, 5 and 60 minutes.
	Requests []Requests `json:"requests"`
	// Reloads are the last ones, newest first, at most MaxReloads.
	Reloads []Reload `json:"reloads"`
	// Refusal is the last load that was refused; absent if none was.
	Refusal *Refusal `json:"refusal,omitempty"`
}

// Bounds of a State.
const (
	MaxRules    = 500     // of State.Rules
	MaxTags     = 4000    // of Rule.Tags, and of Rule.Ramps, of all rules together
	MaxPieces   = 8000    // of Rule.Ruler, of all rules together
	MaxReloads  = 20      // of State.Reloads
	MaxChanges  = 20      // of Reload.Changes
	MaxProblems = 5       // of Refusal.Problems
	MaxSteps    = 20      // of Ramp.Steps
	MaxText     = 8 << 10 // bytes of each text: a longer one is cut
	MaxSize     = 4 << 20 // bytes of a State as JSON
)

// Window is the index of Rule.Observed and State.Requests by which verdicts are given: that of
// 5 minutes.
const Window = 1

// A Step is between which instants rules with ramps decide as they do now.
type Step struct {
	Since time.Time `json:"since,omitzero"` // absent before the first step
	Next  time.Time `json:"next,omitzero"`  // absent after the last one
	Last  time.Time `json:"last"`           // the instant of the last step
}

// A Rule is one of the live rules, as it decides now.
type Rule struct {
	Name      string   `json:"name"`
	Mode      string   `json:"mode"` // "enforce", "shadow" or "off"
	TagHeader string   `json:"tagHeader"`
	Match     string   `json:"match,omitempty"` // in words; absent: any request that has a key
	Keys      []string `json:"keys"`            // such as "header x-user-id"
	Hash      string   `json:"hash"`
	Salt      string   `json:"salt,omitempty"`
	Modulo    int      `json:"modulo"`
	Named     int      `json:"named,omitempty"` // users whom overrides name; they are in no share
	// Tags are the tags that the rule's policies give, and what nobody takes.
	Tags []Tag `json:"tags"`
	// Ruler is which tag takes which buckets, ascending.
	Ruler []Piece `json:"ruler"`
	// Ramps are the schedules of its policies.
	Ramps []Ramp `json:"ramps,omitempty"`
	// Replaces is the enforced rule that a shadow rule would replace: the one of its tag
	// header and match; absent if there is none.
	Replaces string `json:"replaces,omitempty"`
	// Moving is who would get another tag if a shadow rule were enforced, and the one that
	// it replaces were off; absent of other rules, and where it is not computed.
	Moving *Moving `json:"moving,omitempty"`
	// Observed are the requests of the last 1, 5 and 60 minutes that the rule decided by
	// their buckets; absent if they are not counted: see docs/operations.md.
	Observed []Observed `json:"observed,omitempty"`
}

// A Tag is one that a rule gives.
type Tag struct {
	Tag     string  `json:"tag"`     // "": no tag
	Percent float64 `json:"percent"` // of the buckets, which is the expected share
}

// A Piece is the buckets from From to below To.
type Piece struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Tag  string `json:"tag"` // "": no tag
}

// A Ramp is where the schedule of one policy is.
type Ramp struct {
	Tag         string    `json:"tag"`
	Percent     float64   `json:"percent"`               // that its range is of the buckets, now
	Since       time.Time `json:"since,omitzero"`        // absent before the first step
	Next        time.Time `json:"next,omitzero"`         // absent after the last one
	NextPercent *float64  `json:"nextPercent,omitempty"` // of Next
	// Steps are its steps, ascending: where there are more than MaxSteps, those around the
	// one in force.
	Steps []RampStep `json:"steps,omitempty"`
	// StepsBefore and StepsAfter are how many are left out on either side.
	StepsBefore int `json:"stepsBefore,omitempty"`
	StepsAfter  int `json:"stepsAfter,omitempty"`
}

// A RampStep is one step of a Ramp.
type RampStep struct {
	At      time.Time `json:"at"`
	Percent float64   `json:"percent"` // that the range is of the buckets from then on
}

// Observed are the requests that a rule decided by their buckets within some time. Lists
// are in the order of Rule.Tags. Requests of named users and those that the rule is not
// for are not among them.
type Observed struct {
	Seconds  int      `json:"seconds"`  // how long: less than asked if the rule is younger
	Requests []uint32 `json:"requests"` // of each tag
	// Low and High bound the share of each tag in percent, with 99% confidence; absent
	// without requests.
	Low  []float64 `json:"low,omitempty"`
	High []float64 `json:"high,omitempty"`
}

// Requests are all requests within some time.
type Requests struct {
	Seconds   int               `json:"seconds"`
	PerSecond float64           `json:"perSecond"`
	Decisions float64           `json:"decisionsPerSecond"` // by buckets, of all rules, since a rule or a step of its ramp last changed
	Outcomes  map[string]uint32 `json:"outcomes"`           // messages by outcome, without those that did not occur
	// Latency is how long tagproc took for its replies; absent without requests.
	Latency *Latency `json:"latency,omitempty"`
}

// Idle returns for how many seconds no request came, of the last 5 minutes; 0: there are no
// rules, some requests came, or the replica is younger than a minute.
func (s *State) Idle() int {
	if s.Digest == "" || len(s.Requests) <= Window || len(s.Requests[Window].Outcomes) > 0 || s.Requests[Window].Seconds < 60 {
		return 0
	}
	return s.Requests[Window].Seconds
}

// A Latency says in how many seconds replies were made, without gRPC: upper bounds, from
// the buckets of tagproc_decision_duration_seconds. Absent: above the last bucket.
type Latency struct {
	P50 float64 `json:"p50,omitempty"` // half of them
	P99 float64 `json:"p99,omitempty"` // 99 of 100
}

// A Reload is one state of the rules file that tagproc found.
type Reload struct {
	At     time.Time `json:"at"`
	Digest string    `json:"digest,omitempty"` // absent: it was refused
	Before string    `json:"before,omitempty"` // the digest until then
	// Changes are what differs, in words, at most MaxChanges; none: nothing that counts.
	Changes        []string `json:"changes,omitempty"`
	ChangesLeftOut int      `json:"changesLeftOut,omitempty"`
	// Moving is who got another tag by it; absent of the first rules, and of files with so
	// many rules that it is not computed.
	Moving   *Moving `json:"moving,omitempty"`
	Problems int     `json:"problems,omitempty"` // errors of a refused file
}

// Moving is how many users get another tag.
type Moving struct {
	Percent float64 `json:"percent"`
	AtMost  bool    `json:"atMost,omitempty"` // Percent is an upper bound
	Named   int     `json:"named,omitempty"`  // users named by overrides, who are not in Percent
}

// A Refusal is a state of the rules file that cannot be used.
type Refusal struct {
	At time.Time `json:"at"`
	// Present says that the file is still refused.
	Present bool `json:"present"`
	// Problems are the first errors, at most MaxProblems.
	Problems        []Problem `json:"problems"`
	ProblemsLeftOut int       `json:"problemsLeftOut,omitempty"`
}
