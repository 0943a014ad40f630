package kube

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// Scheme begins a reference to rules in a ConfigMap.
const Scheme = "configmap://"

// A Reference names the rules in a ConfigMap.
type Reference struct {
	Namespace, Name string
	Key             string // "": rules.yaml, or the only one
}

// IsReference reports whether a text means a Reference and no file.
func IsReference(s string) bool { return strings.HasPrefix(s, Scheme) }

var (
	objectName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`) })
	keyName    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`) })
)

// ParseReference reads a Reference: configmap://NAMESPACE/NAME or
// configmap://NAMESPACE/NAME/KEY.
func ParseReference(s string) (Reference, error) {
	parts := strings.Split(strings.TrimPrefix(s, Scheme), "/")
	if !IsReference(s) || len(parts) < 2 || len(parts) > 3 {
		return Reference{}, fmt.Errorf("%s: expected configmap://NAMESPACE/NAME or configmap://NAMESPACE/NAME/KEY", s)
	}
	for i, what := range []string{"namespace", "name"} {
		if !objectName().MatchString(parts[i]) {
			return Reference{}, fmt.Errorf("%s: the %s %q is not one of Kubernetes: expected small letters, digits and -", s, what, parts[i])
		}
	}
	r := Reference{Namespace: parts[0], Name: parts[1]}
	if len(parts) == 3 {
		if r.Key = parts[2]; !keyName().MatchString(r.Key) {
			return Reference{}, fmt.Errorf("%s: the key %q is not one of a ConfigMap: expected letters, digits, \".\", \"-\" and \"_\" alone", s, r.Key)
		}
	}
	return r, nil
}

// String returns the reference as ParseReference reads it.
func (r Reference) String() string {
	s := Scheme + r.Namespace + "/" + r.Name
	if r.Key != "" {
		s += "/" + r.Key
	}
	return s
}

func (r Reference) path() string { return "/api/v1/namespaces/" + r.Namespace + "/configmaps" }
