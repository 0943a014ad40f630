package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"strconv"
	"strings"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/rules"
)

// before and after are how the picture shows a rollout: an edit of the walk-through's rules.
const before, after = "range: 20", "range: 50"

// named is the user whom a route of the walk-through sends to the canary, whatever the
// tag.
const named = "jason"

// Measures in pixels. A bucket is perBucket wide, and bucket 0 begins at left.
const (
	width, height = 880, 236
	left          = 40
	perBucket     = 8
	dots          = 62 // where users are, from the top
	top, bottom   = 84, 118
	rollout       = 172
)

// head has the colours, of a bright page and of a dark one. The background is the page's.
const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="t d">
<title id="t">%[3]s</title>
<desc id="d">%[4]s</desc>
<style>
text { font: 14px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.quiet { fill: #59636e }
.band { fill: #fff; font-weight: 600 }
.line { stroke: #59636e }
.canary { fill: #b34700 }
.base { fill: #0969da }
.more { fill: #b34700; fill-opacity: .22 }
.next { stroke: #b34700; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.quiet { fill: #9198a1 }
.band { fill: #0d1117 }
.line { stroke: #9198a1 }
.canary { fill: #ffa657 }
.base { fill: #79c0ff }
.more { fill: #ffa657; fill-opacity: .28 }
.next { stroke: #ffa657 }
}
</style>
`

// A user is where the rules put somebody of the walk-through.
type user struct {
	id             string
	bucket         int
	version        string // the last application's
	canary, moving bool   // reaches the first policy's version; gets its tag by the edit
}

// draw returns the picture as SVG.
func draw() ([]byte, error) {
	steps, err := walkthrough.Steps()
	if err != nil {
		return nil, err
	}
	step := steps[0]
	src, err := step.Rules()
	if err != nil {
		return nil, err
	}
	if strings.Count(string(src), before) != 1 {
		return nil, fmt.Errorf("the walk-through's rules have no single %q", before)
	}
	table, err := load(src)
	if err != nil {
		return nil, err
	}
	edited, err := load([]byte(strings.Replace(string(src), before, after, 1)))
	if err != nil {
		return nil, err
	}
	rule := table.Rules()[0]
	if len(rule.Policies) != 2 || rule.Modulo != 100 {
		return nil, errors.New("the picture has room for two policies and 100 buckets")
	}
	canary := rule.Policies[0].TagValue

	app := step.Chain[len(step.Chain)-1]
	reached := map[string]string{} // version by tag, of users whose tag decides
	var users []user
	for _, u := range step.Users {
		bucket, tag := decide(table, u.ID)
		_, next := decide(edited, u.ID)
		if tag != u.Tags[rule.TagHeader] {
			return nil, fmt.Errorf("%s gets %s by the rules and %s in the walk-through", u.ID, tag, u.Tags[rule.TagHeader])
		}
		if u.ID != named {
			reached[tag] = u.Versions[app]
		}
		users = append(users, user{id: u.ID, bucket: bucket, version: u.Versions[app], moving: tag != next})
	}
	for i := range users {
		users[i].canary = users[i].version == reached[canary]
	}
	return render(rule, users, reached, app), nil
}

func load(src []byte) (*rules.Table, error) {
	table, problems := rules.Load("rules.yaml", src, rules.Options{})
	if table == nil {
		return nil, fmt.Errorf("couldn't load the walk-through's rules: %v", problems)
	}
	return table, nil
}

// decide returns the bucket and the tag of a user in the first rule.
func decide(t *rules.Table, id string) (bucket int, tag string) {
	r := explain.Request(t, []explain.Header{{Name: "x-user-id", Value: id}}).Rules[0]
	return int(*r.Bucket), *r.Tag
}

// x is where a bucket begins.
func x(bucket int) int { return left + perBucket*bucket }

func render(rule rules.Rule, users []user, reached map[string]string, app string) []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = html.EscapeString(s)
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	first, last := rule.Policies[0], rule.Policies[1]
	limit := int(first.Range)
	var words, moving []string
	for _, u := range users {
		words = append(words, fmt.Sprintf("%s is in bucket %d and reaches %s of %s", u.id, u.bucket, u.version, app))
		if u.moving {
			moving = append(moving, u.id)
		}
	}
	p(strings.TrimSuffix(head, "\n"), width, height, "Each user has a bucket; the rules say where the canary ends", strings.Join(words, "; ")+".")

	p(`<rect class="canary" x="%d" y="%d" width="%d" height="%d"/>`, x(0), top, perBucket*limit, bottom-top)
	p(`<rect class="base" x="%d" y="%d" width="%d" height="%d"/>`, x(limit), top, perBucket*(100-limit), bottom-top)
	p(`<text class="band" x="%d" y="%d" text-anchor="middle">%s → %s %s</text>`, (x(0)+x(limit))/2, bottom-12, first.TagValue, app, reached[first.TagValue])
	p(`<text class="band" x="%d" y="%d" text-anchor="middle">%s → %s %s</text>`, (x(limit)+x(100))/2, bottom-12, last.TagValue, app, reached[last.TagValue])
	for bucket := 0; bucket <= 100; bucket += 10 {
		p(`<line class="line" x1="%[1]d" y1="%[2]d" x2="%[1]d" y2="%[3]d"/>`, x(bucket), bottom, bottom+5)
		p(`<text class="quiet" x="%d" y="%d" text-anchor="middle">%d</text>`, x(bucket), bottom+21, bucket)
	}
	for _, u := range users {
		class, at := "base", x(u.bucket)+perBucket/2
		if u.canary {
			class = "canary"
		}
		p(`<line class="line" x1="%[1]d" y1="%[2]d" x2="%[1]d" y2="%[3]d"/>`, at, dots, top)
		p(`<circle class="%s" cx="%d" cy="%d" r="7"/>`, class, at, dots)
		p(`<text x="%d" y="%d" text-anchor="middle">%s</text>`, at, dots-30, u.id)
		note := strconv.Itoa(u.bucket)
		if u.id == named {
			note += ", named: " + u.version
		}
		p(`<text class="quiet" x="%d" y="%d" text-anchor="middle">%s</text>`, at, dots-14, note)
	}
	p(`<text class="quiet" x="%d" y="%d">bucket of x-user-id: fnv1a32 %% 100</text>`, x(55), bottom+40)
	to := limit
	if _, err := fmt.Sscanf(after, "range: %d", &to); err == nil {
		p(`<rect class="canary" x="%d" y="%d" width="%d" height="10"/>`, x(0), rollout, perBucket*limit)
		p(`<rect class="more" x="%d" y="%d" width="%d" height="10"/>`, x(limit), rollout, perBucket*(to-limit))
		p(`<line class="next" x1="%[1]d" y1="%[2]d" x2="%[1]d" y2="%[3]d"/>`, x(to), bottom+26, rollout+16)
		p(`<text x="%d" y="%d">%s → %s: %s move to %s and stay there; nobody else moves</text>`,
			x(0), rollout+36, before, strings.TrimPrefix(after, "range: "), strings.Join(moving, " and "), reached[first.TagValue])
	}
	p(`</svg>`)
	return b.Bytes()
}
