package gateway

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/lua"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// A DataPath is what decides the tags of a request.
type DataPath string

// The data paths.
const (
	// ExtProc asks tagproc, whose rules are edited while it runs.
	ExtProc DataPath = "ext_proc"
	// Lua is the rules as a program in Envoy. An edit of them is one of its
	// configuration.
	Lua DataPath = "lua"
)

// DataPaths returns all data paths.
func DataPaths() []DataPath { return []DataPath{ExtProc, Lua} }

// luaFilter returns the filter that decides by the rules of t. It has tagproc's name, and
// the metadata of tagproc's, so that access logs are the same.
func luaFilter(t *rules.Table, b Behaviour) (*manifest.Tree, error) {
	source, err := lua.Gateway(t, b.StripClientBaggage)
	if err != nil {
		return nil, err
	}
	filter, err := envoyfilter.HTTPFilter(contract.GatewayFilter, &luav3.Lua{
		StatPrefix:        contract.GatewayFilter,
		DefaultSourceCode: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: source}},
	})
	if err != nil {
		return nil, err
	}
	return filter.Comment("The rules with the digest "+t.Digest()+", as a program in Envoy: nobody is asked. After\n"+
		"every edit of the rules, render it again. Named users' ids stand in it.", envoyfilter.TypedConfig), nil
}

// luaWarnings returns what to know of rules that are in Lua.
func luaWarnings(t *rules.Table) (warnings []string) {
	if source, err := lua.Gateway(t, true); err == nil && len(source) > lua.RecommendedSize {
		warnings = append(warnings, fmt.Sprintf("the rules are %d KiB of Lua, which each thread of Envoy holds; name fewer users, or use --data-path=%s", len(source)>>10, ExtProc))
	}
	return warnings
}
