package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// forged is the value of whatever a client forges. It must not reach an application.
const forged = "forged9"

// A form is a request that forges tags.
type form struct {
	name    string
	fields  [][2]string // names and values, as bytes
	lines   []string    // lines of HTTP/1.1, as bytes; such a form has no HTTP/2
	trailer [2]string   // of a request with a body; "": none
	method  string      // "": GET
	path    string      // "": /
	user    string      // whose tags the request gets
}

// forms returns the forged forms: names in all spellings, values, positions, members
// of baggage in every header that carries it, and HTTP's own ways to hide headers.
func forms() (fs []form) {
	const bob = "bob" // bucket 44
	key := [2]string{"x-user-id", bob}
	add := func(f form) { fs = append(fs, f) }
	field := func(what, name, value string) {
		add(form{name: fmt.Sprintf("%s %q: %.40q", what, name, value), fields: [][2]string{{name, value}, key}, user: bob})
	}
	names := []string{"x-asm-prefer-tag", "appver-a", "appver"}
	for _, name := range names {
		for _, s := range spellings(name) {
			field("name", s, forged)
			if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzAEMPRSTVGXF-_.") == "" {
				add(form{name: fmt.Sprintf("name %q without a user", s), fields: [][2]string{{s, forged}}})
			}
		}
	}
	for _, value := range values() {
		for _, name := range names[:2] {
			field("value", name, value)
		}
	}
	add(form{name: "before and behind", fields: [][2]string{{names[0], forged}, key, {names[0], forged}}, user: bob})
	add(form{name: "in several cases", fields: [][2]string{{names[0], forged}, {"X-ASM-Prefer-Tag", forged}, key, {"X-ASM-PREFER-TAG", forged}}, user: bob})
	add(form{name: "with the right one", fields: [][2]string{{names[0], "s1"}, {names[0], forged}, {"x_asm_prefer_tag", "s1" + forged}, key}, user: bob})
	for _, n := range []int{2, 50, 150} {
		same, strays := [][2]string{key}, [][2]string{key}
		for i := range n {
			same = append(same, [2]string{names[0], forged})
			strays = append(strays, [2]string{fmt.Sprintf("appver-%d", i), forged})
		}
		add(form{name: fmt.Sprintf("%d times", n), fields: same, user: bob})
		add(form{name: fmt.Sprintf("%d names of a prefix", n), fields: strays, user: bob})
	}
	add(form{name: "behind 50,000 bytes", fields: [][2]string{{"x-filler", strings.Repeat("a", 50_000)}, {names[0], forged}, key}, user: bob})

	for _, header := range []string{"baggage", "Baggage", "correlation-context", "Correlation-Context", "correlation_context", "jaeger-baggage"} {
		for _, m := range members() {
			if header != "Baggage" || strings.HasPrefix(m, "a=") || strings.HasPrefix(m, "APPVER") {
				field("member in", header, m)
			}
		}
	}
	for _, carrier := range []string{"baggage-", "ot-baggage-", "uberctx-", "Uberctx-", "ot_baggage_", "uberctx."} {
		for _, name := range []string{"appver-a", "APPVER-A", "appver", "appver_b", "x-asm-prefer-tag", "x_asm_prefer_tag"} {
			field("carried", carrier+name, forged)
		}
	}
	for _, trailer := range []string{names[0], names[1], "x_asm_prefer_tag", "baggage"} {
		value := forged
		if trailer == "baggage" {
			value = "appver-a=" + forged
		}
		add(form{name: "trailer " + trailer, fields: [][2]string{key}, trailer: [2]string{trailer, value}, method: "POST", user: bob})
	}
	for _, method := range []string{"HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"} {
		add(form{name: "method " + method, fields: [][2]string{{names[0], forged}, {"x_asm_prefer_tag", forged}, key}, method: method, user: bob})
	}
	for _, path := range []string{"//", "/../..//", "/%2e%2e/", "/a/./b", "/;x-asm-prefer-tag=" + forged, "/?x-asm-prefer-tag=" + forged, "/%2f", "/#x", "/a%00b", "/" + strings.Repeat("a", 30_000)} {
		add(form{name: fmt.Sprintf("path %.40q", path), fields: [][2]string{{names[0], forged}, {"x_asm_prefer_tag", forged}, {"appver-a", forged}, key}, path: path, user: bob})
	}
	for _, nominated := range []string{
		"x-asm-prefer-tag", "close, x-asm-prefer-tag", "keep-alive, X-ASM-Prefer-Tag", "appver-a", "Upgrade, x-asm-prefer-tag", ",,x-asm-prefer-tag", "x_asm_prefer_tag",
		"te", "baggage", "x-request-id", "x-forwarded-proto", "*",
	} {
		add(form{name: "Connection: " + nominated, lines: []string{"Connection: " + nominated, "x-asm-prefer-tag: " + forged, "appver_a: " + forged, "x-user-id: " + bob}, user: bob})
	}
	for _, lines := range [][]string{
		{"x-a: 1\r\n x-asm-prefer-tag: " + forged},
		{"x-asm-prefer-tag:\r\n " + forged},
		{"x-a: 1\nx-asm-prefer-tag: " + forged},
		{"x-a: 1\rx-asm-prefer-tag: " + forged},
		{"x-asm-prefer-tag " + forged},
		{" x-asm-prefer-tag: " + forged},
		{"x-asm-prefer-tag:: " + forged},
		{"x:x-asm-prefer-tag: " + forged},
		{"\tx-asm-prefer-tag: " + forged},
		{"Transfer-Encoding: xchunked", "x-asm-prefer-tag: " + forged},
		{"Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__", "x-asm-prefer-tag: " + forged},
		{"Early-Data: 1", "x-asm-prefer-tag: " + forged},
		{"Content-Length: 0", "Content-Length: 0", "x-asm-prefer-tag: " + forged},
		{"Proxy-Connection: x-asm-prefer-tag", "x-asm-prefer-tag: " + forged},
	} {
		add(form{name: fmt.Sprintf("lines %q", lines), lines: append(lines, "x-user-id: "+bob), user: bob})
	}
	return fs
}

