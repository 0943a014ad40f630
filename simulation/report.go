package simulation

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tagproc/tagproc/rules"
)

// A Report is what a simulation found.
type Report struct {
	RulesDigest string    `json:"rulesDigest"`
	People      int64     `json:"people"` // ids
	Rules       []Rule    `json:"rules"`
	Overlaps    []Overlap `json:"overlaps"`    // of each two tags of different rules
	NotCompared int       `json:"notCompared"` // tags beyond the first 24, which overlaps leave out
}

// Skewed reports whether some share is not what the ranges say.
func (r *Report) Skewed() bool {
	return slices.ContainsFunc(r.Rules, func(r Rule) bool {
		return slices.ContainsFunc(r.Shares, func(s Share) bool { return s.Verdict == Skewed })
	})
}

// A RepeatedError says that ids come again. Who comes often counts often, and chance no
// longer explains the shares.
type RepeatedError struct {
	People   int64 // ids
	Distinct int64 // different ones, off by less than one in a hundred
}

func (e *RepeatedError) Error() string {
	return fmt.Sprintf("about %d of the %d ids are different, and an id that comes often counts often; give each id once (sort -u FILE)", e.Distinct, e.People)
}

// maxRepeated is the most ids that may have come before, in percent.
const maxRepeated = 2

// A Rule is what was found of one rule.
type Rule struct {
	Name      string   `json:"name"`
	TagHeader string   `json:"tagHeader"`
	Match     string   `json:"match,omitempty"` // in one line, as if every request met it
	Mode      string   `json:"mode"`            // of the file; every rule is counted as if it were enforced
	Keys      []string `json:"keys"`
	Hash      string   `json:"hash"`
	Salt      string   `json:"salt,omitempty"`
	Modulo    uint32   `json:"modulo"`
	Named     int64    `json:"named"`  // people whom an override names; they are not counted below
	People    int64    `json:"people"` // whose bucket decides
	Shares    []Share  `json:"shares"` // of people; empty if there are none
	Spread    *Spread  `json:"spread"` // over the buckets; null with one bucket, or nobody
}

// A Share is the people who get one tag, in percent of those whose bucket decides.
type Share struct {
	Tag      string  `json:"tag"`      // "" for none
	Expected float64 `json:"expected"` // by the ranges
	Observed float64 `json:"observed"`
	// Low and High are the interval in which the share lies that more such people would
	// have. All intervals of a report hold together with 99%.
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	People  int64   `json:"people"`
	Verdict Verdict `json:"verdict"`
}

// A Verdict is what a share says about the ranges.
type Verdict string

// The verdicts.
const (
	AsExpected Verdict = "expected" // chance makes such a difference
	Uneven     Verdict = "uneven"   // chance does not, and the difference is at most 0.1 points
	Skewed     Verdict = "skewed"   // chance does not, and the difference is more than that
)

// A Spread says how evenly people are spread over the buckets of a rule.
type Spread struct {
	Test

	// XXH3 is the same people by the hash xxh3, of rules that have another one.
	XXH3 *Test `json:"xxh3,omitempty"`
}

// A Test is a chi-square test.
type Test struct {
	ChiSquare float64 `json:"chiSquare"`
	Degrees   int     `json:"degrees"` // of freedom
	P         float64 `json:"p"`       // how often chance spreads people less evenly
	// Even is false where chance would do that in less than one of 10,000 reports.
	Even bool `json:"even"`
}

// An Overlap says who gets the tags of two rules.
type Overlap struct {
	A       Member  `json:"a"`
	B       Member  `json:"b"`
	Both    int64   `json:"both"` // people
	OfA     float64 `json:"ofA"`  // percent of the people of a who have b too
	OfB     float64 `json:"ofB"`
	Verdict Kinship `json:"verdict"`
}

// A Member is one who gets a tag of a rule.
type Member struct {
	Rule   string `json:"rule"`
	Tag    string `json:"tag"`
	People int64  `json:"people"`
}

// String returns RULE/TAG.
func (m Member) String() string { return m.Rule + "/" + m.Tag }

// Kinship is what the people of two tags have to do with each other.
type Kinship string

