package lint

import (
	"fmt"
	"slices"
	"strings"

	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A cookieWriter is the filter that writes what tagproc gives visitors into the
// response.
type cookieWriter struct {
	patch

	config *headermutationv3.HeaderMutation
}

// addCookieWriter reads a header_mutation filter if it has to do with visitors.
func (m *model) addCookieWriter(p patch) {
	text, err := p.value().get().YAML(source.MaxFileSize)
	if err != nil || !strings.Contains(string(text), contract.VisitorNamespace) {
		return
	}
	w := &cookieWriter{patch: p, config: &headermutationv3.HeaderMutation{}}
	if m.decodeConfig(&p, w.config) {
		m.writers = append(m.writers, w)
	}
}

// writes reports whether a filter appends a value that tagproc gives to a header of the
// response.
func (m *model) writes(header, key string) bool {
	value := "%DYNAMIC_METADATA(" + contract.VisitorNamespace + ":" + key + ")%"
	return slices.ContainsFunc(m.writers, func(w *cookieWriter) bool {
		for _, r := range w.config.GetMutations().GetResponseMutations() {
			if h := r.GetAppend().GetHeader(); strings.EqualFold(h.GetKey(), header) && h.GetValue() == value {
				return true
			}
		}
		return false
	})
}

// writer returns the place of the filter that writes what visitors are given, or of
// the one that asks tagproc.
func (m *model) writer() place {
	if len(m.writers) > 0 {
		return m.writers[0].typed("mutations", "response_mutations")
	}
	return m.filters[0].part()
}

// visitorCookie finds cookies of visitors that no response has.
func visitorCookie(m *model, found found) {
	for _, s := range m.sets() {
		for i, v := range s.table.Visitors() {
			const effect = "its visitors never get the cookie, so each of their requests may reach another version"
			for _, f := range m.filters {
				if i == 0 && !slices.Contains(f.config.GetMetadataOptions().GetReceivingNamespaces().GetUntyped(), contract.VisitorNamespace) {
					found(f.part("metadata_options"), fmt.Sprintf("Envoy drops what tagproc gives visitors (%s): %s", s.visitor(v.Cookie), effect),
						fmt.Sprintf("add %s to receiving_namespaces.untyped, or %s", contract.VisitorNamespace, m.renderAgain()))
				}
			}
			if key := contract.SetCookieKey(i); !m.writes("set-cookie", key) {
				found(m.writer(), fmt.Sprintf("no filter writes the cookie %s (%s) into the response: %s", source.Shorten(v.Cookie), s.visitor(v.Cookie), effect),
					fmt.Sprintf("append set-cookie: \"%%DYNAMIC_METADATA(%s:%s)%%\" in a header_mutation filter, or %s", contract.VisitorNamespace, key, m.renderAgain()))
			}
		}
	}
}

// visitorCache finds responses with a visitor's cookie that caches may give to others.
func visitorCache(m *model, found found) {
	for _, s := range m.sets() {
		if len(s.table.Visitors()) > 0 && len(m.writers) > 0 && !m.writes("cache-control", contract.CacheControlKey) {
			found(m.writer(), "no filter writes cache-control: private beside the cookie of a visitor: a shared cache may give it to others",
				fmt.Sprintf("append cache-control: \"%%DYNAMIC_METADATA(%s:%s)%%\", or %s", contract.VisitorNamespace, contract.CacheControlKey, m.renderAgain()))
		}
	}
}

// visitor returns the place of the first key that is a visitor with a cookie.
func (s *ruleSet) visitor(cookie string) place {
	for i, r := range s.table.Rules() {
		for j, k := range r.Keys {
			if k.Source == rules.KeyVisitor && k.Name == cookie {
				return s.rule(i, "keys", j)
			}
		}
	}
	return s.in("rules")
}
