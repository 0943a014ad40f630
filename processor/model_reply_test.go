package processor

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

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
