package rollout

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func read(t testing.TB, src string) *File {
	t.Helper()
	f, problems := Read("rules.yaml", []byte(src), rules.Options{})
	if f == nil {
		t.Fatalf("%v\n%s", problems.Err(), src)
	}
	return f
}

// oneRule returns a rules file with one rule, whose last lines are given.
func oneRule(lines string) string {
	return "rules:\n- name: r\n  header: x-user-id\n  tagHeader: x-tag\n" + lines
}

const (
	three     = "  policies: # cumulative\n  - {range: 10, tagValue: s3} # three\n  - range: 30\n    tagValue: s2\n  # the rest\n  - {tagValue: s1, range: 100}\n"
	fromTo    = "  policies:\n  - {from: 0, range: 20, tagValue: s2}\n  - {from: 20, range: 100, tagValue: s1}\n"
	cohorts   = "  policies:\n  - {from: 0, range: 10, tagValue: a}\n  - {from: 10, range: 20, tagValue: b}\n  - {range: 100, tagValue: s1}\n"
	parts     = "  partitions:\n  - {partitionSize: 20, tagValue: s2}\n  - {partitionSize: 30, tagValue: s3}\n  - {partitionSize: 50, tagValue: s1}\n"
	ramped    = "  policies:\n  - tagValue: s2\n    ramp: # up\n    - {at: 2026-11-29T09:00:00+01:00, range: 10}\n    - {at: 2026-12-02T09:00:00+01:00, range: 50} # half\n  - {range: 100, tagValue: s1}\n"
	overrides = "  overrides:\n  # testers\n  - {values: [jason, \"0001\"], tagValue: s2} # two\n  - values:\n    - anna # lead\n    none: true\n"
	named     = overrides + "  policies:\n  - {range: 20, tagValue: s2}\n  - {range: 100, tagValue: s1}\n"
)

// verb runs one, as the command line has it: "set s2=25%".
func verb(f *File, line string) (*File, error) {
	words := strings.Fields(line)
	switch words[0] {
	case "set":
		var goals []Goal
		for _, w := range words[1:] {
			tag, amount, _ := strings.Cut(w, "=")
			a, err := ParseAmount(amount)
			if err != nil {
				return nil, err
			}
			goals = append(goals, Goal{tag, a})
		}
		return f.Set(0, now, goals...)
	case "promote":
		return f.Promote(0, now, words[1])
	case "rollback":
		return f.Rollback(0, now, words[1])
	case "name":
		return f.SetNames(0, words[1], words[2:]...)
	case "unname":
		return f.RemoveNames(0, words[1:]...)
	case "ramp":
		steps, err := ParseRamp(now, words[2:]...)
		if err != nil {
			return nil, err
		}
		return f.Ramp(0, now, words[1], steps...)
	default:
		mode := map[string]rules.Mode{"off": rules.ModeOff, "shadow": rules.ModeShadow, "enforce": rules.ModeEnforce}[words[0]]
		return f.SetMode(0, mode)
	}
}

