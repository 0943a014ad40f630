package observed

// A Report is what a comparison found. A user is a value of the key, or the values
// of all keys.
type Report struct {
	RulesDigest string            `json:"rulesDigest"`
	Columns     map[string]string `json:"columns"`     // of the file, by the header of the rules
	NotCompared []string          `json:"notCompared"` // tag headers of the rules that have no column

	Rows      int64 `json:"rows"`      // without the first line
	WithoutID int64 `json:"withoutId"` // rows without a key, which are not counted below
	Users     int64 `json:"users"`
	Same      int64 `json:"same"`      // users who get what was observed
	Elsewhere int64 `json:"elsewhere"` // users who get something else: Users - Same

	Repeated      int64 `json:"repeated"`      // rows that repeat an earlier row of the same user
	Contradicting int64 `json:"contradicting"` // rows that contradict an earlier row of the same user; the first one counts
	// NotRemembered are rows of users beyond MaxUsers. Each counts as a user, whether or
	// not it repeats or contradicts another.
	NotRemembered int64 `json:"notRemembered"`

	Moves          []Move          `json:"moves"`          // the most users first
	Different      []User          `json:"different"`      // the first users who would be sent elsewhere
	Contradictions []Contradiction `json:"contradictions"` // the first contradicting rows
	UnknownTags    []UnknownTag    `json:"unknownTags"`    // observed, but in no rule
	UnusedMappings []string        `json:"unusedMappings"` // for values that the file does not have
}

// OK reports whether every row agrees with the rules.
func (r *Report) OK() bool { return r.Elsewhere == 0 && r.Contradicting == 0 }

// A Move counts the users whose tag in one header would change.
type Move struct {
	Header string `json:"header"`
	From   string `json:"from"` // the observed tag; "" for none
	To     string `json:"to"`   // the tag that the rules give; "" for none
	Users  int64  `json:"users"`
}

// A User is one who would be sent elsewhere.
type User struct {
	Line int    `json:"line"` // of the row in the file, from 1
	Keys []Key  `json:"keys"`
	Tags []Diff `json:"tags"` // those that differ
}

// A Key is a value that identifies a user.
type Key struct {
	Header string `json:"header"`
	Value  string `json:"value"`
}

// A Diff is a tag that differs, and the decision behind it.
type Diff struct {
	Header   string `json:"header"`
	Observed string `json:"observed"` // "" for none
	Tag      string `json:"tag"`      // of the rules; "" for none
	// Rule is the name of the rule that decides; "" if none does, because the user lacks
	// the keys of the enforced rules.
	Rule   string  `json:"rule,omitempty"`
	Reason string  `json:"reason,omitempty"` // of that rule, as in metrics: "policy", "no_policy", "override"
	Bucket *uint32 `json:"bucket,omitempty"` // if the hash decides
	Modulo uint32  `json:"modulo,omitempty"` // the number of the rule's buckets
}

// A Contradiction is a row that contradicts the first row of its user.
type Contradiction struct {
	Line  int   `json:"line"`
	First int   `json:"firstLine"`
	Keys  []Key `json:"keys"`
}

// An UnknownTag is observed, but no rule has it: perhaps the value is not a tag, or other
// rules were in force.
type UnknownTag struct {
	Header string `json:"header"`
	Tag    string `json:"tag"`
	Users  int64  `json:"users"`
}
