package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/program"
)

// TestGates runs the gates of docs/deployment.md: the step of the workflow in a clone, and
// the containers of the Job. It gives them rules that may go live, and rules that may not.
func TestGates(t *testing.T) {
	t.Parallel()
	tools := t.TempDir()
	if err := program.Build(filepath.Join(tools, "tagproc")); err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs struct {
			Rules struct{ Steps []struct{ Run string } }
		}
	}
	gate(t, "# .github/workflows/rules.yaml\n", &workflow)
	steps := workflow.Jobs.Rules.Steps
	type container struct{ Args []string }
	var job struct {
		Spec struct {
			Template struct {
				Spec struct {
					InitContainers, Containers []container
				}
			}
		}
	}
	gate(t, "# gate.yaml\n", &job)
	pod := job.Spec.Template.Spec

	live := read(t, "envoyfilter/rules.yaml")
	for _, tt := range []struct{ name, next, says string }{
		{"nothing changes", live, ""},
		{"5% more", strings.Replace(live, "range: 20", "range: 25", 1), ""},
		{"30% more", strings.Replace(live, "range: 20", "range: 50", 1), "--max-moving"},
		{"less", strings.Replace(live, "range: 20", "range: 15", 1), "--forbid-leaving"},
		{"refused", strings.Replace(live, "range: 20", "range: 200", 1), "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			judge := func(of string, said []byte, err error) {
				if failed := err != nil; failed != (tt.says != "") || !strings.Contains(string(said), tt.says) {
					t.Errorf("%s: %v, and says\n%s\nwant %q, and to fail only if that is said", of, err, said, tt.says)
				}
			}

			clone := t.TempDir()
			write := func(path, text string) {
				if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			shell := func(script string) ([]byte, error) {
				command := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script) // as the runner does
				command.Dir = clone
				command.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "GITHUB_BASE_REF=main", "GIT_CONFIG_GLOBAL=/dev/null")
				return command.CombinedOutput()
			}
			write(filepath.Join(clone, "rules.yaml"), live)
			if out, err := shell("git init -q && git add . && git -c user.name=t -c user.email=t@example.com commit -qm rules && git update-ref refs/remotes/origin/main HEAD"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			write(filepath.Join(clone, "rules.yaml"), tt.next)
			said, err := shell(steps[len(steps)-1].Run)
			judge("the workflow", said, err)

			volumes := t.TempDir()
			write(filepath.Join(volumes, "live", "rules.yaml"), live)
			write(filepath.Join(volumes, "next", "rules.yaml"), tt.next)
			var all []byte
			for _, c := range append(pod.InitContainers, pod.Containers...) {
				var args []string
				for _, arg := range c.Args {
					if strings.HasPrefix(arg, "/") {
						arg = volumes + arg
					}
					args = append(args, arg)
				}
				said, err = exec.CommandContext(t.Context(), filepath.Join(tools, "tagproc"), args...).CombinedOutput()
				all = append(all, said...)
				if err != nil {
					break
				}
			}
			judge("the Job", all, err)
		})
	}
}

// gate reads the YAML block of docs/deployment.md that begins with a line.
func gate(t *testing.T, first string, into any) {
	t.Helper()
	_, block, found := strings.Cut(read(t, "../docs/deployment.md"), "```yaml\n"+first)
	block, _, _ = strings.Cut(block, "```")
	if err := yaml.Unmarshal([]byte(block), into); err != nil || !found {
		t.Fatalf("docs/deployment.md: the block of %s%v", first, err)
	}
}
