package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/tagproc/tagproc/rules"
)

// A Report is what the lines of one or more files say.
type Report struct {
	RulesDigest string `json:"rulesDigest"`
	Requests    int64  `json:"requests"`  // lines of the format
	Compared    int64  `json:"compared"`  // of them, those whose tags were decided by these rules, and are all logged
	ByRequest   int64  `json:"byRequest"` // of those compared, those that have what the rules look at, and not only a bucket
	Wrong       int64  `json:"wrong"`     // requests with another tag than the rules give

	List []Wrong `json:"list"` // the first of them

	// What is not compared.
	OtherRules  map[string]int64 `json:"otherRules"`            // decided by rules of other digests; "others": more than mostKinds of them
	Unanswered  map[string]int64 `json:"unanswered"`            // by the status of the call, or the outcome; "others" as above
	Unlogged    int64            `json:"unlogged"`              // the line lacks a tag header of these rules
	Unexplained int64            `json:"unexplained"`           // answered, without a reason
	Unread      int64            `json:"unread"`                // lines that are not of the format
	FirstUnread string           `json:"firstUnread,omitempty"` // file and line of the first of them
}

// mostKinds is the most digests, and the most ways of not deciding, that are told apart.
const mostKinds = 1000

// count counts one of a kind.
func count(of map[string]int64, kind string) {
	if _, known := of[kind]; !known && len(of) >= mostKinds {
		kind = "others"
	}
	of[kind]++
}

// OK reports whether no request has a wrong tag.
func (r *Report) OK() bool { return r.Wrong == 0 }

// A Wrong is a request that has another tag than the rules give.
type Wrong struct {
	File   string  `json:"file"`
	Line   int     `json:"line"` // from 1
	Time   string  `json:"time,omitempty"`
	Header string  `json:"header"`
	Tag    string  `json:"tag"`              // that it has; "": none
	Want   string  `json:"want"`             // "": none
	Rule   string  `json:"rule,omitempty"`   // that decides; absent: none does
	Bucket *uint32 `json:"bucket,omitempty"` // by which it decides
	Why    string  `json:"why"`              // what the rules say of it
}

// ctxLines is how many lines lie between two looks at the context.
const ctxLines = 4096

// A Comparer compares the requests of files with a table.
type Comparer struct {
	Report Report

	table   *rules.Table
	show    int
	headers []string
	inputs  []string
	at      map[string]*moment // by rulesSince
}

// A moment is the table at one step of its ramps.
type moment struct {
	table   *rules.Table
	rules   []rules.Rule
	request *rules.Request
	pieces  [][]rules.Piece
	tags    []rules.Tag
}

// NewComparer returns a Comparer that lists the first show wrong requests.
func NewComparer(t *rules.Table, show int) *Comparer {
	return &Comparer{
		table: t, show: show, headers: t.TagHeaders(), inputs: t.Inputs(), at: map[string]*moment{},
		Report: Report{RulesDigest: t.Digest(), List: []Wrong{}, OtherRules: map[string]int64{}, Unanswered: map[string]int64{}},
	}
}

// Read reads the file called name. An error is that of ctx or of r.
func (c *Comparer) Read(ctx context.Context, name string, r io.Reader) error {
	in, err := open(r)
	if err != nil {
		return err
	}
	for {
		text, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && in.number%ctxLines == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		l, ok := parse(text)
		if !ok {
			if c.Report.Unread++; c.Report.FirstUnread == "" {
				c.Report.FirstUnread = fmt.Sprintf("%s:%d", name, in.number)
			}
			continue
		}
		c.Report.Requests++
		c.line(&l, Wrong{File: name, Line: in.number, Time: l.Time})
	}
}

// line compares one request.
func (c *Comparer) line(l *line, place Wrong) {
	if l.Why == nil {
		c.withoutWhy(l, place)
		return
	}
	switch l.Why.Outcome {
	case "tagged", "cleaned", "unchanged":
	default:
		count(c.Report.Unanswered, l.Why.Outcome)
		if l.Why.RulesDigest == c.table.Digest() {
			place.Why = "tagproc gave it no tag (" + l.Why.Outcome + "): a client sent it"
			c.untagged(l, place)
		}
		return
	}
	if l.Why.RulesDigest != c.table.Digest() {
		count(c.Report.OtherRules, l.Why.RulesDigest)
		return
	}
	m := c.momentOf(l.Why.RulesSince)
	byRequest := m.read(l.Request, c.inputs)
	wrong, unlogged := false, false
	for _, header := range c.headers {
		tag, logged := l.Tags[header]
		if !logged {
			unlogged = true
			continue
		}
		found, ok := m.compare(l.Why, header, byRequest, place)
		if found.Tag = value(tag); ok && (found.Tag == found.Want || found.Rule == "" && c.table.TrustClientTags()) {
			continue
		}
		wrong = true
		c.list(found)
	}
	if unlogged {
		c.Report.Unlogged++
	} else {
		c.Report.Compared++
		if byRequest {
			c.Report.ByRequest++
		}
	}
	if wrong {
		c.Report.Wrong++
	}
}

