package manifest

import (
	"regexp"
	"strings"
	"sync"
)

var (
	dnsLabel  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`) })
	subdomain = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)
	})
	labelName  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`) })
	labelValue = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`) })
)

// IsName reports whether Kubernetes has objects of such a name: labels of DNS with
// dots between them.
func IsName(s string) bool { return len(s) <= 253 && subdomain().MatchString(s) }

// IsDNSLabel reports whether s is a label of DNS, as the names of namespaces and of
// Services are.
func IsDNSLabel(s string) bool { return dnsLabel().MatchString(s) }

// IsLabel reports whether Kubernetes has such labels: a name, with a domain before a
// slash perhaps, and a value.
func IsLabel(key, value string) bool {
	name := key
	if domain, rest, prefixed := strings.Cut(key, "/"); prefixed {
		if !IsName(domain) {
			return false
		}
		name = rest
	}
	return labelName().MatchString(name) && labelValue().MatchString(value)
}
