package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/mesh"
)

// A storyStep is one block of commands of the story, and who reaches the new version when
// it is through.
type storyStep struct {
	commands string
	reached  [][]string // more than once where a ramp goes on
}

// story returns the rules and the steps of docs/rollouts.md, "Change one number".
func story(t *testing.T) (rulesFile string, steps []storyStep) {
	t.Helper()
	text, err := os.ReadFile("../../docs/rollouts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Change one number\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for _, block := range regexp.MustCompile("(?m)^```(\\w+)\n((?:.*\n)*?)```$").FindAllStringSubmatch(section, -1) {
		switch block[1] {
		case "yaml":
			rulesFile = block[2]
		case "sh":
			s := storyStep{commands: block[2]}
			for _, c := range regexp.MustCompile(`(?m)^# on v2(?:, .*)?: (.*)$`).FindAllStringSubmatch(block[2], -1) {
				users := strings.Split(c[1], ", ")
				if c[1] == "nobody" {
					users = nil
				}
				s.reached = append(s.reached, users)
			}
			if s.reached == nil {
				t.Fatalf("a block does not say who is on v2:\n%s", block[2])
			}
			steps = append(steps, s)
		}
	}
	if rulesFile == "" || len(steps) < 6 {
		t.Fatalf("the story has %d steps, and the rules\n%s", len(steps), rulesFile)
	}
	return rulesFile, steps
}

// TestRolloutStory runs the story of docs/rollouts.md, as it stands there, against two
// replicas behind an Envoy each: after every step both agree, and every user reaches the
// version that the page says, through both.
func TestRolloutStory(t *testing.T) {
	t.Parallel()
	rulesText, steps := story(t)
	dir := t.TempDir()
	rulesFile := filepath.Join(dir, "rules.yaml")
	writeFile(t, rulesFile, []byte(rulesText))
	envoyBinary, err := envoy.FindVersion("1.40.0")
	if err != nil {
		t.Fatal(err)
	}
	var meshes []*mesh.Mesh
	var replicas []string
	for _, name := range []string{"a.sock", "b.sock"} {
		p := start(t, filepath.Join(dir, name), rulesFile)
		meshes = append(meshes, startMesh(t, envoyBinary, filepath.Join(dir, name)))
		replicas = append(replicas, "unix://"+p.socket)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "tagproc")); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		// A day of the page is two seconds here.
		commands := strings.ReplaceAll(s.commands, "+24h", "+2s")
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "REPLICAS="+strings.Join(replicas, " "))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, commands, out)
		}
		last := s.reached[len(s.reached)-1]
		for _, want := range s.reached {
			for r, m := range meshes {
				if len(s.reached) == 1 { // status --watch has waited
					if got := onV2(t, m); !slices.Equal(got, want) {
						t.Fatalf("through replica %d %q are on v2, want %q, after\n%s\n%s", r, got, want, commands, out)
					}
					continue
				}
				eventually(t, "on v2 are "+strings.Join(want, ", "), func() bool { // a slow machine may see the last step alone
					got := onV2(t, m)
					return slices.Equal(got, want) || slices.Equal(got, last)
				})
			}
		}
	}
}

// onV2 returns those of the documents' users, except the one whom Envoy names, who reach v2
// of mockc.
func onV2(t *testing.T, m *mesh.Mesh) (users []string) {
	t.Helper()
	for _, user := range []string{"bob", "jack", "jessie", "stacy", "vance"} {
		trace, err := m.Get(t.Context(), "mocka", http.Header{"X-User-Id": {user}})
		if err != nil {
			t.Fatal(err)
		}
		if trace.Versions()["mockc"] == "v2" {
			users = append(users, user)
		}
	}
	return users
}
