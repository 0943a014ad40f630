package rollout

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// A drawnRule is a rule of a generated file.
type drawnRule struct {
	modulo     int
	partitions bool
	policies   []drawnPolicy
	overrides  map[string][]string // users by tag
	mode       string
}

type drawnPolicy struct {
	tag       string
	from, end int
	hasFrom   bool
	ramp      []int // ranges at instants a day apart, the first one of the past
}

func drawRule(t *rapid.T) drawnRule {
	r := drawnRule{modulo: rapid.SampledFrom([]int{100, 10, 1000, 3, 7}).Draw(t, "modulo"), overrides: map[string][]string{}}
	r.partitions = rapid.IntRange(0, 3).Draw(t, "form") == 0
	r.mode = rapid.SampledFrom([]string{"", "", "enforce", "off", "shadow"}).Draw(t, "mode")
	left := r.modulo
	for i := range rapid.IntRange(1, 4).Draw(t, "policies") {
		p := drawnPolicy{tag: fmt.Sprintf("s%d", i)}
		switch {
		case r.partitions:
			p.end = rapid.IntRange(0, left).Draw(t, "size")
			left -= p.end
		default:
			p.end = rapid.IntRange(0, r.modulo).Draw(t, "range")
			if p.hasFrom = rapid.IntRange(0, 3).Draw(t, "hasFrom") == 0; p.hasFrom {
				p.from = rapid.IntRange(0, p.end).Draw(t, "from")
			}
			if rapid.IntRange(0, 4).Draw(t, "hasRamp") == 0 {
				p.ramp = rapid.SliceOfN(rapid.IntRange(p.from, r.modulo), 1, 3).Draw(t, "ramp")
				slices.Sort(p.ramp)
			}
		}
		r.policies = append(r.policies, p)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "users") {
		tag := rapid.SampledFrom(r.policies).Draw(t, "tag").tag
		r.overrides[tag] = append(r.overrides[tag], fmt.Sprintf("user%d", i))
	}
	return r
}

// An entry is a key and a value: a text, or a list of lists of entries.
type entry struct {
	key  string
	text string
	list [][]entry
}

func (r drawnRule) entries(t *rapid.T, name string) (out []entry) {
	out = []entry{{key: "name", text: name}, {key: "header", text: "x-user-id"}, {key: "tagHeader", text: "x-tag-" + name}, {key: "modulo", text: fmt.Sprint(r.modulo)}}
	if r.mode != "" {
		out = append(out, entry{key: "mode", text: r.mode})
	}
	var overrides [][]entry
	for _, p := range r.policies {
		if users := r.overrides[p.tag]; users != nil {
			overrides = append(overrides, []entry{{key: "values", text: "[" + strings.Join(users, ", ") + "]"}, {key: "tagValue", text: p.tag}})
		}
	}
	if overrides != nil {
		out = append(out, entry{key: "overrides", list: overrides})
	}
	key, size := "policies", "range"
	if r.partitions {
		key, size = "partitions", "partitionSize"
	}
	var policies [][]entry
	for _, p := range r.policies {
		var one []entry
		if p.hasFrom {
			one = append(one, entry{key: "from", text: fmt.Sprint(p.from)})
		}
		if p.ramp == nil {
			one = append(one, entry{key: size, text: fmt.Sprint(p.end)})
		} else {
			ramp := entry{key: "ramp"}
			for i, rng := range p.ramp {
				at := now.Add(time.Duration(i)*24*time.Hour - time.Hour).Format(time.RFC3339)
				ramp.list = append(ramp.list, []entry{{key: "at", text: at}, {key: "range", text: fmt.Sprint(rng)}})
			}
			one = append(one, ramp)
		}
		one = append(one, entry{key: "tagValue", text: p.tag})
		if rapid.Bool().Draw(t, "order") {
			slices.Reverse(one)
		}
		policies = append(policies, one)
	}
	return append(out, entry{key: key, list: policies})
}

// A style writes entries as a person might.
type style struct {
	t    *rapid.T
	json bool
	deep string // of lists below their keys
}