// withoutWhy counts a request whose line lacks the reason. A tag on it is wrong unless
// tagproc answered: nobody gave it one.
func (c *Comparer) withoutWhy(l *line, place Wrong) {
	status := "-"
	switch call := l.Call.(type) {
	case float64:
		status = strconv.FormatFloat(call, 'f', -1, 64)
	case string:
		status = call
	}
	if status == "0" {
		c.Report.Unexplained++
		return
	}
	count(c.Report.Unanswered, Call+"="+status)
	place.Why = "tagproc did not answer: a client sent it"
	c.untagged(l, place)
}

// untagged judges a request that tagproc gave no tag.
func (c *Comparer) untagged(l *line, place Wrong) {
	wrong := false
	for _, header := range c.headers {
		if tag := value(l.Tags[header]); tag != "" && !c.table.TrustClientTags() {
			place.Header, place.Tag = header, tag
			c.list(place)
			wrong = true
		}
	}
	if wrong {
		c.Report.Wrong++
	}
}

func (c *Comparer) list(w Wrong) {
	if len(c.Report.List) < c.show {
		c.Report.List = append(c.Report.List, w)
	}
}

// value returns the value of a header, which Envoy writes as null or - where it is absent.
func value(v *string) string {
	if v == nil || *v == "-" {
		return ""
	}
	return *v
}

// momentOf returns the table at the step of its ramps that is said to have decided.
func (c *Comparer) momentOf(since *string) *moment {
	key := ""
	if since != nil {
		key = *since
	}
	if m := c.at[key]; m != nil {
		return m
	}
	at, _ := time.Parse(time.RFC3339Nano, key) // "" is before the first step
	t, _ := c.table.At(at)
	m := &moment{table: t, rules: t.Rules(), request: t.NewRequest(), tags: t.Tags()}
	for i := range m.rules {
		m.pieces = append(m.pieces, t.Pieces(i))
	}
	if len(c.at) <= rules.MaxRampSteps { // as many as there can be
		c.at[key] = m
	}
	return m
}

// read sets the request to decide on. It reports whether the line has all that the rules
// look at.
func (m *moment) read(request map[string]*string, inputs []string) bool {
	if request == nil {
		return false
	}
	m.request.Reset()
	m.request.Mints = true
	for i, name := range inputs {
		v, logged := request[name]
		if !logged {
			return false
		}
		if v != nil {
			m.request.SetHeader(i, []byte(*v))
		}
	}
	return true
}

// compare returns what the rules say of a tag header, in found.Want. It is not ok where
// what tagproc says of its decision is not what the rules say.
func (m *moment) compare(w *why, header string, byRequest bool, found Wrong) (_ Wrong, ok bool) {
	found.Header = header
	var decisions []rules.Decision
	if byRequest {
		decisions = m.table.Match(m.request)
	}
	for i := range m.rules {
		r := &m.rules[i]
		d, said := w.Rules[r.Name]
		if r.TagHeader != header || r.Mode != rules.ModeEnforce || !said {
			continue
		}
		switch d.Reason {
		case rules.ReasonPolicy.String(), rules.ReasonNoPolicy.String():
			if d.Bucket == nil || *d.Bucket < 0 || *d.Bucket >= float64(r.Modulo) {
				found.Rule, found.Why = r.Name, "tagproc named no bucket of the rule"
				return found, false
			}
			bucket := uint32(*d.Bucket)
			found.Rule, found.Bucket, found.Want = r.Name, &bucket, m.tagOf(i, bucket)
			found.Why = fmt.Sprintf("bucket %d of rule %s", bucket, r.Name)
		case rules.ReasonOverride.String():
			found.Rule, found.Want, found.Why = r.Name, d.Tag, "an override of rule "+r.Name
			if !slices.ContainsFunc(r.Overrides, func(o rules.Override) bool { return o.TagValue == d.Tag }) {
				return found, false
			}
		default:
			continue
		}
		if byRequest && !m.agrees(&decisions[i], &found, d.Reason) {
			return found, false
		}
		return found, true
	}
	found.Why = "no rule decides"
	return found, true
}

// agrees reports whether the rules decide on the request of the line as found says. Else
// found says what they decide.
func (m *moment) agrees(d *rules.Decision, found *Wrong, reason string) bool {
	if d.Minted { // an id that only the visitor knows
		return true
	}
	tag := ""
	if d.Tag != rules.NoTag {
		tag = m.tags[d.Tag].Value
	}
	hashed := d.Reason == rules.ReasonPolicy || d.Reason == rules.ReasonNoPolicy
	if d.Reason.String() == reason && tag == found.Want && (!hashed || found.Bucket != nil && d.Bucket == *found.Bucket) {
		return true
	}
	found.Want, found.Bucket = tag, nil
	found.Why = fmt.Sprintf("by its request, %s of rule %s", d.Reason, found.Rule)
	if hashed {
		bucket := d.Bucket
		found.Bucket = &bucket
		found.Why = fmt.Sprintf("by its request, bucket %d of rule %s", bucket, found.Rule)
	}
	return false
}

// tagOf returns the tag of a bucket of the rule of index i.
func (m *moment) tagOf(i int, bucket uint32) string {
	at, _ := slices.BinarySearchFunc(m.pieces[i], bucket, func(p rules.Piece, b uint32) int {
		switch {
		case b < p.From:
			return 1
		case b >= p.To:
			return -1
		}
		return 0
	})
	if p := m.pieces[i][at]; p.Tag != rules.NoTag {
		return m.tags[p.Tag].Value
	}
	return ""
}
