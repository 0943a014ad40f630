package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tagproc/tagproc/rules"
)

// A Decision is what the rules decide for one request. Its JSON is that of
// tagproc explain -o json, in the words of metrics and of the access log.
type Decision struct {
	// RulesDigest is the digest of the rules: equal digests mean equal decisions.
	RulesDigest string `json:"rulesDigest"`
	// RulesSince and RulesUntil are the instants of the last and the next step of the
	// rules' ramps, RFC 3339 in UTC; absent without such a step.
	RulesSince string `json:"rulesSince,omitempty"`
	RulesUntil string `json:"rulesUntil,omitempty"`
	// Set are the headers that are written onto the request, each name at most
	// once, in the order of the rules.
	Set []Tag `json:"set"`
	// Removed are the names of headers of the request, in lower case, that only
	// tagproc may set: they are removed, or replaced by those of Set.
	Removed []string `json:"removed"`
	// SetCookie are the values of headers set-cookie that a visitor gets. The id in them
	// is an example; the gateway makes its own.
	SetCookie []string `json:"setCookie,omitempty"`
	// Rules say how each rule decided, in the order of the file.
	Rules []Rule `json:"rules"`
	// Baggage is the new header baggage; nil if no tag travels.
	Baggage *Baggage `json:"baggage,omitempty"`
	// CorrelationContext is what becomes of the header correlation-context, baggage's
	// name in older drafts; nil if no tag travels or the request has none.
	CorrelationContext *CorrelationContext `json:"correlationContext,omitempty"`
}

// A Tag is a header as it is written onto a request.
type Tag struct {
	Name  string `json:"name"`  // in lower case
	Value string `json:"value"` // visible ASCII, never empty
	Rule  string `json:"rule"`  // the name of the rule that writes it
}

// A Rule is the decision of one rule on one request.
type Rule struct {
	Name      string     `json:"name"`
	Mode      string     `json:"mode"`                // "enforce", "shadow" or "off"
	Reason    string     `json:"reason"`              // "off", "superseded", "no_match", "no_key", "override", "policy" or "no_policy"
	Unmet     string     `json:"unmet,omitempty"`     // the first condition that does not hold; absent unless the reason is no_match
	Key       Key        `json:"key"`                 // the one taken, or else the first
	Keys      []Key      `json:"keys,omitempty"`      // all of them, in the order in which they are looked for; absent if there is one
	Hash      string     `json:"hash"`                // "fnv1a32" or "xxh3"
	Salt      string     `json:"salt,omitempty"`      // absent: none
	Modulo    uint32     `json:"modulo"`              // 1 to 1,000,000
	HashValue *HashValue `json:"hashValue,omitempty"` // absent unless the reason is policy or no_policy
	Bucket    *uint32    `json:"bucket,omitempty"`    // 0 to modulo-1; absent as hashValue is
	TagHeader string     `json:"tagHeader"`           // in lower case
	Tag       *string    `json:"tag,omitempty"`       // what the rule chose, also in shadow mode; absent: no tag
	Policy    *Policy    `json:"policy,omitempty"`    // the one that decides; absent unless the reason is policy
	Override  *Override  `json:"override,omitempty"`  // the one that decides; absent unless the reason is override
	Ramps     []Ramp     `json:"ramps,omitempty"`     // of its policies
}

// A Key is what a rule reads from a request.
type Key struct {
	Source string  `json:"source"`           // its place, as the rules file calls it: "header", "cookie", "query" or "visitor"
	Name   string  `json:"name"`             // of a header in lower case; of a visitor that of the cookie
	Value  *string `json:"value,omitempty"`  // the first one; absent: none. Bytes that are not UTF-8 appear as U+FFFD, and are hashed as they came
	Minted bool    `json:"minted,omitempty"` // the request has none, and the visitor gets this one
}

// A HashValue is the hash of a key. In JSON it is a number for fnv1a32, which has 32
// bits, and a string of decimal digits for xxh3: many readers of JSON keep only 53
// bits of a number.
type HashValue struct {
	value uint64
	hash  rules.Hash
}

// String returns the value in decimal digits.
func (h HashValue) String() string { return strconv.FormatUint(h.value, 10) }

// MarshalJSON writes the value as a number or as a string.
func (h HashValue) MarshalJSON() ([]byte, error) {
	if h.hash == rules.FNV1a32 {
		return []byte(h.String()), nil
	}
	return fmt.Appendf(nil, "%q", h.String()), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *HashValue) UnmarshalJSON(text []byte) (err error) {
	digits, quoted := strings.CutPrefix(strings.TrimSuffix(string(text), `"`), `"`)
	if h.hash = rules.FNV1a32; quoted {
		h.hash = rules.XXH3
	}
	h.value, err = strconv.ParseUint(digits, 10, 64)
	return err
}

