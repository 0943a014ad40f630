package manifest

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		s           string
		name, label bool // whether it is one, of an object and of DNS
	}{
		{"a", true, true},
		{"mocka-v1", true, true},
		{"0", true, true},
		{"mocka.default", true, false},
		{"a..b", false, false},
		{".a", false, false},
		{"a-", false, false},
		{"-a", false, false},
		{"A", false, false},
		{"a_b", false, false},
		{"", false, false},
		{strings.Repeat("a", 63), true, true},
		{strings.Repeat("a", 64), false, false},
		{strings.Repeat("a.", 126) + "a", true, false},
		{strings.Repeat("a.", 127) + "a", false, false},
	} {
		if got := IsName(c.s); got != c.name {
			t.Errorf("IsName(%q) = %v, want %v", c.s, got, c.name)
		}
		if got := IsDNSLabel(c.s); got != c.label {
			t.Errorf("IsDNSLabel(%q) = %v, want %v", c.s, got, c.label)
		}
	}
}

func TestIsLabel(t *testing.T) {
	for _, c := range []struct {
		key, value string
		want       bool
	}{
		{"app", "mocka", true},
		{"ASM_TRAFFIC_TAG", "v1.2_x", true},
		{"app", "", true},
		{"app.kubernetes.io/name", "tagproc", true},
		{"", "x", false},
		{"/name", "x", false},
		{"a..b/name", "x", false},
		{"a/b/c", "x", false},
		{"app", "-x", false},
		{"app", "a b", false},
		{strings.Repeat("a", 64), "x", false},
		{"app", strings.Repeat("a", 64), false},
	} {
		if got := IsLabel(c.key, c.value); got != c.want {
			t.Errorf("IsLabel(%q, %q) = %v, want %v", c.key, c.value, got, c.want)
		}
	}
}
