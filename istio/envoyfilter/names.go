package envoyfilter

import (
	"fmt"
	"regexp"
	"strings"
)

// CheckName returns an error if Kubernetes has no object of this name.
func CheckName(flag, name string) error {
	if isName(name, subdomain) {
		return nil
	}
	return fmt.Errorf("%s %q: expected the name of an object: lower-case letters, digits, - and .", flag, name)
}

// CheckNamespace returns an error if Kubernetes has no namespace of this name.
func CheckNamespace(flag, name string) error {
	if isName(name, dnsLabel) {
		return nil
	}
	return fmt.Errorf("%s %q: expected the name of a namespace: lower-case letters, digits and -", flag, name)
}

// ParseLabels reads labels of the form KEY=VALUE, each key once; whose says of what
// they are, in errors.
func ParseLabels(flag, whose string, labels []string) (map[string]string, []error) {
	m := map[string]string{}
	var errs []error
	for _, l := range labels {
		key, value, ok := strings.Cut(l, "=")
		if _, twice := m[key]; !ok || twice || !IsLabel(key, value) {
			errs = append(errs, fmt.Errorf("%s %q: expected a label of %s, KEY=VALUE, once for each key", flag, l, whose))
		}
		m[key] = value
	}
	return m, errs
}

var (
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	subdomain  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)
	labelName  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
)

func isName(s string, form *regexp.Regexp) bool { return len(s) <= 253 && form.MatchString(s) }

// IsLabel reports whether Kubernetes has such labels: a name, with a domain before
// a slash perhaps, and a value.
func IsLabel(key, value string) bool {
	domain, name, prefixed := strings.Cut(key, "/")
	if !prefixed {
		domain, name = "none", key
	}
	return isName(domain, subdomain) && labelName.MatchString(name) && labelValue.MatchString(value)
}
