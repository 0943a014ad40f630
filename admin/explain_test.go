package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/admin/page"
	"github.com/tagproc/tagproc/explain"
)

// TestExplainPage checks that the answer is that of tagproc explain by the live rules, now
// or at an instant.
func TestExplainPage(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	const question = `{"headers": [{"name": ":authority", "value": "shop.example.com"}, {"name": "X-User-Id", "value": "jack"}]%s}`
	if w := b.ask(http.MethodPost, "/explain", fmt.Sprintf(question, "")); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without rules the answer is %d %s", w.Code, w.Body)
	}
	b.load(ramped)
	for at, instant := range map[string]time.Time{"": noon, `, "at": "2026-12-05T00:00:00+01:00"`: noon.AddDate(0, 0, 4)} {
		w := b.ask(http.MethodPost, "/explain", fmt.Sprintf(question, at))
		table, _ := load(t, ramped).Table.At(instant)
		want, err := json.Marshal(explain.Request(table, []explain.Header{{Name: ":authority", Value: "shop.example.com"}, {Name: "x-user-id", Value: "jack"}}))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != string(want) {
			t.Errorf("at %q the answer is %d %s, want %s", at, w.Code, got, want)
		}
	}
}

// TestPageOfBrowsers checks that browsers get a page where others get text and JSON, that
// its form is answered, and that the page may load and send nothing else.
func TestPageOfBrowsers(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	browse := func(method, path string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		h := w.Header()
		if h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Content-Security-Policy") != page.Policy || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s %s has the headers %v", method, path, h)
		}
		return w
	}
	if w := browse(http.MethodPost, "/explain", url.Values{"request": {"jack"}}); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "There are no good rules yet.") {
		t.Errorf("without rules the form is answered by %d", w.Code)
	}
	b.load("rules: [{name: lane, header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}]}, {keys: [{cookie: uid}], tagHeader: b, policies: [{range: 20, tagValue: s2}]}]")
	for _, path := range []string{"/", "/explain"} {
		if w := browse(http.MethodGet, path, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<h3>lane</h3>") {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
	if w := b.ask(http.MethodGet, "/", ""); !strings.HasPrefix(w.Body.String(), "tagproc\n\n/healthz") || !strings.Contains(w.Body.String(), "\n/         for browsers (Accept: text/html)") {
		t.Errorf("curl gets %s", w.Body)
	}
	for _, tt := range []struct {
		request, at string
		status      int
		want        string
	}{
		{"x-user-id: jack", "", 200, "tag: s2 (rule lane)"},
		{" jack ", "2026-12-01T10:00:00Z", 200, "tag: s2 (rule lane)"},
		{"X-User-Id: vance\r\n:path: /\r\ncookie: a=1; uid=jack", "", 200, "b: s2 (rule"},
		{"jack\njill", "", 400, "line &#34;jack&#34; is no header"},
		{"jack", "tomorrow", 400, "the instant has another form"},
		{strings.Repeat("x: y\n", 1001), "", 400, "1001 headers"},
		{strings.Repeat("frida", 60_000), "", 413, "more than 262144 bytes"},
	} {
		w := browse(http.MethodPost, "/explain", url.Values{"request": {tt.request}, "at": {tt.at}})
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("of %.40q at %q the answer is %d, want %d with %q:\n%.3000s", tt.request, tt.at, w.Code, tt.status, tt.want, w.Body)
		}
	}
	b.load("rules: [{keys: [{query: uid}], tagHeader: b, policies: [{range: 20, tagValue: s2}]}]")
	if w := browse(http.MethodPost, "/explain", url.Values{"request": {"jack"}}); !strings.Contains(w.Body.String(), "b: s2 (rule") {
		t.Errorf("an id alone is not taken for the key:\n%s", w.Body)
	}
}

// TestPagesRefuse checks that nothing changes anything, that questions are bounded, and
// that answers repeat nothing of them.
func TestPagesRefuse(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.load(ramped)
	header := `{"name": "a", "value": "frida"}`
	for name, tt := range map[string]struct {
		method, path, body string
		want               int
	}{
		"no body":        {"POST", "/explain", "", 400},
		"no JSON":        {"POST", "/explain", "frida", 400},
		"unknown field":  {"POST", "/explain", `{"frida": 1}`, 400},
		"two documents":  {"POST", "/explain", `{} {}`, 400},
		"wrong instant":  {"POST", "/explain", `{"at": "frida"}`, 400},
		"long":           {"POST", "/explain", `{"headers": [{"name": "a", "value": "` + strings.Repeat("frida", 60_000) + `"}]}`, 413},
		"many headers":   {"POST", "/explain", `{"headers": [` + strings.Repeat(header+",", 1000) + header + `]}`, 400},
		"PUT /explain":   {"PUT", "/explain", "{}", 405},
		"POST /state":    {"POST", "/state", "{}", 405},
		"DELETE /state":  {"DELETE", "/state", "", 405},
		"below /state":   {"GET", "/state/x", "", 404},
		"PATCH /explain": {"PATCH", "/explain", "", 405},
	} {
		w := b.ask(tt.method, tt.path, tt.body)
		if w.Code != tt.want || strings.Contains(w.Body.String(), "frida") || w.Body.Len() > 400 {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, tt.want)
		}
	}
	for _, tt := range [][2]string{{"GET", "/state"}, {"POST", "/explain"}} {
		r := httptest.NewRequest(tt[0], tt[1], strings.NewReader("{}"))
		for host, want := range map[string]int{"attacker.example": 421, "10.1.2.3:9090": 200, "[::1]:9090": 200} {
			r.Host, r.Body = host, http.NoBody
			if tt[0] == "POST" {
				r = httptest.NewRequest(tt[0], tt[1], strings.NewReader("{}"))
				r.Host = host
			}
			w := httptest.NewRecorder()
			if b.handler.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s with Host %s = %d, want %d", tt, host, w.Code, want)
			}
		}
	}
}