// TestVerbs checks what each verb makes of a file: old→new are the parts that change.
func TestVerbs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src, verb string
		changes         []string // old, new, old, new …
		leaving         string   // what Leaving says
	}{
		{"the first tag grows", three, "set s3=15", []string{"{range: 10,", "{range: 15,"}, "lose s2 (5%);"},
		{"a tag in the middle grows", three, "set s2=50%", []string{"range: 30", "range: 60"}, ""},
		{"a tag shrinks", three, "set s2=10%", []string{"range: 30", "range: 20"}, "lose s2 (10%);"},
		{"a tag is swallowed", three, "set s3=50%", []string{"{range: 10,", "{range: 50,"}, "lose s2 (20%);"},
		{"two tags", three, "set s2=45% s3=5%", []string{"{range: 10,", "{range: 5,", "range: 30", "range: 50"}, "lose s3 (5%);"},
		{"nothing changes", three, "set s2=20%", nil, ""},
		{"who begins where it ended begins there still", fromTo, "set s2=10%", []string{"range: 20,", "range: 10,", "from: 20,", "from: 10,"}, "lose s2 (10%);"},
		{"who begins where it ended gives way", fromTo, "set s2=1/4", []string{"range: 20,", "range: 25,"}, ""},
		{"others keep their cohort", cohorts, "rollback a", []string{"range: 10,", "range: 0,"}, "lose a (10%);"},
		{"promoted over an earlier tag", three, "promote s2", []string{"{range: 10,", "{range: 0,", "range: 30", "range: 100"}, "lose s3 (10%);"},
		{"promoted from its beginning", cohorts, "promote b", []string{"range: 10,", "range: 0,", "from: 10, range: 20", "from: 0, range: 100"}, "lose a (10%);"},
		{"a partition grows", parts, "set s2=35%", []string{"Size: 20", "Size: 35", "Size: 30", "Size: 15"}, "lose s3 (15%);"},
		{"a partition is swallowed", parts, "set s2=60%", []string{"Size: 20", "Size: 60", "Size: 30", "Size: 0", "Size: 50", "Size: 40"}, "lose s3 (30%);"},
		{"a partition shrinks", parts, "rollback s3", []string{"Size: 30", "Size: 0", "Size: 50", "Size: 80"}, "lose s3 (30%);"},
		{"a partition is promoted", parts, "promote s3", []string{"Size: 20", "Size: 0", "Size: 30", "Size: 100", "Size: 50", "Size: 0"}, "lose s2 (20%);"},
		{"a ramp ends", ramped, "set s2=25%", []string{"ramp: # up\n    - {at: 2026-11-29T09:00:00+01:00, range: 10}\n    - {at: 2026-12-02T09:00:00+01:00, range: 50} # half", "range: 25\n    # half"}, ""},
		{"a ramp is rolled back", ramped, "rollback s2", []string{"range: 10}", "range: 0}", "range: 50}", "range: 0}"}, "lose s2 (10%);"},
		{"users of a ramp that goes on have the tag behind it", "  policies:\n  - {ramp: [{at: 2026-11-29T00:00:00Z, range: 10}, {at: 2026-12-01T00:00:00Z, range: 50}], tagValue: s2}\n  - {from: 50, range: 100, tagValue: s1}\n", "set s2=5%", []string{"ramp: [{at: 2026-11-29T00:00:00Z, range: 10}, {at: 2026-12-01T00:00:00Z, range: 50}]", "range: 5", "from: 50", "from: 5"}, "lose s2 (5%);"},
		{"users of a ramp go to the baseline", "  policies:\n  - {ramp: [{at: 2026-11-29T00:00:00Z, range: 20}, {at: 2026-11-30T00:00:00Z, range: 50}], tagValue: s2}\n  - {from: 20, range: 100, tagValue: s1}\n", "rollback s2", []string{"range: 20", "range: 0", "range: 50", "range: 0", "from: 20", "from: 0"}, "lose s2 (50%);"},
		{"users who would come by a ramp stay", "  policies:\n  - {ramp: [{at: 2026-12-01T00:00:00Z, range: 50}], tagValue: s2}\n  - {from: 50, range: 100, tagValue: s1}\n", "rollback s2", []string{"range: 50}]", "range: 0}]", "from: 50", "from: 0"}, ""},
		{"who has a ramp begins where it ended", "  policies:\n  - {range: 20, tagValue: s2}\n  - {from: 20, ramp: [{at: 2026-11-29T00:00:00Z, range: 100}], tagValue: s1}\n", "set s2=10%", []string{"range: 20", "range: 10", "from: 20", "from: 10"}, "lose s2 (10%);"},
		{"a canary behind keeps its users", three, "rollback s3", []string{"{range: 10,", "{range: 0,", "- range: 30", "- from: 10\n    range: 30"}, "lose s3 (10%);"},
		{"so does one without users", "  policies:\n  - {range: 30, tagValue: s2}\n  - {range: 10, tagValue: s3}\n  - {range: 100, tagValue: s1}\n", "rollback s2", []string{"range: 30", "range: 0", "{range: 10", "{from: 10, range: 10"}, "lose s2 (30%);"},
		{"except where its policy is one of another rule too", "  policies:\n  - {range: 10, tagValue: s2}\n  - &y {range: 30, tagValue: s3}\n  - {range: 100, tagValue: s1}\n- {name: q, header: x-user-id, tagHeader: x-b, policies: [*y, {range: 100, tagValue: s1}]}\n", "rollback s2", []string{"range: 10", "range: 0"}, "lose s2 (10%);"},
		{"a partition without users stays so", "  partitions:\n  - {partitionSize: 20, tagValue: s2}\n  - {partitionSize: 0, tagValue: s3}\n  - {partitionSize: 80, tagValue: s1}\n", "rollback s2", []string{"Size: 20", "Size: 0", "Size: 80", "Size: 100"}, "lose s2 (20%);"},
		{"a schedule over another one", "  policies:\n  - {ramp: [{at: 2026-12-01T00:00:00Z, range: 20}], tagValue: s3}\n  - {range: 10, tagValue: s2}\n  - {range: 100, tagValue: s1}\n", "ramp s2 30%@2026-12-02T00:00:00Z", []string{"{range: 10,", "{ramp: [{at: 2026-11-30T12:00:00Z, range: 10}, {at: 2026-12-02T00:00:00Z, range: 50}],"}, ""},
		{"off", three, "off", []string{"  policies:", "  mode: \"off\"\n  policies:"}, "lose s3 (10%) and s2 (20%);"},
		{"on again", "  mode: 'off' # night\n" + three, "enforce", []string{"'off'", "'enforce'"}, ""},
		{"enforce is what it is", three, "enforce", nil, ""},
		{"one more name", named, "name s2 0002", []string{`"0001"]`, `"0001", "0002"]`}, ""},
		{"named already", named, "name s2 jason", nil, ""},
		{"named for another tag", named, "name s1 jason", []string{"[jason, \"0001\"]", "[\"0001\"]", "none: true\n", "none: true\n  - {values: [jason], tagValue: s1}\n"}, ""},
		{"the first name", three, "name s2 jason", []string{"  policies:", "  overrides:\n  - {values: [jason], tagValue: s2}\n  policies:"}, ""},
		{"no name any more", named, "unname anna", []string{"  - values:\n    - anna # lead\n    none: true\n", ""}, ""},
		{"no names at all", named, "unname anna jason 0001", []string{overrides, "  # two\n"}, ""},
		{"a schedule", three, "ramp s2 50%@2026-12-01T09:00:00+01:00 90@+24h", []string{"- range: 30\n", "- ramp:\n    - {at: 2026-11-30T12:00:00Z, range: 30}\n    - {at: 2026-12-01T09:00:00+01:00, range: 60}\n    - {at: 2026-12-02T09:00:00+01:00, range: 100}\n"}, ""},
		{"a schedule in brackets", three, "ramp s3 20%@+1h", []string{"- {range: 10, ", "- {ramp: [{at: 2026-11-30T12:00:00Z, range: 10}, {at: 2026-11-30T13:00:00Z, range: 20}], "}, "lose s2 (10%, at 2026-11-30T13:00:00Z);"},
		{"another schedule", ramped, "ramp s2 100%@2026-12-03T00:00:00Z", []string{"    - {at: 2026-12-02T09:00:00+01:00, range: 50}", "    - {at: 2026-12-03T00:00:00Z, range: 100}"}, ""},
		{"a schedule behind others", "  policies:\n  - {from: 1, range: 3, tagValue: s3}\n  - {range: 1, tagValue: s2}\n", "ramp s2 0%@+1h", []string{"{range: 1, ", "{allowDecrease: true, ramp: [{at: 2026-11-30T12:00:00Z, range: 1}, {at: 2026-11-30T13:00:00Z, range: 0}], "}, "lose s2 (1%, at 2026-11-30T13:00:00Z);"},
		{"a schedule down", ramped, "ramp s2 5%@2026-12-03T00:00:00Z", []string{"    ramp:", "    allowDecrease: true\n    ramp:", "    - {at: 2026-12-02T09:00:00+01:00, range: 50}", "    - {at: 2026-12-03T00:00:00Z, range: 5}"}, "lose s2 (5%, at 2026-12-03T00:00:00Z);"},
	} {
		src := oneRule(c.src)
		want := src
		at := 0
		for i := 0; i < len(c.changes); i += 2 {
			j := strings.Index(want[at:], c.changes[i])
			if j < 0 {
				t.Fatalf("%s: %q is not in the file", c.name, c.changes[i])
			}
			want = want[:at+j] + c.changes[i+1] + want[at+j+len(c.changes[i]):]
			at += j + len(c.changes[i+1])
		}
		before := read(t, src)
		after, err := verb(before, c.verb)
		if err != nil {
			t.Errorf("%s: %s: %v", c.name, c.verb, err)
			continue
		}
		if got := string(after.Bytes()); got != want {
			t.Errorf("%s: %s makes\n%s\nwant\n%s", c.name, c.verb, got, want)
		}
		var tags []string
		if _, of, found := strings.Cut(c.verb, " "); found {
			tag, _, _ := strings.Cut(strings.Fields(of)[0], "=")
			tags = append(tags, tag)
		}
		leaving := ""
		if err := Leaving(before, after, 0, now, tags...); err != nil {
			leaving = err.Error()
		}
		if (leaving == "") != (c.leaving == "") || !strings.Contains(leaving, c.leaving) {
			t.Errorf("%s: Leaving of %s = %q, want %q", c.name, c.verb, leaving, c.leaving)
		}
	}
}

