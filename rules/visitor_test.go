package rules

import (
	"cmp"
	"math/bits"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestIsVisitorID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		s    string
		want bool
	}{
		{id, true}, {id[1:], false}, {id + "0", false}, {strings.ToUpper(id), false}, {id[:31] + "g", false}, {id[:31] + " ", false}, {"", false},
	} {
		if got := isVisitorID([]byte(tt.s)); got != tt.want {
			t.Errorf("isVisitorID(%q) = %v, want %v", tt.s, got, tt.want)
		}
	}
}

// TestDraw checks that ids have their form, differ, and have each bit set half of
// the time.
func TestDraw(t *testing.T) {
	const n = 10_000
	var s idSource
	seen, ones := map[[VisitorIDSize]byte]bool{}, 0
	for range n {
		var id [VisitorIDSize]byte
		s.draw(&id)
		if !isVisitorID(id[:]) || seen[id] {
			t.Fatalf("the id %q is malformed or was drawn before", id)
		}
		seen[id] = true
		for _, c := range id {
			ones += bits.OnesCount8(hexValues[c])
		}
	}
	// 1,280,000 bits: a standard deviation is 566, and 6 of them happen once in 500 million runs.
	if want := n * 64; ones < want-3400 || ones > want+3400 {
		t.Errorf("%d of %d bits are set, want half", ones, 2*want)
	}
	if allocs := testing.AllocsPerRun(1000, func() { var id [VisitorIDSize]byte; s.draw(&id) }); allocs != 0 {
		t.Errorf("draw allocates %v times, want 0", allocs)
	}
}

var hexValues = func() (values [256]uint8) {
	for i, c := range []byte("0123456789abcdef") {
		values[c] = uint8(i)
	}
	return values
}()

// TestSetCookie checks that net/http reads what is written.
func TestSetCookie(t *testing.T) {
	with := func(edit func(*Visitor)) Visitor {
		v := defaultVisitor
		edit(&v)
		return v
	}
	for _, tt := range []struct {
		v    Visitor
		want string
	}{
		{defaultVisitor, "tagproc-visitor=ID; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax"},
		{
			with(func(v *Visitor) {
				v.Cookie, v.Path, v.Domain, v.MaxAge = "v", "/shop", "example.com", time.Minute
				v.Secure, v.HTTPOnly, v.SameSite = false, false, "Strict"
			}),
			"v=ID; Path=/shop; Max-Age=60; Domain=example.com; SameSite=Strict",
		},
		{with(func(v *Visitor) { v.Cookie, v.SameSite = "__Host-v", "None" }), "__Host-v=ID; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=None"},
	} {
		if wrong := checkAll(tt.v); wrong != "" {
			t.Errorf("%+v: %s", tt.v, wrong)
		}
		before, behind := tt.v.SetCookie()
		if got := before + "ID" + behind; got != tt.want {
			t.Errorf("Set-Cookie of %+v is %q, want %q", tt.v, got, tt.want)
		}
		c, err := http.ParseSetCookie(tt.want)
		if err != nil || c.Name != tt.v.Cookie || c.Value != "ID" || c.Path != tt.v.Path || c.Domain != tt.v.Domain || c.MaxAge != int(tt.v.MaxAge.Seconds()) || c.Secure != tt.v.Secure || c.HttpOnly != tt.v.HTTPOnly || c.Unparsed != nil {
			t.Errorf("net/http reads %q as %+v, %v", tt.want, c, err)
		}
	}
	for _, tt := range []struct {
		wrong Visitor
		want  string
	}{
		{with(func(v *Visitor) { v.Cookie = "a b" }), `the cookie "a b" has the character ' '`},
		{with(func(v *Visitor) { v.Cookie = "" }), `the cookie "" is empty`},
		{with(func(v *Visitor) { v.MaxAge = 9601 * time.Hour }), "maxAge 9601h0m0s is not in whole seconds from 1s to 9600h"},
		{with(func(v *Visitor) { v.MaxAge = 1500 * time.Millisecond }), "maxAge 1.5s is not in whole seconds"},
		{with(func(v *Visitor) { v.MaxAge = 0 }), "maxAge 0s is not in whole seconds"},
		{with(func(v *Visitor) { v.Path = "shop" }), `the path "shop" does not begin with a slash`},
		{with(func(v *Visitor) { v.Path = "/;Domain=x" }), "has a semicolon"},
		{with(func(v *Visitor) { v.Path = "/\r\n" }), `has the character '\r'`},
		{with(func(v *Visitor) { v.Domain = ".example.com" }), "begins with a dot"},
		{with(func(v *Visitor) { v.Domain = "10.0.0.1" }), "is an address"},
		{with(func(v *Visitor) { v.Domain = "::1" }), "is an address"},
		{with(func(v *Visitor) { v.Domain = "a;b" }), "has the character ';'"},
		{with(func(v *Visitor) { v.Domain = "a..b" }), "has an empty part"},
		{with(func(v *Visitor) { v.SameSite, v.Secure = "None", false }), "sameSite None"},
		{with(func(v *Visitor) { v.Cookie, v.Secure = "__Secure-v", false }), "if it is not secure"},
		{with(func(v *Visitor) { v.Cookie, v.Path = "__Host-v", "/a" }), "a path other than /"},
		{with(func(v *Visitor) { v.Cookie, v.Domain = "__Host-v", "example.com" }), "with a domain"},
	} {
		if got := checkAll(tt.wrong); !strings.Contains(got, tt.want) {
			t.Errorf("check of %+v = %q, want %q in it", tt.wrong, got, tt.want)
		}
	}
}

// checkAll returns the first thing that is wrong with v.
func checkAll(v Visitor) string {
	return cmp.Or(v.checkCookie(), v.checkMaxAge(v.MaxAge.String()), v.checkPath(), v.checkDomain(), v.checkTogether())
}
