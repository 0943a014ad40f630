package chart

import (
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// TestGate checks that kustomize makes of the gate in docs/deployment.md a Job that has the
// rules that come: another Job with each edit, as Flux needs it.
func TestGate(t *testing.T) {
	t.Parallel()
	block := func(first string) string {
		_, found, _ := strings.Cut(text(t, "../docs/deployment.md"), "```yaml\n"+first)
		found, _, _ = strings.Cut(found, "```")
		return found
	}
	names := map[string]bool{}
	for _, rules := range []string{"rules: []\n", "rules: [] # edited\n"} {
		files := filesys.MakeFsInMemory()
		for name, content := range map[string]string{
			"gate.yaml": block("# gate.yaml\n"), "kustomization.yaml": block("# kustomization.yaml: the lines that are more than those above\n"), "rules.yaml": rules,
		} {
			if err := files.WriteFile("/gate/"+name, []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/gate")
		if err != nil {
			t.Fatal(err)
		}
		stream, err := made.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		volumes, _ := field(read(t, string(stream))["Job/tagproc-gate"], "spec", "template", "spec", "volumes").([]any)
		if len(volumes) != 2 {
			t.Fatalf("volumes %v, want the rules that come and those that are live", volumes)
		}
		next, _ := field(volumes[0], "configMap", "name").(string)
		if live := field(volumes[1], "configMap", "name"); live != "tagproc-rules" || !strings.Contains(string(stream), "  name: "+next+"\n") {
			t.Errorf("the Job reads %q and %v, want a ConfigMap that is made and tagproc-rules", next, live)
		}
		names[next] = true
	}
	if len(names) != 2 {
		t.Errorf("the Job of edited rules reads %v, want another ConfigMap than before", names)
	}
}