// TestRefused checks what is refused, and what is said.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, verb, want string }{
		{three, "set s2=12.5%", "s2=12.5% of 100 buckets is no whole number of them; the nearest shares are 12% and 13%"},
		{"  modulo: 3\n  policies: [{range: 1, tagValue: s2}]\n", "set s2=50", "the nearest shares are 1/3 and 2/3"},
		{three, "set s2=0.25", "the nearest shares are 0% and 1%; did you mean 25%?"},
		{three, "set s2=101%", "expected a percentage from 0% to 100%"},
		{three, "set s2=-1", "expected a percentage from 0% to 100%"},
		{three, "set s2=1/0", "expected a percentage from 0% to 100%"},
		{three, "set s9=1", "rule r has no policy with the tag s9"},
		{three, "set s2=1 s2=2", "s2 is given two shares"},
		{three, "set s1=90", "s1 can have 70% at most"},
		{parts, "set s1=51", "s1 can have 50% at most"},
		{three, "set s1=70 s2=30", "s1 can have 60% at most"},
		{"  policies: [{range: 1, tagValue: s2}, {from: 50, range: 60, tagValue: s2}]\n", "set s2=5", "several policies with the tag s2"},
		{parts, "ramp s2 1@+1h", "rule r has partitions, which have no ramp"},
		{three, "ramp s2 1@+1", "expected a duration with its unit"},
		{three, "ramp s2 1@+9999999h", "of at most 292 years"},
		{three, "ramp s2 1@2026-12-01", "expected an instant with its offset"},
		{three, "ramp s2 1", "expected a share and an instant"},
		{three, "ramp s2 1@+1h 2@2026-11-30T12:00:00Z", "is not later than the step before it"},
		{three, "ramp s2" + strings.Repeat(" 1@+2562047h", 28), "is behind the year 9999"},
		{three, "name s9 jack", "rule r has no tag s9; its tags are s3, s2, s1"},
		{three, "unname jack", `rule r names no user "jack"`},
	} {
		after, err := verb(read(t, oneRule(c.src)), c.verb)
		if err == nil || after != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v, want the error %q", c.verb, err, c.want)
		}
	}
}

