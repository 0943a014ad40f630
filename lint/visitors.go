package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// writes reports whether a filter appends a value that tagproc gives to a header of the
// response.
func (s *Side) writes(header, key string) bool {
	value := "%DYNAMIC_METADATA(" + contract.VisitorNamespace + ":" + key + ")%"
	return slices.ContainsFunc(s.Writers, func(w *Writer) bool {
		for _, r := range w.GetMutations().GetResponseMutations() {
			if h := r.GetAppend().GetHeader(); strings.EqualFold(h.GetKey(), header) && h.GetValue() == value {
				return true
			}
		}
		return false
	})
}

// writer returns the place of the filter that writes what visitors are given, or of
// the one that asks tagproc.
func (s *Side) writer() source.Value {
	if len(s.Writers) > 0 {
		return s.Writers[0].Config.Get("mutations", "response_mutations")
	}
	return s.Filters[0].Config
}

// visitorCookie finds cookies of visitors that no response has.
func visitorCookie(m *Model, side *Side, found found) {
	for _, r := range m.Rules {
		for i, v := range r.Table.Visitors() {
			const effect = "its visitors never get the cookie, so each of their requests may reach another version"
			for _, f := range side.Filters {
				if i == 0 && !slices.Contains(f.GetMetadataOptions().GetReceivingNamespaces().GetUntyped(), contract.VisitorNamespace) {
					found(f.Config.Get("metadata_options"), fmt.Sprintf("Envoy drops what tagproc gives visitors (%s): %s", m.place(r.visitor(v.Cookie)), effect),
						fmt.Sprintf("add %s to receiving_namespaces.untyped, or %s", contract.VisitorNamespace, m.renderAgain(side)))
				}
			}
			if key := contract.SetCookieKey(i); !side.writes("set-cookie", key) {
				found(side.writer(), fmt.Sprintf("no filter writes the cookie %s (%s) into the response: %s", source.Shorten(v.Cookie), m.place(r.visitor(v.Cookie)), effect),
					fmt.Sprintf("append set-cookie: \"%%DYNAMIC_METADATA(%s:%s)%%\" in a header_mutation filter, or %s", contract.VisitorNamespace, key, m.renderAgain(side)))
			}
		}
	}
}

// visitorCache finds responses with a visitor's cookie that caches may give to others.
func visitorCache(m *Model, side *Side, found found) {
	for _, r := range m.Rules {
		if len(r.Table.Visitors()) > 0 && len(side.Writers) > 0 && !side.writes("cache-control", contract.CacheControlKey) {
			found(side.writer(), "no filter writes cache-control: private beside the cookie of a visitor: a shared cache may give it to others",
				fmt.Sprintf("append cache-control: \"%%DYNAMIC_METADATA(%s:%s)%%\", or %s", contract.VisitorNamespace, contract.CacheControlKey, m.renderAgain(side)))
		}
	}
}

// visitor returns the place of the first key that is a visitor with a cookie.
func (r *Rules) visitor(cookie string) source.Value {
	for i, rule := range r.Table.Rules() {
		for j, k := range rule.Keys {
			if k.Source == rules.KeyVisitor && k.Name == cookie {
				return r.Rule(i, "keys", j)
			}
		}
	}
	return r.At.Get("rules")
}