// spellings returns spellings that an application might read as the name.
func spellings(name string) (s []string) {
	s = []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]}
	if strings.Contains(name, "-") {
		for _, c := range "_.~!#$%&'*+^`|" {
			s = append(s, strings.ReplaceAll(name, "-", string(c)))
		}
		s = append(s, strings.ToUpper(strings.ReplaceAll(name, "-", "_")), strings.Replace(name, "-", "_", 1))
	}
	for _, c := range []string{" ", "\t", "\x00", "\x0b", "\r", "\xa0", ":"} {
		s = append(s, name+c, c+name)
	}
	return s
}

// values returns values that applications might read in different ways.
func values() []string {
	return []string{
		forged, "  " + forged + "  ", "\t" + forged + "\t", forged + ",s1", "s1, " + forged, `"` + forged + `"`, forged + ";q=1", "S" + forged, forged + "\xff\xfe", "\xff" + forged, "\xc3\x28" + forged,
		strings.Repeat(forged, 1000), forged + "\x0b", forged + "\x01", forged + "\x7f", forged + "\x00", forged + "\rx", "=?utf-8?B?Zm9yZ2Vk?=" + forged, "\xef\xbb\xbf" + forged, forged + "\xc2\xa0",
	}
}

// members returns members of baggage that some library takes for a tag, or makes one of.
func members() (ms []string) {
	for _, m := range []string{
		"appver-a=V", "APPVER-A=V", "appver=V", "appver-zz = V", "appver-a=V;p=1", "a=1,appver-a=V,b=2",
		"%61ppver-a=V", "appver%2Da=V", "%2561ppver-a=V", "app%2%30ver-a=V", "+appver-a+=V", "app ver-a=V", "app\tver-a=V", "appver%20-a=V", "x%2Cappver-a=V", "x%252Cappver-a%253DV=1",
		"a=1=appver-a=V", "a==appver-a=V", "a=1=b=2=appver-a=V", "a=%2Cappver-a%3DV", "a=%252Cappver-a%253DV", "a=1%3Bappver-a%3DV", "a=1;appver-a=V", "a=1;p=2;APPVER-a=V", ";appver-a=V", "=appver-a=V",
		"a=1;p=%2C%61ppver-a%3DV", "a=+appver-a+=V", `a="1,appver-a=V"`, "appver_a=V", "appver.a=V", "\u00a0appver-a=V", "a=1=+app%20ver-a=V",
	} {
		ms = append(ms, strings.NewReplacer("=V", "="+forged, "3DV", "3D"+forged, "= V", "= "+forged).Replace(m))
	}
	return ms
}

