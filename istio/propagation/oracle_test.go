package propagation

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/rules"
)

// A header is a line of a request.
type header struct{ name, value string }

var (
	memberName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,256}$`)
	tagValue   = regexp.MustCompile(`^[\x21-\x7e]{1,256}$`)
	escape     = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
)

// member reads a part of baggage as the documentation of the package says, in Go.
func member(part string) (name, value string, ok bool) {
	part, _, _ = strings.Cut(part, ";")
	name, value, ok = strings.Cut(part, "=")
	name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
	return strings.ToLower(name), value, ok && memberName.MatchString(name)
}

// parts returns what is between the commas of the headers baggage.
func parts(request []header) []string {
	var values []string
	for _, h := range request {
		if h.name == "baggage" {
			values = append(values, h.value)
		}
	}
	return slices.DeleteFunc(strings.Split(strings.Join(values, ","), ","), func(p string) bool { return p == "" })
}

// restored is the reference for restore.
func restored(travels rules.Owned, request []header) []header {
	seen := map[string]bool{}
	request = slices.Clone(request)
	all := parts(request)
	for _, p := range all[:min(64, len(all))] {
		name, value, ok := member(p)
		if !ok || !travels.Contains(name) || seen[name] {
			continue
		}
		seen[name] = true
		tag := escape.ReplaceAllStringFunc(value, func(e string) string {
			return string([]byte{unhex(e[1])<<4 | unhex(e[2])})
		})
		if tagValue.MatchString(tag) {
			request = slices.DeleteFunc(request, func(h header) bool { return h.name == name })
			request = append(request, header{name, tag})
		}
	}
	return request
}

func unhex(c byte) byte { return byte(strings.IndexByte("0123456789abcdef", c|0x20)) }

// collected is the reference for collect.
func collected(travels rules.Owned, request []header) []header {
	var members []string
	isTag := map[string]bool{}
	for _, h := range request {
		if _, seen := isTag[h.name]; seen || !travels.Contains(h.name) || !memberName.MatchString(h.name) {
			continue
		}
		isTag[h.name] = tagValue.MatchString(h.value)
		if isTag[h.name] {
			encoded := regexp.MustCompile(`[",;\\%+=]`).ReplaceAllStringFunc(h.value, func(c string) string {
				const digits = "0123456789ABCDEF"
				return "%" + string([]byte{digits[c[0]>>4], digits[c[0]&15]})
			})
			members = append(members, h.name+"="+encoded)
		}
	}
	if len(members) == 0 {
		return request
	}
	var others []string
	for _, p := range parts(request) {
		name, _, _ := strings.Cut(p, "=")
		_, _, ok := member(p)
		if name = strings.ToLower(strings.Trim(name, " \t")); ok && isTag[name] {
			continue
		}
		if p = strings.Trim(p, " \t"); p != "" {
			others = append(others, p)
		}
	}
	all := slices.Concat(members, others)
	if len(all) > 64 || len(strings.Join(all, ",")) > 8192 {
		all = others
	}
	request = slices.DeleteFunc(slices.Clone(request), func(h header) bool { return h.name == "baggage" })
	if len(all) > 0 {
		request = append(request, header{"baggage", strings.Join(all, ",")})
	}
	return request
}
