package envoyfilter

import (
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/istio/manifest"
)

// CheckName returns an error if name cannot be the name of an object of Kubernetes.
func CheckName(flag, name string) error {
	if manifest.IsName(name) {
		return nil
	}
	const form = "lower-case letters, digits, - and ."
	return fmt.Errorf("%s %q: expected the name of an object: %s", flag, name, form)
}

// CheckNamespace returns an error if name cannot be the name of a namespace.
func CheckNamespace(flag, name string) error {
	if manifest.IsDNSLabel(name) {
		return nil
	}
	return fmt.Errorf("%s %q: expected the name of a namespace: lower-case letters, digits and -", flag, name)
}

// ParseLabels reads labels of the form KEY=VALUE, each key once. Errors name their owner
// by whose.
func ParseLabels(flag, whose string, labels []string) (map[string]string, []error) {
	m := map[string]string{}
	var errs []error
	for _, l := range labels {
		key, value, ok := strings.Cut(l, "=")
		if _, twice := m[key]; !ok || twice || !manifest.IsLabel(key, value) {
			errs = append(errs, fmt.Errorf("%s %q: expected a label of %s, KEY=VALUE, once for each key", flag, l, whose))
		}
		m[key] = value
	}
	return m, errs
}