// The kinships.
const (
	Same        Kinship = "same"        // the same people
	Disjoint    Kinship = "disjoint"    // nobody has both
	Independent Kinship = "independent" // who has one is as likely to have the other as anybody
	Partial     Kinship = "partial"     // none of these
	Unknown     Kinship = "unknown"     // the rules have no key in common, or nobody has one of the tags
)

// points is the precision of what is reported, in parts of a percent.
const points = 1e6

func percent(part, whole int64) float64 { return rounded(100 * float64(part) / float64(whole)) }

func rounded(x float64) float64 { return math.Round(x*points) / points }

// significant returns x with four digits, as it stands in text and JSON.
func significant(x float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil {
		return x
	}
	return r
}

// report returns what s says. An error is a [RepeatedError].
func (p *plan) report(s *tally) (*Report, error) {
	if d := min(s.people, s.different.count()); d < s.people-s.people*maxRepeated/100 {
		return nil, &RepeatedError{People: s.people, Distinct: d}
	}
	r := &Report{RulesDigest: p.table.Digest(), People: s.people, Rules: []Rule{}, Overlaps: []Overlap{}, NotCompared: p.left}
	for i := range p.rules {
		r.Rules = append(r.Rules, p.ruleReport(i, s))
	}
	judge(r.Rules)
	r.Overlaps = append(r.Overlaps, p.overlaps(s)...)
	return r, nil
}

func (p *plan) ruleReport(i int, s *tally) Rule {
	rp, t := &p.rules[i], &s.rules[i]
	r := Rule{
		Name: rp.Name, TagHeader: rp.TagHeader, Mode: rp.Mode.String(), Keys: []string{}, Hash: rp.Hash.String(), Salt: rp.Salt,
		Match: rp.Match.String(), Modulo: rp.Modulo, Named: t.named, Shares: []Share{},
	}
	for _, k := range rp.Keys {
		r.Keys = append(r.Keys, k.String())
	}
	for _, n := range t.policies {
		r.People += n
	}
	if r.People == 0 {
		return r
	}
	people := map[string]int64{"": t.policies[len(rp.Policies)]}
	for policy := range rp.Policies {
		people[rp.Policies[policy].TagValue] += t.policies[policy]
	}
	for _, e := range rp.expected.Tags {
		if e.Share.Count > 0 {
			r.Shares = append(r.Shares, Share{Tag: e.Tag, Expected: rounded(e.Share.Percent()), Observed: percent(people[e.Tag], r.People), People: people[e.Tag]})
		}
	}
	owner := &s.rules[rp.sameAs]
	if test := chiSquare(owner.groups); test != nil {
		r.Spread = &Spread{Test: *test}
		if owner.xxh3 != nil {
			r.Spread.XXH3 = chiSquare(owner.xxh3)
		}
	}
	return r
}

// overlaps compares the people of each two tags of different rules.
func (p *plan) overlaps(s *tally) (all []Overlap) {
	for b := range p.cohorts {
		for a := range b {
			x, y := p.cohorts[a], p.cohorts[b]
			if x.rule == y.rule {
				continue
			}
			o := Overlap{A: p.member(x, s.cohorts[a]), B: p.member(y, s.cohorts[b]), Both: s.pairs[a*maxCohorts+b]}
			if o.A.People > 0 {
				o.OfA = percent(o.Both, o.A.People)
			}
			if o.B.People > 0 {
				o.OfB = percent(o.Both, o.B.People)
			}
			if !haveCommonKey(p.rules[x.rule].Keys, p.rules[y.rule].Keys) {
				o.Verdict = Unknown
			}
			all = append(all, o)
		}
	}
	for i := range all {
		if all[i].Verdict == "" {
			all[i].Verdict = kinship(&all[i], s.people, len(all))
		}
	}
	return all
}

func haveCommonKey(a, b []rules.Key) bool {
	return slices.ContainsFunc(a, func(k rules.Key) bool { return slices.Contains(b, k) })
}

func (p *plan) member(c cohort, people int64) Member {
	return Member{Rule: p.rules[c.rule].Name, Tag: c.tag, People: people}
}