// TestLongestDuration checks that the longest duration that there is leads forwards.
func TestLongestDuration(t *testing.T) {
	t.Parallel()
	steps, err := ParseRamp(now, "1%@+2562047h47m16.854775807s")
	if err != nil || steps[0].At.Year() != 2319 {
		t.Errorf("ParseRamp = %v, %v; want a step in 2319", steps, err)
	}
}

// TestPlan checks that a file that compiles and means something else than was planned is
// refused, though its text has what each step says.
func TestPlan(t *testing.T) {
	t.Parallel()
	f := read(t, oneRule(three))
	want := f.rulesAt(now)
	want[0].Policies[1].Range = 40
	after, err := f.apply(want, number(41, 0, "policies", 1, "range"))
	byHand, ok := errors.AsType[*ByHandError](err)
	if after != nil || !ok || byHand.Why.Error() != "the result would mean something else" {
		t.Errorf("an edit that is not what was planned = %v, %v", after, err)
	}
	if after, err = f.apply(want, number(40, 0, "policies", 1, "range")); err != nil || after.Table().Rules()[0].Policies[1].Range != 40 {
		t.Errorf("the edit that was planned = %v, %v", after, err)
	}
}

// TestTakers checks who is said to have the users of a rolled-back tag, beside the baseline.
func TestTakers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src, verb string
		want      []Taker
	}{
		{three, "rollback s3", nil},
		{parts, "rollback s2", []Taker{{"s3", "20%"}}},
		{"  policies: [{range: 10, tagValue: s2}, {from: 10, range: 20, tagValue: s3}]\n", "rollback s2", []Taker{{"", "10%"}}},
		{"  policies: [{from: 10, range: 20, tagValue: s2}, {from: 30, range: 40, tagValue: s4}, {range: 50, tagValue: s3}, {range: 100, tagValue: s1}]\n", "rollback s2", []Taker{{"s3", "10%"}}},
		{"  policies: [{from: 10, range: 12, tagValue: s2}, {from: 20, range: 25, tagValue: s2}, {range: 50, tagValue: s3}, {range: 100, tagValue: s1}]\n", "rollback s2", []Taker{{"s3", "7%"}}},
		{"  policies: [{ramp: [{at: 2026-11-01T00:00:00Z, range: 2}, {at: 2026-12-01T00:00:00Z, range: 40}], tagValue: s2}, {range: 50, tagValue: s3}, {range: 100, tagValue: s1}]\n", "rollback s2", nil},
		{"  mode: \"off\"\n" + parts, "rollback s2", nil},
	} {
		before := read(t, oneRule(c.src))
		after, err := verb(before, c.verb)
		if err != nil {
			t.Fatal(err)
		}
		if got := Takers(before, after, 0, now, strings.Fields(c.verb)[1]); !slices.Equal(got, c.want) {
			t.Errorf("Takers of %s in\n%s = %v, want %v", c.verb, c.src, got, c.want)
		}
	}
}