// innocent are headers that only look like tags: applications may use them.
var innocent = [][2]string{
	{"xx-asm-prefer-tag", "i"},
	{"x-asm-prefer-tags", "i"},
	{"x-asm-prefertag", "i"},
	{"xasmprefertag", "i"},
	{"x--asm-prefer-tag", "i"},
	{"my_header", "i"},
	{"x_user_id", "i"},
	{"an-appver", "i"},
	{"uberctx-user", "i"},
	{"baggage-session", "i"},
	{"ot-baggage-x", "i"},
	{"correlation-contexts", "i"},
	{"baggage", "a=1;p,b=appver,c==d"},
	{"correlation-context", "a=1,b=%zz"},
}

// notAlphanumeric is what servers fold into one character.
var notAlphanumeric = regexp.MustCompile("[^a-z0-9]")

// isTag reports whether an application may take a header for a tag, whatever its
// server makes of names.
func isTag(name string) bool {
	folded := notAlphanumeric.ReplaceAllString(strings.ToLower(name), "-")
	return folded == "x-asm-prefer-tag" || strings.HasPrefix(folded, "appver")
}

// isBaggage reports whether a header has members of baggage, which Envoy alone cannot
// remove.
func isBaggage(name string) bool {
	return name == "baggage" || name == "correlation-context"
}

