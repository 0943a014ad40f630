package processor

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// modelMember is a member in the plainest words: its name, and the value without
// properties.
var modelMember = regexp.MustCompile(`(?s)^[ \t]*([A-Za-z0-9._-]{1,256})[ \t]*=[ \t]*(.*?)[ \t]*(?:;.*)?$`)

// baggageParts returns what stands between the commas of all baggage in headers, but
// for what is empty.
func baggageParts(headers [][2]string) []string {
	var parts []string
	for _, h := range headers {
		if h[0] == "baggage" {
			parts = append(parts, strings.Split(h[1], ",")...)
		}
	}
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

// restored returns what the baggage in headers says of the headers that travel.
func (f *fileModel) restored(headers [][2]string) map[string]string {
	tags, seen := map[string]string{}, map[string]bool{}
	parts := baggageParts(headers)
	for _, part := range parts[:min(len(parts), 64)] {
		m := modelMember.FindStringSubmatch(part)
		if m == nil {
			continue
		}
		name := strings.ToLower(m[1])
		if seen[name] || !f.propagates(name) {
			continue
		}
		seen[name] = true
		value := escape.ReplaceAllStringFunc(m[2], decodeEscape)
		if isModelTag(value) {
			tags[name] = value
		}
	}
	return tags
}

func isModelTag(value string) bool {
	outside := func(r rune) bool { return r <= ' ' || r > '~' }
	return value != "" && len(value) <= 256 && !strings.ContainsFunc(value, outside)
}

// verdict returns what should become of a request of a direction.
func (f *fileModel) verdict(d Direction, headers [][2]string, plain bool, limits Limits) verdict {
	if d == Gateway {
		return f.result(headers, plain, limits)
	}
	return f.atHop(d, headers, plain, limits)
}

// metadata returns what the metadata says of such a request; nil: there is none.
func (f *fileModel) metadata(d Direction, headers [][2]string, outcome, digest string) map[string]any {
	rules := map[string]any{}
	switch d {
	case Gateway, Recompute:
		rules = f.decisions(headers)
	case unknownDirection:
		return nil
	}
	return map[string]any{"outcome": outcome, "rulesDigest": digest, "rules": rules}
}

// atHop returns what should become of a request at a sidecar.
func (f *fileModel) atHop(d Direction, headers [][2]string, plain bool, limits Limits) verdict {
	a := applied{headers: slices.Clone(headers)}
	outcome, headersOnly := "tagged", false
	switch d {
	case Restore, Recompute:
		tags := f.restored(headers)
		if d == Recompute {
			for name, tag := range f.tags(headers) {
				_, restored := tags[name]
				if there := slices.ContainsFunc(headers, func(h [2]string) bool { return h[0] == name }); tag != "" && !restored && !there {
					tags[name] = tag
				}
			}
		}
		for name, tag := range tags {
			a.put(name, tag)
		}
	case Collect:
		headersOnly = f.collect(&a, plain)
		if headersOnly {
			outcome = "cleaned"
		}
	}
	size := 0
	for _, h := range a.headers {
		size += len(h[0]) + len(h[1])
	}
	switch {
	case a.sets+a.removes == 0:
		outcome = "unchanged"
	case a.sets+a.removes > limits.MaxHeaders || len(a.headers) > limits.MaxHeaders || size > limits.MaxHeaderBytes:
		a, outcome = applied{headers: headers}, "over_limits"
	}
	return verdict{applied: a, outcome: outcome, headersOnly: headersOnly}
}

// collect makes members of the headers in a, and reports whether they do not fit.
func (f *fileModel) collect(a *applied, plain bool) (over bool) {
	isTag := map[string]bool{}
	var members []string
	for _, h := range a.headers {
		if _, seen := isTag[h[0]]; seen || !f.propagates(h[0]) || strings.Trim(h[0], "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			continue
		}
		if isTag[h[0]] = isModelTag(h[1]); isTag[h[0]] {
			encoded := strings.NewReplacer("%", "%25", `"`, "%22", ",", "%2C", ";", "%3B", `\`, "%5C", "+", "%2B", "=", "%3D").Replace(h[1])
			members = append(members, h[0]+"="+encoded)
		}
	}
	if len(members) == 0 {
		return false
	}
	var others []string
	for _, part := range baggageParts(a.headers) {
		part = strings.Trim(part, " \t")
		name := strings.ToLower(modelMember.ReplaceAllString(part, "$1"))
		control := strings.ContainsFunc(part, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
		if part != "" && !(modelMember.MatchString(part) && isTag[name]) && !control && (!plain || utf8.ValidString(part)) {
			others = append(others, part)
		}
	}
	value := strings.Join(slices.Concat(members, others), ",")
	if over = len(members)+len(others) > 64 || len(value) > 8192; over {
		value = strings.Join(others, ",")
	}
	if value != "" {
		a.put("baggage", value)
	} else if slices.ContainsFunc(a.headers, func(h [2]string) bool { return h[0] == "baggage" }) {
		a.remove("baggage")
		a.removes++
	}
	return over
}

// put makes a header of a the only one of its name, if it is not so.
func (a *applied) put(name, value string) {
	var there []string
	for _, h := range a.headers {
		if h[0] == name {
			there = append(there, h[1])
		}
	}
	if slices.Equal(there, []string{value}) {
		return
	}
	a.remove(name)
	a.headers = append(a.headers, [2]string{name, value})
	a.sets++
}
