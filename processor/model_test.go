package processor

import (
	"hash/fnv"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"
)

// A fileModel is a rules file, and what it means in the plainest words. It is
// written as JSON, which is YAML.
type fileModel struct {
	TagHeaders      *ownedModel `json:"tagHeaders,omitempty"`
	Propagation     *ownedModel `json:"propagation,omitempty"`
	TrustClientTags bool        `json:"trustClientTags"`
	Rules           []ruleModel `json:"rules"`
}

type ownedModel struct {
	Headers        []string `json:"headers,omitempty"`
	HeaderPrefixes []string `json:"headerPrefixes,omitempty"`
}

type ruleModel struct {
	Name      string          `json:"name"`
	Header    string          `json:"header"`
	Modulo    uint64          `json:"modulo"`
	TagHeader string          `json:"tagHeader"`
	Hash      string          `json:"hash"`
	Salt      string          `json:"salt,omitempty"`
	Mode      string          `json:"mode"`
	Overrides []overrideModel `json:"overrides,omitempty"`
	Policies  []policyModel   `json:"policies"`
}

type overrideModel struct {
	Values   []string `json:"values"`
	TagValue string   `json:"tagValue,omitempty"`
	None     bool     `json:"none,omitempty"`
}

type policyModel struct {
	Range    uint64 `json:"range"`
	TagValue string `json:"tagValue"`
}

// owns reports whether header is a tag header of the file.
func (f *fileModel) owns(header string) bool {
	if f.TagHeaders == nil {
		return slices.ContainsFunc(f.Rules, func(r ruleModel) bool { return r.TagHeader == header })
	}
	return slices.Contains(f.TagHeaders.Headers, header) ||
		slices.ContainsFunc(f.TagHeaders.HeaderPrefixes, func(p string) bool { return strings.HasPrefix(header, p) })
}

var notAlphanumeric = regexp.MustCompile("[^a-z0-9]")

// ownsSpelling reports whether a server that takes all characters for one that are
// neither letters nor digits may see a tag header of the file in header.
func (f *fileModel) ownsSpelling(header string) bool {
	fold := func(name string) string { return notAlphanumeric.ReplaceAllString(name, "_") }
	o := f.ownedHeaders()
	return slices.ContainsFunc(o.Headers, func(h string) bool { return fold(h) == fold(header) }) ||
		slices.ContainsFunc(o.HeaderPrefixes, func(p string) bool { return strings.HasPrefix(fold(header), fold(p)) })
}

// tag returns what the rule says of key, which is not empty.
func (r *ruleModel) tag(key string) string {
	for _, o := range r.Overrides {
		if slices.Contains(o.Values, key) {
			return o.TagValue
		}
	}
	for _, p := range r.Policies {
		if r.bucket(key) < p.Range {
			return p.TagValue
		}
	}
	return ""
}

// bucket returns the bucket of key.
func (r *ruleModel) bucket(key string) uint64 {
	var hash uint64
	if r.Hash == "xxh3" {
		seed := uint64(0)
		if r.Salt != "" {
			seed = xxh3.HashString(r.Salt)
		}
		hash = xxh3.HashStringSeed(key, seed)
	} else {
		h := fnv.New32a()
		h.Write([]byte(key))
		hash = uint64(h.Sum32())
	}
	return hash % r.Modulo
}

// key returns the value of the rule's key, which is the first of them.
func (r *ruleModel) key(headers [][2]string) string {
	if i := slices.IndexFunc(headers, func(h [2]string) bool { return h[0] == r.Header }); i >= 0 {
		return strings.Trim(headers[i][1], " \t")
	}
	return ""
}

