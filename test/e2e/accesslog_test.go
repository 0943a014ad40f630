package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
	"github.com/tagproc/tagproc/internal/transcript"
)

// exampleRules is what operators start from.
const exampleRules = "../../deploy/envoy/rules.yaml"

// TestAccessLog checks that a line of the shipped access log says why its request
// got its tags, word for word as `tagproc explain` does, and what it says where tagproc
// sends no metadata or is down.
func TestAccessLog(t *testing.T) {
	envoytest.Each(t, testAccessLog)
}

func testAccessLog(t *testing.T, envoy string) {
	t.Helper()
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "tagproc.sock")
	m, log := startMeshAndLog(t, mesh.Options{Binary: envoy, Tagproc: &net.UnixAddr{Name: socket, Net: "unix"}})

	p := start(t, socket, exampleRules, "--metadata")
	// One user for each reason that a rule can have there, and nobody.
	for _, user := range []string{"jack", "bob", "jason", ""} {
		t.Run("user "+user, func(t *testing.T) {
			line := logged(t, m, log, user)
			if line.status != "0" {
				t.Errorf("tagproc=%s, want 0", line.status)
			}
			if diff := cmp.Diff(explained(t, user), line.decisions(t)); diff != "" {
				t.Errorf("the access log and `tagproc explain` differ (-explain +log):\n%s", diff)
			}
		})
	}
	// What both of them say, once in full.
	want := decisions{RulesDigest: "d50cf691778b9240", Rules: map[string]decision{
		"lanes": {Reason: "policy", Bucket: number(2), Tag: "s2"},
		"app-a": {Reason: "policy", Bucket: number(2), Tag: "v2"},
		"app-b": {Reason: "policy", Bucket: number(2), Tag: "v2"},
		"app-c": {Reason: "policy", Mode: "shadow", Bucket: number(2), Tag: "v3"},
	}}
	if diff := cmp.Diff(want, logged(t, m, log, "jack").decisions(t)); diff != "" {
		t.Errorf("the line of jack (-want +got):\n%s", diff)
	}

	p.stop(t)
	p = start(t, socket, exampleRules)
	if got, want := logged(t, m, log, "jack"), (line{status: "0", why: "-"}); got != want {
		t.Errorf("without --metadata the line ends in %+v, want %+v", got, want)
	}
	p.stop(t)
	if got, want := logged(t, m, log, "jack"), (line{status: "14", why: "-"}); got != want {
		t.Errorf("without tagproc the line ends in %+v, want %+v", got, want)
	}
}

// A line is what a line of the access log says of tagproc.
type line struct{ status, why string }

// logged sends a request of a user, "" for none, and returns its line of the
// ingress's access log.
func logged(t *testing.T, m *mesh.Mesh, log *transcript.Transcript, user string) line {
	t.Helper()
	header, name := http.Header{}, "-"
	if user != "" {
		header, name = http.Header{"X-User-Id": {user}}, regexp.QuoteMeta(user)
	}
	lines := regexp.MustCompile(`(?m)^\S+ mocka user=` + name + ` .* status=200 flags=- tagproc=(\S+) why=(.*)$`)
	want := len(lines.FindAllString(log.String(), -1)) + 1
	want -= gaveUp(t, m)
	if _, err := m.Get(t.Context(), "mocka", header); err != nil {
		t.Fatal(err)
	}
	want += gaveUp(t, m) // Get asks again, and each of these requests has a line
	var found [][]string
	eventually(t, "the access log has the request of "+name, func() bool {
		found = lines.FindAllStringSubmatch(log.String(), -1)
		return len(found) >= want
	})
	last := found[want-1]
	return line{status: last[1], why: last[2]}
}

// gaveUp returns how often Envoy gave up waiting for tagproc.
func gaveUp(t *testing.T, m *mesh.Mesh) int {
	t.Helper()
	n, err := m.Envoy.Stat(t.Context(), "http.ingress.ext_proc.tagproc.message_timeouts")
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// decisions is how the metadata has the decisions of all rules, by name.
type decisions struct {
	RulesDigest string
	Rules       map[string]decision
}

type decision struct {
	Reason string
	Mode   string // empty, except for a rule in shadow mode
	Bucket *float64
	Tag    string
}

func number(f float64) *float64 { return &f }

func (l line) decisions(t *testing.T) decisions {
	t.Helper()
	var d decisions
	if err := json.Unmarshal([]byte(l.why), &d); err != nil {
		t.Fatalf("why=%s: %v", l.why, err)
	}
	return d
}

// explained returns what `tagproc explain` says of a user's request.
func explained(t *testing.T, user string) decisions {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "explain", "--rules", exampleRules, "-o", "json",
		"-H", "accept: */*", "-H", "x-user-id: "+user).Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		RulesDigest string
		Rules       []struct {
			Name string
			decision
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	d := decisions{RulesDigest: answer.RulesDigest, Rules: map[string]decision{}}
	for _, r := range answer.Rules {
		if r.Mode != "shadow" {
			r.Mode = "" // the log has it of rules in shadow mode alone
		}
		d.Rules[r.Name] = r.decision
	}
	return d
}
