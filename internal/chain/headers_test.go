package chain

import "testing"

func TestHeadersHas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		headers Headers
		name    string
		want    bool
	}{
		{Forwarded, "X-User-Id", true},
		{Forwarded, "X-User-Id-2", false},
		{Forwarded, "x-asm-prefer-tag", true},
		{Forwarded, "Appver", true},
		{Forwarded, "appver-b", true},
		{Forwarded, "appve", false},
		{Forwarded, "baggage", false},
		{Headers{"Baggage"}, "baggage", true},
		{Headers{"Baggage"}, "x-user-id", false},
		{Headers{"*"}, "cookie", true},
		{nil, "x-user-id", false},
	} {
		if got := tt.headers.Has(tt.name); got != tt.want {
			t.Errorf("%q.Has(%q) = %v, want %v", []string(tt.headers), tt.name, got, tt.want)
		}
	}
}
