package propagation

import (
	"embed"
	"fmt"
	"strings"
	"sync"
	"text/template"

	"github.com/tagproc/tagproc/istio/lua"
	"github.com/tagproc/tagproc/rules"
)

// The templates of the Lua sources. Operators read what is made of them in the
// configuration of a sidecar.
//
//go:embed *.lua.tmpl
var templateFiles embed.FS

var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{"lua": lua.Quote}).ParseFS(templateFiles, "*.lua.tmpl"))
})

// restoreSource returns the filter that makes headers of members.
func restoreSource(o rules.Owned) (string, error) { return luaSource("restore.lua.tmpl", o) }

// collectSource returns the filter that makes members of headers.
func collectSource(o rules.Owned) (string, error) { return luaSource("collect.lua.tmpl", o) }

func luaSource(name string, data any) (string, error) {
	var b strings.Builder
	if err := templates().ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("couldn't write the Lua source: %w", err)
	}
	return b.String(), nil
}