const forgedRules = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: 100, tagValue: v1}]}
`

// honestTags are what the rules give a user.
var honestTags = map[string][]echo.Bytes{"x-asm-prefer-tag": {"s1"}, "appver-b": {"v1"}}

// leastForms is how many forged forms there are at least.
const leastForms = 376

// TestForgeries checks that no forged form of a tag reaches an application, over HTTP/1.1
// and HTTP/2: with tagproc, without it, and while it is killed and comes back; with the
// shipped configuration, and where tagproc alone removes them. Members of baggage and
// correlation-context are the exception without tagproc: SECURITY.md says so.
func TestForgeries(t *testing.T) {
	all := forms()
	t.Logf("%d forms", len(all))
	if len(all) < leastForms {
		t.Fatalf("there are %d forms, want %d", len(all), leastForms)
	}
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		t.Parallel()
		t.Run("as shipped", func(t *testing.T) { newForgery(t, binary, nil).run(t, all) })
		t.Run("not stripped early", func(t *testing.T) {
			g := newForgery(t, binary, withoutEarlyStripping(t))
			g.send(t, all, g.check(t, true, isCarrier), nil)
		})
	})
}

// A forgery is a gateway with an application behind it that says what it was sent.
type forgery struct {
	m         *mesh.Mesh
	socket    string
	rulesFile string
	p         *tagproc
}

func newForgery(t *testing.T, binary string, edit func(string) string) *forgery {
	t.Helper()
	application := startEcho(t)
	dir := t.TempDir()
	g := &forgery{socket: filepath.Join(dir, "tagproc.sock"), rulesFile: filepath.Join(dir, "rules.yaml")}
	g.m = startMeshWith(t, mesh.Options{Binary: binary, Tagproc: &net.UnixAddr{Name: g.socket, Net: "unix"}, Edit: patient(t, "60s", func(config string) string {
		if edit != nil {
			config = edit(config)
		}
		return withEcho(application.Port())(config)
	})})
	writeFile(t, g.rulesFile, []byte(forgedRules))
	g.start(t)
	return g
}

func (g *forgery) start(t *testing.T) {
	t.Helper()
	g.p = start(t, g.socket, g.rulesFile, "--max-request-headers", "200", "--max-request-headers-kb", "128")
}

// run sends the forms with tagproc, while it is killed and comes back, and without it.
func (g *forgery) run(t *testing.T, all []form) {
	t.Helper()
	nothing := func(string) bool { return false }
	t.Run("tagproc up", func(t *testing.T) {
		g.send(t, all, g.check(t, true, nothing), nil)
		for _, c := range innocent {
			f := &form{fields: [][2]string{c}}
			for _, send := range []client{http1, http2Client} {
				report, status, err := send(g.m.Ingress(), f)
				if err != nil || report == nil || !slices.Equal(report.Headers[echo.Bytes(c[0])], []echo.Bytes{echo.Bytes(c[1])}) {
					t.Errorf("%q is not a tag, and the application was sent %+v (status %d, %v)", c, report, status, err)
				}
			}
		}
	})
	t.Run("tagproc killed", func(t *testing.T) {
		g.send(t, all, g.check(t, false, isBaggage), func(sent int) {
			switch sent {
			case len(all) / 3:
				g.p.kill(t)
			case len(all):
				g.start(t)
			}
		})
	})
	g.p.stop(t)
	t.Run("tagproc down", func(t *testing.T) { g.send(t, all, g.check(t, false, isBaggage), nil) })
}

// send sends each form over HTTP/1.1 and, if it has no lines, over HTTP/2, several at a
// time, and has what comes of it checked. between is called before each form with the
// number of those before.
func (g *forgery) send(t *testing.T, all []form, check func(string, *form, *echo.Report, int), between func(sent int)) {
	t.Helper()
	var workers errgroup.Group
	workers.SetLimit(32) // Envoy keeps a connection on which it refuses something for a second
	sent := 0
	one := func(protocol string, f *form, send client) {
		if between != nil {
			between(sent)
		}
		sent++
		workers.Go(func() error {
			report, status, err := send(g.m.Ingress(), f)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", protocol, f.name, err)
			}
			check(protocol, f, report, status)
			return nil
		})
	}
	for i := range all {
		f := &all[i]
		one("HTTP/1.1", f, http1)
		if len(f.lines) == 0 {
			one("HTTP/2", f, http2Client)
		}
	}
	if err := workers.Wait(); err != nil {
		t.Error(err)
	}
}

// check returns the check of each form. Either Envoy refuses it by a 4xx, a 501 or the
// end of the connection, or nothing forged reaches the application, except in the headers
// that may have it. The tags are those of the rules; while tagproc is down they may be
// missing.
func (g *forgery) check(t *testing.T, up bool, mayHave func(name string) bool) func(string, *form, *echo.Report, int) {
	t.Helper()
	return func(protocol string, f *form, report *echo.Report, status int) {
		if status >= 500 && status != http.StatusNotImplemented {
			t.Errorf("%s, %s: status %d, want 200 or a refusal", protocol, f.name, status)
		}
		if report == nil {
			return
		}
		for name, values := range report.Trailers {
			t.Errorf("%s, %s: the application was sent the trailer %s: %q", protocol, f.name, name, values)
		}
		tags := map[string][]echo.Bytes{}
		for name, values := range report.Headers {
			if isTag(string(name)) {
				tags[string(name)] = values
			}
			for _, v := range values {
				// Another header's value may contain such a name.
				isOne := isTag(string(name)) || isBaggage(string(name)) || isCarrier(string(name))
				if isOne && strings.Contains(string(v), forged) && !mayHave(string(name)) {
					t.Errorf("%s, %s: the application was sent %s: %.100q", protocol, f.name, name, v)
				}
			}
		}
		want := honestTags
		if f.user == "" {
			want = nil
		}
		if !maps.EqualFunc(tags, want, slices.Equal) && (up || len(tags) > 0) {
			t.Errorf("%s, %s: the application was sent the tags %q, want %q", protocol, f.name, tags, want)
		}
	}
}

// isCarrier reports whether applications may take a header for baggage that Envoy alone
// removes: of one member, or in another spelling.
func isCarrier(name string) bool {
	folded := notAlphanumeric.ReplaceAllString(name, "-")
	if name != folded && folded == "correlation-context" || folded == "jaeger-baggage" {
		return true
	}
	return slices.ContainsFunc([]string{"baggage-", "ot-baggage-", "uberctx-"}, func(p string) bool {
		name, ok := strings.CutPrefix(folded, p)
		return ok && isTag(name)
	})
}
