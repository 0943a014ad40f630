package rules

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tagproc/tagproc/source"
)

// A Visitor is the cookie by which users are known who have no other id. Whoever
// comes without one is given a random id.
type Visitor struct {
	Cookie   string // its name
	MaxAge   time.Duration
	Path     string
	Domain   string // "": the host of the request alone
	SameSite string // Lax, Strict or None
	Secure   bool
	HTTPOnly bool
}

// defaultVisitor is the cookie of a file that says nothing: scripts, plain HTTP and
// requests from other sites cannot use it.
var defaultVisitor = Visitor{Cookie: "tagproc-visitor", MaxAge: 8760 * time.Hour, Path: "/", SameSite: "Lax", Secure: true, HTTPOnly: true}

var sameSites = []string{"Lax", "Strict", "None"}

// maxVisitorAge is the longest age of a cookie that browsers keep.
const maxVisitorAge = 9600 * time.Hour

// VisitorIDSize is the length of a visitor's id in bytes: 128 random bits as
// lower-case hexadecimal digits.
const VisitorIDSize = 32

// isVisitorID reports whether s has the form of an id that tagproc gives. Any other
// value of a visitor's cookie counts as none, and is replaced.
func isVisitorID(s []byte) bool {
	if len(s) != VisitorIDSize {
		return false
	}
	for _, c := range s {
		if ('0' > c || c > '9') && ('a' > c || c > 'f') {
			return false
		}
	}
	return true
}

// SetCookie returns what stands before and behind the id in the header set-cookie.
func (v Visitor) SetCookie() (before, behind string) {
	var b strings.Builder
	fmt.Fprintf(&b, "; Path=%s; Max-Age=%d", v.Path, v.MaxAge/time.Second)
	if v.Domain != "" {
		b.WriteString("; Domain=" + v.Domain)
	}
	if v.Secure {
		b.WriteString("; Secure")
	}
	if v.HTTPOnly {
		b.WriteString("; HttpOnly")
	}
	b.WriteString("; SameSite=" + v.SameSite)
	return v.Cookie + "=", b.String()
}

// String returns the header set-cookie without an id.
func (v Visitor) String() string {
	before, behind := v.SetCookie()
	return before + "…" + behind
}

// checkCookie, checkMaxAge, checkPath and checkDomain return what is wrong with an
// attribute of v for browsers, which drop such a cookie in silence, and what to do about
// it, or "".
func (v Visitor) checkCookie() string {
	if wrong := checkCookieName(v.Cookie); wrong != "" {
		return fmt.Sprintf("the cookie %q %s", source.Shorten(v.Cookie), wrong)
	}
	return ""
}

func (v Visitor) checkMaxAge(written string) string {
	if v.MaxAge < time.Second || v.MaxAge > maxVisitorAge || v.MaxAge%time.Second != 0 {
		return fmt.Sprintf("maxAge %s is not in whole seconds from 1s to %.0fh, where browsers cut it; write 8760h for a year", source.Shorten(written), maxVisitorAge.Hours())
	}
	return ""
}

func (v Visitor) checkPath() string {
	if wrong := checkCookiePath(v.Path); wrong != "" {
		return fmt.Sprintf("the path %q %s", source.Shorten(v.Path), wrong)
	}
	return ""
}

func (v Visitor) checkDomain() string {
	if wrong := checkCookieDomain(v.Domain); v.Domain != "" && wrong != "" {
		return fmt.Sprintf("the domain %q %s", source.Shorten(v.Domain), wrong)
	}
	return ""
}

// checkTogether returns what browsers refuse of attributes that are fine by themselves.
func (v Visitor) checkTogether() string {
	host, secure := strings.HasPrefix(v.Cookie, "__Host-"), strings.HasPrefix(v.Cookie, "__Secure-")
	switch {
	case v.SameSite == "None" && !v.Secure:
		return "browsers refuse a cookie with sameSite None that is not secure; remove \"secure: false\""
	case (host || secure) && !v.Secure:
		return fmt.Sprintf("browsers refuse the cookie %q if it is not secure; remove \"secure: false\", or name it without the prefix", v.Cookie)
	case host && (v.Path != "/" || v.Domain != ""):
		return fmt.Sprintf("browsers refuse the cookie %q with a domain, or a path other than /; remove them, or name it without the prefix", v.Cookie)
	}
	return ""
}

// checkCookieName returns what is wrong with the name of a cookie, or "": a token of
// RFC 9110, section 5.6.2, as RFC 6265 has it.
func checkCookieName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxNameLength:
		return fmt.Sprintf("is longer than %d bytes", maxNameLength)
	}
	for _, r := range name {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return fmt.Sprintf("has the character %q, which the name of a cookie cannot have", r)
		}
	}
	return ""
}

func checkCookiePath(path string) string {
	if !strings.HasPrefix(path, "/") {
		return "does not begin with a slash"
	}
	if strings.Contains(path, ";") {
		return "has a semicolon, which ends it"
	}
	return checkVisible(path)
}

func checkCookieDomain(domain string) string {
	switch last := domain[strings.LastIndexByte(domain, '.')+1:]; {
	case strings.Contains(domain, "://"):
		return "has a scheme, which is no part of a domain; write the domain alone"
	case strings.Contains(domain, ":"), last != "" && strings.Trim(last, "0123456789") == "":
		return "is an address, which browsers refuse; leave it out"
	case strings.HasPrefix(domain, "."):
		return "begins with a dot; leave that out, since a domain includes the names below it"
	}
	return checkHostName(strings.ToLower(domain))
}

// checkHostName returns what is wrong with the name of a host, in lower case, or "".
func checkHostName(name string) string {
	if name == "" || len(name) > 253 {
		return "is not from 1 to 253 characters long"
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return "has an empty part between its dots"
		}
		for _, r := range label {
			if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_') {
				return fmt.Sprintf("has the character %q, which the name of a host cannot have", r)
			}
		}
	}
	return ""
}

// idBlock is how many ids are drawn from the system at a time.
const idBlock = 64

// An idSource draws ids of visitors. It is for one goroutine at a time.
type idSource struct {
	random []byte // not used yet
	block  [idBlock * VisitorIDSize / 2]byte
}

// draw writes an id to dst.
func (s *idSource) draw(dst *[VisitorIDSize]byte) {
	const size = VisitorIDSize / 2
	if len(s.random) < size {
		_, _ = rand.Read(s.block[:]) // it never fails: without random bits it ends the process
		s.random = s.block[:]
	}
	hex.Encode(dst[:], s.random[:size])
	s.random = s.random[size:]
}