func (s style) value(text string) string {
	switch {
	case strings.HasPrefix(text, "["):
		if s.json {
			return regexp.MustCompile(`\w+`).ReplaceAllString(text, `"$0"`)
		}
		return text
	case regexp.MustCompile(`^\d+$`).MatchString(text):
		return text
	case s.json:
		return `"` + text + `"`
	default:
		quote := rapid.SampledFrom([]string{"", "", "'", `"`}).Draw(s.t, "quote")
		return quote + text + quote
	}
}

func (s style) comment() string {
	return rapid.SampledFrom([]string{"", "", " # 12 apples, {7}"}).Draw(s.t, "comment")
}

func (s style) flow(entries []entry) string {
	var parts []string
	for _, e := range entries {
		key, value := e.key, s.value(e.text)
		if s.json {
			key = `"` + key + `"`
		}
		if e.list != nil {
			var items []string
			for _, item := range e.list {
				items = append(items, s.flow(item))
			}
			value = "[" + strings.Join(items, ", ") + "]"
		}
		parts = append(parts, key+": "+value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// block returns the lines of entries; those of a list begin with indent and a dash.
func (s style) block(entries []entry, indent string) (lines []string) {
	for _, e := range entries {
		if rapid.IntRange(0, 9).Draw(s.t, "above") == 0 {
			lines = append(lines, indent+"# 3 lines above")
		}
		if e.list == nil {
			lines = append(lines, indent+e.key+": "+s.value(e.text)+s.comment())
			continue
		}
		lines = append(lines, indent+e.key+":"+s.comment())
		for _, item := range e.list {
			dash := indent + s.deep + "- "
			if rapid.Bool().Draw(s.t, "flow") {
				lines = append(lines, dash+s.flow(item)+s.comment())
				continue
			}
			of := s.block(item, indent+s.deep+"  ")
			for len(of) > 0 && strings.HasPrefix(strings.TrimSpace(of[0]), "#") {
				lines, of = append(lines, of[0]), of[1:]
			}
			lines = append(append(lines, dash+strings.TrimLeft(of[0], " ")), of[1:]...)
		}
	}
	return lines
}

// envelopes write a list of rules into a file: around says what stands above it, and at which
// indentation it begins.
var envelopes = map[string]struct{ head, indent string }{
	"bare":             {"# head 1\n", ""},
	"ConfigMap":        {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  other: '5'\n  rules.yaml: |\n", "    "},
	"WasmPlugin":       {"apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata:\n  name: x # 1\nspec:\n  priority: 10\n  pluginConfig:\n", "    "},
	"TrafficExtension": {"apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: x}\nspec:\n  wasm:\n    pluginConfig:\n", "      "},
	"ASMHashTagging":   {"apiVersion: istio.alibabacloud.com/v1\nkind: ASMHashTagging\nmetadata: {name: x}\nspec:\n", "  "},
	"List":             {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: extensions.istio.io/v1alpha1\n  kind: WasmPlugin\n  metadata: {name: x}\n  spec:\n    pluginConfig:\n", "      "},
	"JSON":             {"", ""},
	"JSON over lines":  {"", ""},
}

func drawFile(t *rapid.T, envelope string) (string, []drawnRule) {
	drawn := []drawnRule{drawRule(t)}
	list := [][]entry{drawn[0].entries(t, "a")}
	if rapid.Bool().Draw(t, "second") {
		drawn = append(drawn, drawRule(t))
		list = append(list, drawn[1].entries(t, "b"))
	}
	top := []entry{{key: "rules", list: list}}
	s := style{t: t, deep: rapid.SampledFrom([]string{"", "  "}).Draw(t, "deep")}
	if strings.HasPrefix(envelope, "JSON") {
		s.json = true
		src := s.flow(top)
		if envelope == "JSON over lines" {
			var v json.RawMessage = []byte(src)
			indented, err := json.MarshalIndent(v, "", "\t"[:1])
			if err != nil {
				t.Fatal(err)
			}
			src = strings.ReplaceAll(string(indented), "\t", "  ")
		}
		return src, drawn
	}
	e := envelopes[envelope]
	src := e.head + strings.Join(s.block(top, e.indent), "\n")
	if rapid.Bool().Draw(t, "end") {
		src += "\n"
	}
	if rapid.Bool().Draw(t, "DOS") {
		src = strings.ReplaceAll(src, "\n", "\r\n")
	}
	return src, drawn
}
