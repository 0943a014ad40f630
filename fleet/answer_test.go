package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/terminal"
)

// answers are what a replica, or a program that takes itself for one, may say at /state
// and at /explain, with what is said of it; "": it is taken.
var answers = []struct{ path, text, want string }{
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z"}`, ""},
	{"/state", `{"stateVersion": 1}`, "the answer is no state of a tagproc: it does not say what time it is there"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "fromTomorrow": {}}`, ""},
	{"/state", `{}`, "the answer is no state: another program listens there"},
	{"/state", `{"stateVersion": 2}`, "the state has version 2, and this tagproc reads 1"},
	{"/state", `{"stateVersion": -1}`, "the answer is no state"},
	{"/state", `{"stateVersion": 1} {"stateVersion": 1}`, "the answer cannot be read"},
	{"/state", `{"stateVersion": 1, "now": "yesterday"}`, "the answer cannot be read"},
	{"/state", `{"stateVersion": 1, "requests": [{"perSecond": 1e999}]}`, "the answer cannot be read"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "requests": [{"perSecond": -1}]}`, "the answer is no state of a tagproc: -1 requests per second"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "version": "` + strings.Repeat("v", 2000) + `"}`, "the answer is no state of a tagproc: it has 2000 bytes of names"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [` + strings.Repeat("{},", 500) + `{}]}`, "the answer is no state of a tagproc: it has 501 rules, more than 500"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "reloads": [` + strings.Repeat("{},", 20) + `{}]}`, "the answer is no state of a tagproc: it has 21 reloads"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "reloads": [{"moving": {"percent": 101}}]}`, "the answer is no state of a tagproc: 101 percent"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"moving": {"percent": -1}}]}`, "the answer is no state of a tagproc: -1 percent"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"ramps": [{"percent": 1, "steps": [{"percent": 1000}]}]}]}`, "the answer is no state of a tagproc: 1000 percent"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "refusal": {"present": true, "problems": [{}, {}, {}, {}, {}, {}]}}`, "the answer is no state of a tagproc: it has 6 problems"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"tags": [` + strings.Repeat("{},", 4000) + `{}]}]}`, "the answer is no state of a tagproc: it has 4001 tags, more than 4000"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"ruler": [` + strings.Repeat("{},", 8000) + `{}]}]}`, "the answer is no state of a tagproc: it has 8001 pieces of rulers"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"ramps": [` + strings.Repeat("{},", 4000) + `{}]}]}`, "the answer is no state of a tagproc: it has 4001 ramps"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"ramps": [{"steps": [` + strings.Repeat("{},", 20) + `{}]}]}]}`, "the answer is no state of a tagproc: it has 21 steps of a ramp"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"keys": ["","","","","","","","",""]}]}`, "the answer is no state of a tagproc: it has 9 keys of a rule"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"observed": [{},{},{},{}]}]}`, "the answer is no state of a tagproc: it has 4 windows of a rule"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"match": "` + strings.Repeat("x", 9000) + `"}]}`, "the answer is no state of a tagproc: it has 9000 bytes in a text"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "file": "` + strings.Repeat("x", 9000) + `"}`, "the answer is no state of a tagproc: it has 9000 bytes in a text"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "refusal": {"problems": [{"message": "` + strings.Repeat("x", 9000) + `"}]}}`, "the answer is no state of a tagproc: it has 9000 bytes in a text"},
	{"/state", `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "requests": [{},{},{},{}]}`, "the answer is no state of a tagproc: it has 4 windows of requests"},
	{"/state", `{"stateVersion": 1, "rules": [{"tags": [` + strings.Repeat("{},", 1_000_000) + `{}]}]}`, "the answer is no state of a tagproc: it has 3000046 bytes and 1000003 objects"},
	{"/state", observing(`[]`, `[]`, `[]`), "the answer is no state of a tagproc: a rule has 2 tags, and counts 0"},
	{"/state", observing(`[1]`, `[1, 1]`, `[1, 1]`), "the answer is no state of a tagproc: a rule has 2 tags, and counts 1"},
	{"/state", observing(`[1, 1]`, `[1]`, `[1, 1]`), "the answer is no state of a tagproc: a rule has 2 tags, and counts 2 with 1 bounds"},
	{"/state", observing(`[1, 1]`, `[1, 1]`, `[]`), "the answer is no state of a tagproc: a rule has 2 tags, and counts 2 with 0 bounds"},
	{"/state", observing(`[1, 1]`, `[1, 1]`, `[1, 500]`), "the answer is no state of a tagproc: 500 percent"},
	{"/state", observing(`[1, 1]`, `[1, 1]`, `[9, 9]`), ""},
	{"/state", observing(`[0, 0]`, `[]`, `[]`), ""},
	{"/explain", `{"rulesDigest": "d"}`, ""},
	{"/explain", `{}`, "the answer is no decision: it has no digest of rules"},
	{"/explain", `{"hello": "world"}`, "the answer is no decision: it has no digest of rules"},
	{"/explain", `{"rulesDigest": "d", "set": [` + strings.Repeat("{},", 1000) + `{}]}`, "the answer is no decision of a tagproc: it has 1001 headers that are set"},
	{"/explain", `{"rulesDigest": "d", "removed": ["",` + strings.Repeat(`"",`, 1000) + `""]}`, "the answer is no decision of a tagproc: it has 1002 headers that are removed"},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "off", "keys": [{},{},{},{},{},{},{},{},{}]}]}`, "rule 1 has 9 keys"},
	{"/explain", `{"rulesDigest": "d", "rules": [` + strings.Repeat("{},", 1<<18) + `{}]}`, "the answer is no decision of a tagproc: it has 262146 objects"},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "policy", "policy": {}, "bucket": 1, "hashValue": 1, "key": {}}]}`, ""},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "off"}, {"reason": "policy"}]}`, "rule 2 does not say what decided"},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "policy", "policy": {}, "bucket": 1}]}`, "rule 1 does not say what decided"},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "override"}]}`, "rule 1 does not say what decided"},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "no_policy"}]}`, "rule 1 does not say what decided"},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "no_key", "key": {"minted": true}}]}`, "rule 1 does not say what decided"},
	{"/explain", `{"rulesDigest": "d", "rules": [{"reason": "by chance"}]}`, "rule 1 does not say what decided"},
}

// observing is a state with a rule of two tags that was observed.
func observing(requests, low, high string) string {
	o := fmt.Sprintf(`{"seconds": 60, "requests": %s, "low": %s, "high": %s}`, requests, low, high)
	return `{"stateVersion": 1, "now": "2026-12-01T12:00:00Z", "rules": [{"name": "a", "tags": [{"tag": "s2", "percent": 20}, {"percent": 80}], "observed": [` + o + "," + o + `]}]}`
}

// said asks a program that answers with a text, at either path, and returns what status and
// explain print and the error.
func said(t testing.TB, path, answer string) (printed, wrong string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })) //nolint:errcheck // the peer may give up
	defer server.Close()
	target, err := ParseTarget(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if path == "/explain" {
		d, err := client().Explain(t.Context(), target, explain.Question{})
		if err != nil {
			return "", strings.TrimPrefix(err.Error(), target.name+": ")
		}
		if err := explain.WriteText(terminal.New(&out), d); err != nil {
			t.Fatal(err)
		}
		mustMarshal(t, d)
		return out.String(), ""
	}
	replicas := client().Ask(t.Context(), []Target{target})
	report := Judge(replicas, nil, noon)
	if err := report.WriteText(terminal.New(&out)); err != nil {
		t.Fatal(err)
	}
	mustMarshal(t, report)
	return out.String(), replicas[0].Unreachable
}

func mustMarshal(t testing.TB, v any) {
	t.Helper()
	if _, err := json.Marshal(v); err != nil {
		t.Fatal(err)
	}
}

// TestAnswers checks what is said of answers that are none of a tagproc, or of another one.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, a := range answers {
		if _, got := said(t, a.path, a.text); !strings.HasPrefix(got, a.want) || (got == "") != (a.want == "") {
			t.Errorf("%s answers %.200s: it is said %q, want %q", a.path, a.text, got, a.want)
		}
	}
}

// FuzzAnswers checks that no answer, whatever it is, makes status or explain panic, and
// that an answer that is taken is printed as text and as JSON.
func FuzzAnswers(f *testing.F) {
	for _, a := range answers {
		f.Add(a.path == "/explain", a.text)
	}
	for _, r := range sample() {
		if r.State != nil {
			text, err := json.Marshal(r.State)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(false, string(text))
		}
	}
	f.Fuzz(func(t *testing.T, explains bool, text string) {
		path := "/state"
		if explains {
			path = "/explain"
		}
		if printed, wrong := said(t, path, text); (printed == "") == (wrong == "") && explains {
			t.Errorf("%s answers %s: printed is %q, and it is said %q", path, text, printed, wrong)
		}
	})
}

// TestZones checks that an address of one link is asked, zone and all: the error is that of
// the network, and not of a URL.
func TestZones(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"[fe80::1%lo]:1", "fe80::1%lo"} {
		r := client().Ask(t.Context(), targets(t, address))[0]
		if !strings.HasPrefix(r.Unreachable, "dial tcp [fe80::1%lo]") {
			t.Errorf("%s: it is said %q", address, r.Unreachable)
		}
	}
}
