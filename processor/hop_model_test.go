package processor

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/contract"
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
func (f *fileModel) verdict(d contract.Direction, headers [][2]string, plain bool, limits Limits) verdict {
	if d == contract.Gateway {
		return f.result(headers, plain, limits)
	}
	return f.atHop(d, headers, plain, limits)
}

// metadata returns what the metadata says of such a request; nil: there is none.
func (f *fileModel) metadata(d contract.Direction, headers [][2]string, outcome, digest string) map[string]any {
	rules := map[string]any{}
	switch d {
	case contract.Gateway, contract.Recompute:
		rules = f.decisions(headers)
	case contract.UnknownDirection:
		return nil
	}
	return map[string]any{"outcome": outcome, "rulesDigest": digest, "rules": rules}
}

// atHop returns what should become of a request at a sidecar.
func (f *fileModel) atHop(d contract.Direction, headers [][2]string, plain bool, limits Limits) verdict {
	a := applied{headers: slices.Clone(headers)}
	outcome, headersOnly := "tagged", false
	switch d {
	case contract.Restore, contract.Recompute:
		tags := f.restored(headers)
		if d == contract.Recompute {
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
	case contract.Collect:
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

// propagates reports whether header is a tag header that travels as baggage.
func (f *fileModel) propagates(header string) bool {
	if f.Propagation == nil || !f.owns(header) {
		return false
	}
	is := func(s string) bool { return strings.EqualFold(s, header) }
	begins := func(s string) bool { return strings.HasPrefix(header, s) }
	return slices.ContainsFunc(f.Propagation.Headers, is) || slices.ContainsFunc(f.Propagation.HeaderPrefixes, begins)
}

// members returns what is written for tags: in the order of the tag headers, each
// as modelValues need it.
func (f *fileModel) members(tags map[string]string) (members []string) {
	var seen []string
	for _, r := range f.Rules {
		if tag := tags[r.TagHeader]; tag != "" && f.propagates(r.TagHeader) && !slices.Contains(seen, r.TagHeader) {
			seen = append(seen, r.TagHeader)
			members = append(members, r.TagHeader+"="+url.QueryEscape(tag))
		}
	}
	return members
}

var (
	escape     = regexp.MustCompile("%[0-9a-fA-F]{2}")
	separators = regexp.MustCompile("[^!#$%&'*+.^_`|~0-9A-Za-z-]+") // of tokens
)

// decodeEscape decodes what matches escape.
func decodeEscape(e string) string {
	decoded, err := url.PathUnescape(e)
	if err != nil {
		panic(err)
	}
	return decoded
}

// isTag reports whether a member might be seen as one of a tag: of any if clients
// are not trusted, else of one of tags.
func (f *fileModel) isTag(member string, tags map[string]string) bool {
	text := strings.TrimLeft(member, "= \t")
	once, always := strings.NewReplacer(" ", "", "\t", ""), strings.NewReplacer(" ", "", "\t", "", "+", "")
	for _, seen := range []struct {
		text    string
		squeeze *strings.Replacer // as often as it is decoded
	}{{text, strings.NewReplacer()}, {once.Replace(text), strings.NewReplacer()}, {always.Replace(text), always}} {
		text := seen.text
		for escape.MatchString(text) {
			text = seen.squeeze.Replace(escape.ReplaceAllStringFunc(text, decodeEscape))
		}
		if end := strings.LastIndexByte(text, '='); end >= 0 {
			text = text[:end]
		}
		for _, token := range separators.Split(text, -1) {
			if f.propagatesSpelling(strings.ToLower(strings.Trim(token, "+")), tags) {
				return true
			}
		}
	}
	return false
}

// propagatesSpelling reports whether a tag header that travels may be seen in token,
// in any spelling; where clients are trusted, whether one of tags may.
func (f *fileModel) propagatesSpelling(token string, tags map[string]string) bool {
	fold := func(name string) string { return notAlphanumeric.ReplaceAllString(name, "-") }
	if f.TrustClientTags {
		for header, tag := range tags {
			if tag != "" && f.propagates(header) && fold(header) == fold(token) {
				return true
			}
		}
		return false
	}
	folded := fileModel{TagHeaders: &ownedModel{}, Propagation: &ownedModel{}}
	for _, pair := range []struct {
		from *ownedModel
		to   *ownedModel
	}{{f.ownedHeaders(), folded.TagHeaders}, {f.Propagation, folded.Propagation}} {
		if pair.from == nil {
			return false
		}
		for _, name := range pair.from.Headers {
			pair.to.Headers = append(pair.to.Headers, fold(strings.ToLower(name)))
		}
		for _, prefix := range pair.from.HeaderPrefixes {
			pair.to.HeaderPrefixes = append(pair.to.HeaderPrefixes, fold(prefix))
		}
	}
	return folded.propagates(fold(token))
}

// ownedHeaders returns the tag headers of the file.
func (f *fileModel) ownedHeaders() *ownedModel {
	if f.TagHeaders != nil {
		return f.TagHeaders
	}
	o := &ownedModel{}
	for _, r := range f.Rules {
		o.Headers = append(o.Headers, r.TagHeader)
	}
	return o
}

// othersIn returns what stands between the commas of the baggage in headers, but
// for tags and for what cannot be written.
func (f *fileModel) othersIn(headers [][2]string, tags map[string]string, plain bool) (others []string) {
	for _, h := range headers {
		if h[0] != "baggage" {
			continue
		}
		for part := range strings.SplitSeq(h[1], ",") {
			control := strings.ContainsFunc(part, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
			if !control && !f.isTag(part, tags) && (!plain || utf8.ValidString(part)) {
				others = append(others, part)
			}
		}
	}
	return others
}

func isBlank(part string) bool { return strings.Trim(part, " \t") == "" }

func joinBaggage(parts []string) string {
	if !slices.ContainsFunc(parts, func(p string) bool { return !isBlank(p) }) {
		return ""
	}
	return strings.Trim(strings.Join(parts, ","), " \t")
}

// fitsBaggage reports whether members may be written before others.
func fitsBaggage(others, members []string) bool {
	count := len(members)
	for _, o := range others {
		if !isBlank(o) {
			count++
		}
	}
	return count <= 64 && len(joinTagged(members, others)) <= 8192
}

func joinTagged(members, others []string) string {
	if joinBaggage(others) == "" {
		return strings.Join(members, ",")
	}
	return joinBaggage(slices.Concat(members, others))
}

// applyBaggage makes the baggage in a what it should be, and reports whether it now
// says tags that it did not say before.
func (f *fileModel) applyBaggage(a *applied, tags map[string]string, plain, withMembers bool) (says bool) {
	members := f.members(tags)
	if !withMembers {
		members = nil
	}
	others := f.othersIn(a.headers, tags, plain)
	var values []string
	forged := false
	for _, h := range a.headers {
		if h[0] == "baggage" {
			values = append(values, h[1])
			forged = forged || slices.ContainsFunc(strings.Split(h[1], ","), func(part string) bool { return f.isTag(part, tags) })
		}
	}
	value := joinTagged(members, others)
	if len(members) == 0 && !forged || slices.Equal(values, []string{value}) {
		return false
	}
	a.remove("baggage")
	if value == "" {
		a.removes++
		return false
	}
	a.headers = append(a.headers, [2]string{"baggage", value})
	a.sets++
	return len(members) > 0
}

// drawBaggage draws the value of a header.
func drawBaggage(t *rapid.T) string {
	member := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", " ", "a=1", " b = 2;p;q=%20 ", "c", "d=\xff", "e=\x00", "appver=1", "lanes=1", "%zz=1",
			"lane=s2", "lane=s1", "appver-a=v2", "APPVER-A = s1;p", "l%61ne=s9", "lane", "+lane=1", "l ane=1", "l+ane=1", "l%2520ane=1", "%6%20Cane=1", "x%2Clane=1", "retired=1", "old-1=1", "x-asm-prefer-tag=s2",
			"lane = s%32 ;p", "lane=a b", "LANE==%3d%", "lane=", "lane=%0d%0a", "appver-b=%C3%A9", "appver.x_1=" + strings.Repeat("%41", 256), "lane=" + strings.Repeat("x", 257), "appver" + strings.Repeat("n", 251) + "=1",
			strings.Repeat("m=1,", 61) + "m=1", strings.Repeat("n", 8150),
		}),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%s%s=%s", rapid.SampledFrom([]string{"", "%20", "\t"}).Draw(t, "before"), rapid.SampledFrom(modelTags).Draw(t, "name"), rapid.SampledFrom(modelValues).Draw(t, "value"))
		}),
	)
	return strings.Join(rapid.SliceOfN(member, 0, 5).Draw(t, "baggage"), ",")
}