// decisions returns what the metadata says of each rule by its name.
func (f *fileModel) decisions(headers [][2]string) map[string]any {
	decided := map[string]bool{} // by tag header
	all := map[string]any{}
	for _, r := range f.Rules {
		d := map[string]any{}
		all[r.Name] = d
		key := r.key(headers)
		named := slices.ContainsFunc(r.Overrides, func(o overrideModel) bool { return slices.Contains(o.Values, key) })
		if r.Mode == "shadow" {
			d["mode"] = r.Mode
		}
		switch {
		case r.Mode == "off":
			d["reason"] = "off"
			continue
		case r.Mode == "enforce" && decided[r.TagHeader]:
			d["reason"] = "superseded"
			continue
		case key == "":
			d["reason"] = "no_key"
			continue
		case named:
			d["reason"] = "override"
		case r.tag(key) == "":
			d["reason"] = "no_policy"
		default:
			d["reason"] = "policy"
		}
		if tag := r.tag(key); tag != "" {
			d["tag"] = tag
		}
		if !named {
			d["bucket"] = float64(r.bucket(key))
		}
		if r.Mode == "enforce" {
			decided[r.TagHeader] = true
		}
	}
	return all
}

// tags returns the outcome for each tag header, "" for none, of the rules that
// apply to a request.
func (f *fileModel) tags(headers [][2]string) map[string]string {
	outcome := map[string]string{}
	for _, r := range f.Rules {
		key := r.key(headers)
		if _, owned := outcome[r.TagHeader]; !owned && r.Mode == "enforce" && key != "" {
			outcome[r.TagHeader] = r.tag(key)
		}
	}
	return outcome
}

// A verdict is what becomes of a request.
type verdict struct {
	applied            // the request, and how many headers are set and removed for it
	outcome     string // of tagproc_messages_total
	headersOnly bool   // tags that should travel as baggage are not in it
}

// result returns what should become of a request. plain says that its values came
// in the field value.
func (f *fileModel) result(headers [][2]string, plain bool, limits Limits) verdict {
	tags := f.tags(headers)
	maps.DeleteFunc(tags, func(_, tag string) bool { return tag == "" })
	known := func(name string) bool {
		return slices.ContainsFunc(f.Rules, func(r ruleModel) bool { return r.TagHeader == name }) ||
			f.TagHeaders != nil && slices.Contains(f.TagHeaders.Headers, name)
	}
	try := func(withTags, withMembers bool) (a applied, says, fits bool) {
		a.headers = slices.Clone(headers)
		var removes []string
		for name, tag := range tags {
			var sent []string
			for _, h := range headers {
				if h[0] == name {
					sent = append(sent, h[1])
				}
			}
			switch {
			case slices.Equal(sent, []string{tag}):
				// already so
			case withTags:
				a.remove(name)
				a.headers = append(a.headers, [2]string{name, tag})
				a.sets++
				says = true
			case len(sent) > 0 && !f.TrustClientTags:
				removes = append(removes, name)
			}
		}
		for _, h := range headers {
			if _, set := tags[h[0]]; !set && !f.TrustClientTags && envoyAccepts(h[0]) && f.ownsSpelling(h[0]) && !slices.Contains(removes, h[0]) {
				removes = append(removes, h[0])
			}
		}
		if withTags || !f.TrustClientTags {
			says = f.applyBaggage(&a, tags, plain, withMembers) || says
		}
		// Of more names than Envoy removes, those owned by prefix alone stay, and
		// with them no tag is set.
		left := 0
		for _, first := range []bool{true, false} {
			for _, name := range removes {
				switch {
				case known(name) != first:
				case first || a.sets+a.removes < limits.MaxHeaders:
					a.remove(name)
					a.removes++
				default:
					left++
				}
			}
		}
		size := 0
		for _, h := range a.headers {
			size += len(h[0]) + len(h[1])
		}
		return a, says, (left == 0 || !withTags) && a.sets+a.removes <= limits.MaxHeaders && len(a.headers) <= limits.MaxHeaders && size <= limits.MaxHeaderBytes
	}
	members := f.members(tags)
	for _, withMembers := range []bool{true, false} {
		a, says, fits := try(true, withMembers)
		v := verdict{applied: a, headersOnly: !withMembers && len(members) > 0}
		switch {
		case withMembers && len(members) > 0 && !fitsBaggage(f.othersIn(headers, tags, plain), members):
		case a.sets+a.removes == 0:
			v.outcome = "unchanged"
			return v
		case fits && says:
			v.outcome = "tagged"
			return v
		case fits:
			v.outcome = "cleaned"
			return v
		}
	}
	if a, _, fits := try(false, false); fits {
		return verdict{applied: a, outcome: "over_limits"}
	}
	return verdict{applied: applied{headers: headers}, outcome: "over_limits"}
}
