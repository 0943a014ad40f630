package propagation

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/tagproc/tagproc/rules"
)

// The templates of the Lua sources. Operators read what is made of them in the
// configuration of a sidecar.
//
//go:embed *.lua.tmpl
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"lua":     quote,
	"present": func(h rules.HeaderMatch) bool { return h.Test == rules.HeaderPresent },
}).ParseFS(templateFiles, "*.lua.tmpl"))

// restoreSource returns the filter that makes headers of members.
func restoreSource(o rules.Owned) (string, error) { return luaSource("restore.lua.tmpl", o) }

// collectSource returns the filter that makes members of headers.
func collectSource(o rules.Owned) (string, error) { return luaSource("collect.lua.tmpl", o) }

// recomputeSource returns the filter that decides by the rules of t that are
// enforced.
func recomputeSource(t *rules.Table) (string, error) {
	data := struct {
		Digest           string
		Rules            []rules.Rule
		Cookies, Matches bool // some rule needs them
	}{Digest: t.Digest(), Rules: enforced(t)}
	for _, r := range data.Rules {
		data.Cookies = data.Cookies || slices.ContainsFunc(r.Keys, func(k rules.Key) bool { return k.Source == rules.KeyCookie })
		data.Matches = data.Matches || len(r.Match.Headers) > 0
	}
	return luaSource("recompute.lua.tmpl", data)
}

func luaSource(name string, data any) (string, error) {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("couldn't write the Lua source: %w", err)
	}
	return b.String(), nil
}

// enforced returns the rules that write tags.
func enforced(t *rules.Table) (enforced []rules.Rule) {
	for _, r := range t.Rules() {
		if r.Mode == rules.ModeEnforce {
			enforced = append(enforced, r)
		}
	}
	return enforced
}

// quote returns s as a literal of Lua, in printable ASCII alone: what else there is,
// quotes and line breaks included, is written as the number of its byte.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, `\%03d`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
