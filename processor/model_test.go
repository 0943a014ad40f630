package processor

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/zeebo/xxh3"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
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

var (
	modelKeys   = []string{"x-user-id", "x-device"}
	modelTags   = []string{"x-asm-prefer-tag", "appver-a", "appver-b", "lane"}
	modelUsers  = []string{"jason", "jessie", "jack", "bob", "stacy", "vance", "0001", "0005", "\xff\xfe", "", " jack", "jason \t", "\tbob", " ", "\t \t"}
	modelValues = []string{"s1", "s2", "v2"}
)

// drawFile draws a valid rules file.
func drawFile(t *rapid.T) *fileModel {
	f := &fileModel{TrustClientTags: rapid.IntRange(0, 4).Draw(t, "trust") == 0}
	for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
		r := ruleModel{
			Name:      fmt.Sprint("rule-", i),
			Header:    rapid.SampledFrom(modelKeys).Draw(t, "header"),
			Modulo:    rapid.SampledFrom([]uint64{1, 2, 7, 100, 1_000_000}).Draw(t, "modulo"),
			TagHeader: rapid.SampledFrom(modelTags).Draw(t, "tagHeader"),
			Hash:      rapid.SampledFrom([]string{"fnv1a32", "xxh3"}).Draw(t, "hash"),
			Mode:      rapid.SampledFrom([]string{"enforce", "enforce", "enforce", "shadow", "off"}).Draw(t, "mode"),
		}
		if r.Hash == "xxh3" {
			r.Salt = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "salt")
		}
		if rapid.Bool().Draw(t, "override") {
			o := overrideModel{Values: []string{rapid.SampledFrom(modelUsers[:8]).Draw(t, "user")}}
			if o.None = rapid.Bool().Draw(t, "none"); !o.None {
				o.TagValue = rapid.SampledFrom(modelValues).Draw(t, "tagValue")
			}
			r.Overrides = []overrideModel{o}
		}
		for range rapid.IntRange(1, 3).Draw(t, "policies") {
			r.Policies = append(r.Policies, policyModel{
				Range:    rapid.Uint64Range(0, r.Modulo).Draw(t, "range"),
				TagValue: rapid.SampledFrom(modelValues).Draw(t, "tagValue"),
			})
		}
		f.Rules = append(f.Rules, r)
	}
	if f.Rules == nil {
		f.Rules = []ruleModel{}
	}
	switch rapid.IntRange(0, 2).Draw(t, "propagation") {
	case 1:
		f.Propagation = &ownedModel{Headers: []string{"lane", "appver-a", "retired"}}
	case 2:
		f.Propagation = &ownedModel{Headers: []string{"X-Asm-Prefer-Tag"}, HeaderPrefixes: []string{"appver-", "o"}}
	}
	switch rapid.IntRange(0, 2).Draw(t, "tagHeaders") {
	case 1:
		f.TagHeaders = &ownedModel{Headers: append([]string{"retired"}, modelTags...)}
	case 2:
		f.TagHeaders = &ownedModel{Headers: []string{"x-asm-prefer-tag", "lane"}, HeaderPrefixes: []string{"appver", "old-"}}
	}
	return f
}

// drawHeaders draws the headers of a request.
func drawHeaders(t *rapid.T) [][2]string {
	names := slices.Concat(modelKeys, modelTags, []string{
		"retired", "x_asm_prefer_tag", "x.asm-prefer_tag", "x-asm~prefer-tag", "xxasm-prefer-tag", "x_asm_prefer_tags", "appver_a", "appver.b", "old_lane", "old", "appver", "appver-old", "appver-\xff", "appver A", "old-", "old-lane", "accept", "cookie", ":path", "x-user-ie", "",
		"x-" + strings.Repeat("long", 20),
	})
	var headers [][2]string
	for range rapid.IntRange(0, 12).Draw(t, "headers") {
		headers = append(headers, [2]string{
			rapid.SampledFrom(names).Draw(t, "name"),
			rapid.SampledFrom(slices.Concat(modelUsers, modelValues, []string{"a%2,;=+\\\"b", "a b", strings.Repeat("%", 256), strings.Repeat("x", 257)})).Draw(t, "value"),
		})
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 1, 1, 2, 3}).Draw(t, "baggage headers") {
		headers = append(headers, [2]string{"baggage", drawBaggage(t)})
	}
	return headers
}