// A Policy is one of a rule's policies, with its buckets around the request's: From up to,
// but not including, Range.
type Policy struct {
	Number int    `json:"number"` // its place in the rule, from 1
	From   uint32 `json:"from"`   // the bucket below belongs to another policy, or to none
	Range  uint32 `json:"range"`  // this bucket belongs to another policy, or to none
}

// A Ramp is the state of one policy's schedule at the instant in question.
type Ramp struct {
	Policy    int     `json:"policy"`              // its number: its place in the rule, from 1
	Range     uint32  `json:"range"`               // in force: 0 before the first step
	Since     string  `json:"since,omitempty"`     // RFC 3339 in UTC; absent before the first step
	Next      string  `json:"next,omitempty"`      // the instant of the next step; absent after the last one
	NextRange *uint32 `json:"nextRange,omitempty"` // and its range
}

// An Override is one of a rule's overrides, which names the value of the key.
type Override struct {
	Number int `json:"number"` // its place in the rule, from 1
}

// Baggage is a request's new header baggage, in which tags travel.
type Baggage struct {
	// Value is the header's value afterwards: the tags that travel, then what the
	// request had, without forged members; "" for no header. Several headers are
	// joined with commas, and bytes that are not UTF-8 appear as U+FFFD.
	Value string `json:"value"`
	// OverLimits reports that the tags are not in it, because with them it would have
	// more than 64 members or 8,192 bytes.
	OverLimits bool `json:"overLimits"`
	// Removed are the members of the request that are forged, as they came.
	Removed []string `json:"removed,omitempty"`
}

// CorrelationContext is what becomes of a request's header correlation-context: tags
// are not written to it.
type CorrelationContext struct {
	Value   string   `json:"value"`             // as that of Baggage
	Removed []string `json:"removed,omitempty"` // as those of Baggage
}

// Bounds of a Decision: of as many rules as a file can have, on as many headers as may be
// asked about.
const (
	maxRules   = 1 << 15
	maxHeaders = 1000
	maxObjects = 1 << 18 // of a decision as JSON
	maxDigest  = 100     // bytes
)

// Decode reads what a tagproc answers at POST /explain. An error says what is wrong:
// [Decision.Check] returns none then.
func Decode(text []byte) (*Decision, error) {
	if n := bytes.Count(text, []byte("{")); n > maxObjects { // each takes memory before Check sees it
		return nil, fmt.Errorf("the answer is no decision of a tagproc: it has %d objects, more than %d", n, maxObjects)
	}
	d := &Decision{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	return d, nil
}

// Check returns an error if d, which a peer sent, lacks what decisions have, or has more
// than they may have.
func (d *Decision) Check() error {
	if d.RulesDigest == "" || len(d.RulesDigest) > maxDigest {
		return errors.New("the answer is no decision: it has no digest of rules, so another program listens there")
	}
	most := map[string][2]int{
		"rules": {len(d.Rules), maxRules}, "headers that are set": {len(d.Set), maxHeaders}, "headers that are removed": {len(d.Removed), maxHeaders}, "cookies": {len(d.SetCookie), rules.MaxVisitors},
	}
	for _, what := range slices.Sorted(maps.Keys(most)) {
		if n := most[what]; n[0] > n[1] {
			return fmt.Errorf("the answer is no decision of a tagproc: it has %d %s, more than %d", n[0], what, n[1])
		}
	}
	for i := range d.Rules {
		r := &d.Rules[i]
		has := false
		switch r.Reason {
		case "off", "superseded", "no_match", "no_key":
			has = true
		case "override":
			has = r.Override != nil
		case "policy":
			has = r.Policy != nil && r.Bucket != nil
		case "no_policy":
			has = r.Bucket != nil
		}
		if len(r.Keys) > rules.MaxKeys {
			return fmt.Errorf("rule %d has %d keys, more than %d", i+1, len(r.Keys), rules.MaxKeys)
		}
		for _, k := range append(r.Keys, r.Key) {
			has = has && (k.Value != nil || !k.Minted)
		}
		if !has || (r.Bucket == nil) != (r.HashValue == nil) {
			return fmt.Errorf("rule %d does not say what decided", i+1)
		}
	}
	return nil
}