// TestByHand checks that an edit that has no place in the file comes as lines to write.
func TestByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, verb, want string }{
		{"kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\ndata: {rules.yaml: \"rules: [{name: r, header: x, tagHeader: y, policies: [{range: 1, tagValue: s2}]}]\"}\n", "set s2=5", "rule r, policies[0].range: 5"},
		{oneRule("  policies:\n  - {range: &n 10, tagValue: s2}\n  - {range: *n, tagValue: s1}\n"), "set s2=5", "rule r, policies[0].range: 5"},
		{oneRule("  policies: &p [{range: 10, tagValue: s2}]\n") + "- {name: q, header: x, tagHeader: y, policies: *p}\n", "set s2=5", "rule r, policies[0].range: 5"},
	} {
		_, err := verb(read(t, c.src), c.verb)
		byHand, ok := errors.AsType[*ByHandError](err)
		if !ok || len(byHand.Lines) == 0 || byHand.Lines[0] != c.want {
			t.Errorf("%s of %s = %v, want it by hand: %s", c.verb, c.src, err, c.want)
		}
	}
}

// TestChoice checks which rule and which tag is meant where none is named.
func TestChoice(t *testing.T) {
	t.Parallel()
	two := oneRule(three) + "- {name: q'q, header: x, tagHeader: y, policies: [{range: 5, tagValue: s2}, {range: 0, tagValue: s4}, {range: 100, tagValue: old}]}\n"
	for _, c := range []struct {
		name string
		tags []string
		want string
	}{
		{"", []string{"s3"}, "r"},
		{"", []string{"s4", "s2"}, "q'q"},
		{"r", nil, "r"},
		{"", nil, "2 rules may be meant; add --rule NAME, one of: r (s3, s2, s1); q'q (s2, s4, old)"},
		{"", []string{"s9"}, "no rule has the tag s9; the rules are: r (s3, s2, s1); q'q"},
		{"q", nil, `no rule is called "q"; the rules are: r (`},
		{"r", []string{"s4"}, "rule r has no tag s4; its tags are s3, s2, s1"},
	} {
		f := read(t, two)
		i, err := f.Rule(c.name, c.tags...)
		if err == nil && f.Table().Rules()[i].Name != c.want || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Rule(%q, %q) = %d, %v; want %s", c.name, c.tags, i, err, c.want)
		}
	}
	for _, c := range []struct{ src, rule, want string }{
		{two, "", "3 canaries may be meant; name one: tagproc rollout rollback rules.yaml s3 --rule r, or tagproc rollout rollback rules.yaml s2 --rule r, or tagproc rollout rollback rules.yaml s2 --rule 'q'\\''q'"},
		{two, "q'q", "s2"},
		{oneRule(ramped), "", "s2"},
		{oneRule("  policies: [{range: 5, tagValue: s2}]\n"), "", "s2"},
		{oneRule("  policies: [{range: 0, tagValue: s2}, {range: 100, tagValue: s1}]\n"), "", "s2"},
		{oneRule("  policies: [{range: 100, tagValue: s1}]\n"), "", "rules.yaml has no canary: all users of a rule have its only tag, and there is none to go back to; give the tag fewer users with set, or take it from all of them by its name: tagproc rollout rollback rules.yaml s1 --rule r"},
		{oneRule("  policies: [{range: 10, tagValue: s2}, {from: 50, range: 60, tagValue: s3}]\n"), "", "2 canaries may be meant; name one: tagproc rollout rollback rules.yaml s2 --rule r, or tagproc rollout rollback rules.yaml s3 --rule r"},
		{oneRule("  policies: [{range: 10, tagValue: s2}, {tagValue: s1, ramp: [{at: 2026-11-01T00:00:00Z, range: 100}]}]\n"), "", "s2"},
		{oneRule("  policies: [{range: 10, tagValue: s2}, {tagValue: s1, ramp: [{at: 2026-12-01T00:00:00Z, range: 100}]}]\n"), "", "2 canaries may be meant"},
	} {
		got, err := read(t, c.src).Canary(c.rule, now)
		if err == nil && got.Tag != c.want || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Canary(%q) = %v, %v; want %s", c.rule, got, err, c.want)
		}
	}
}

// TestLower checks that a policy which begins earlier, for buckets that another gives up,
// takes none of a third.
func TestLower(t *testing.T) {
	t.Parallel()
	f, problems := Read("f", []byte(`rules:
- header: x-user-id
  tagHeader: x-tag
  modulo: 3
  policies:
  - {from: 2, range: 2, tagValue: s1}
  - {from: 1, range: 3, tagValue: s2}
  - {from: 0, range: 2, tagValue: s3}
`), rules.Options{})
	if f == nil {
		t.Fatal(problems.Err())
	}
	amount, err := ParseAmount("0%")
	if err != nil {
		t.Fatal(err)
	}
	after, err := f.Set(0, now, Goal{"s3", amount})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tagsAt(after, 0, now), []string{"", "s2", "s2"}; !slices.Equal(got, want) {
		t.Errorf("the tags are %q, want %q:\n%s", got, want, after.src)
	}
}