// encodeHeaders returns a ProcessingRequest for headers, which need not be
// UTF-8.
func encodeHeaders(headers [][2]string, plain bool) []byte {
	valueField := protowire.Number(3)
	if plain {
		valueField = 2
	}
	var m []byte
	for _, h := range headers {
		var e []byte
		e = protowire.AppendString(protowire.AppendTag(e, 1, protowire.BytesType), h[0])
		e = protowire.AppendString(protowire.AppendTag(e, valueField, protowire.BytesType), h[1])
		m = protowire.AppendBytes(protowire.AppendTag(m, 1, protowire.BytesType), e)
	}
	m = protowire.AppendBytes([]byte{0x0a}, m)
	return protowire.AppendBytes([]byte{0x12}, m)
}

// replyEqualsModel draws a rules file and requests, and compares what Envoy
// makes of the replies with the model.
func replyEqualsModel(t *rapid.T) {
	f := drawFile(t)
	src, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	table, problems := rules.Load("model.yaml", src, rules.Options{})
	if table == nil {
		t.Fatalf("%v in %s", problems.Err(), src)
	}
	limits := Limits{
		MaxHeaders:     rapid.SampledFrom([]int{100, 100, 100, 10, 6, 3, 1}).Draw(t, "max headers"),
		MaxHeaderBytes: rapid.SampledFrom([]int{60 << 10, 60 << 10, 100, 50}).Draw(t, "max bytes"),
	}
	p := New(Options{Limits: limits, Metadata: rapid.Bool().Draw(t, "metadata")})
	p.SetTable(table)
	headersOnly := 0.0
	for range 3 { // with the same scratch
		headers := drawHeaders(t)
		plain := rapid.Bool().Draw(t, "plain")
		// Without any value there is no telling which field Envoy uses.
		plain = plain && slices.ContainsFunc(headers, func(h [2]string) bool { return h[1] != "" })
		d := contract.Direction(rapid.IntRange(0, int(directions)-1).Draw(t, "direction"))
		reply, more := p.NewStreamOf(d).Reply(nil, encodeHeaders(headers, plain))
		if more {
			t.Fatalf("%v: Reply(%q) keeps the stream open", d, headers)
		}
		got, err := envoyApply(headers, plain, limits, reply)
		if err != nil {
			t.Fatalf("%v: Reply(%q) = %x with %s, but %v", d, headers, reply, src, err)
		}
		v := f.verdict(d, headers, plain, limits)
		want := v.applied
		if p.metadata {
			want.metadata = f.metadata(d, headers, v.outcome, table.Digest())
		}
		if v.headersOnly {
			headersOnly++
		}
		if n := testutil.ToFloat64(p.metrics.baggageOverLimits); n != headersOnly {
			t.Fatalf("after %q, %v, with %s and %+v tagproc_baggage_over_limits_total = %v, want %v", headers, d, src, limits, n, headersOnly)
		}
		for _, a := range []*applied{&got, &want} {
			slices.SortFunc(a.headers, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(applied{})); diff != "" {
			t.Fatalf("%v: the reply to %q with %s and %+v is wrong (-want +got):\n%s", d, headers, src, limits, diff)
		}
	}
}

func TestReplyEqualsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, replyEqualsModel)
}

// FuzzReply begins with bytes enough for everything that is drawn: of an input
// that is too short nothing is learnt.
func FuzzReply(f *testing.F) {
	for seed := range byte(30) {
		data := make([]byte, 4<<10)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
		f.Add(data)
	}
	f.Fuzz(rapid.MakeFuzz(replyEqualsModel))
}
