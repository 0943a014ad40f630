package deploy

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// tokenPath is where Kubernetes mounts the token of a pod's ServiceAccount, in every
// container that has no other mount at exactly this path.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// TestNoToken checks that no container of tagproc's images gets a token of Kubernetes,
// in no file of deploy/ and in no block of a document.
func TestNoToken(t *testing.T) {
	t.Parallel()
	found := map[string]int{} // images
	check := func(name string, content []byte) {
		for _, root := range nodes(t, name, content) {
			for _, problem := range tokens(root, found) {
				t.Errorf("%s: %s", name, problem)
			}
		}
	}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yaml" {
			return err
		}
		if filepath.Base(filepath.Dir(name)) == "templates" {
			return nil // no YAML yet; test/chart holds what they make equal to kustomize/
		}
		content, err := os.ReadFile(name)
		check(name, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?m)^( *)```yaml\n((?:.*\n)*?) *```$")
	for _, name := range append(documents, "../README.md", "../SECURITY.md") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(content), -1) {
			check(name, []byte(strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")))
		}
	}
	if found["tagproc/tagproc"] < 3 || found["tagproc/sample"] < 9 {
		t.Errorf("containers by image: %v; want the three forms of tagproc/tagproc and nine of tagproc/sample", found)
	}
}

// TestNoTokenSees checks that the check finds a token, whatever way a container gets it.
func TestNoTokenSees(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pod, want string
	}{
		{"nothing said", "containers: [{image: tagproc/tagproc}]", "automountServiceAccountToken"},
		{"automount off", "automountServiceAccountToken: false\ncontainers: [{image: tagproc/tagproc}]", ""},
		{"automount on", "automountServiceAccountToken: true\ncontainers: [{image: 'tagproc/tagproc:v1'}]", "automountServiceAccountToken"},
		{"an empty volume", "initContainers: [{image: tagproc/tagproc, volumeMounts: [{name: n, mountPath: " + tokenPath + "}]}]\n" +
			"volumes: [{name: n, emptyDir: {}}]", ""},
		{"a token by projection", "automountServiceAccountToken: false\ninitContainers: [{image: tagproc/tagproc, volumeMounts: [{name: n, mountPath: /t}]}]\n" +
			"volumes: [{name: n, projected: {sources: [{serviceAccountToken: {path: token}}]}}]", "n"},
		{"a secret", "automountServiceAccountToken: false\ncontainers: [{image: tagproc/tagproc, volumeMounts: [{name: n, mountPath: " + tokenPath + "}]}]\n" +
			"volumes: [{name: n, secret: {secretName: s}}]", "n"},
		{"another path", "containers: [{image: tagproc/tagproc, volumeMounts: [{name: n, mountPath: " + tokenPath + "/x}]}]\n" +
			"volumes: [{name: n, emptyDir: {}}]", "automountServiceAccountToken"},
		{"somebody else's", "containers: [{image: auto}]", ""},
	} {
		var got []string
		for _, root := range nodes(t, tt.name, []byte(tt.pod)) {
			got = append(got, tokens(root, map[string]int{})...)
		}
		if joined := strings.Join(got, "\n"); tt.want == "" && joined != "" || !strings.Contains(joined, tt.want) {
			t.Errorf("%s: tokens() = %q, want %q in it", tt.name, joined, tt.want)
		}
	}
}

// nodes returns the documents of a YAML stream.
func nodes(t *testing.T, name string, text []byte) (all []any) {
	t.Helper()
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var node any
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return all
		}
		all = append(all, node)
	}
}

// tokens returns the tokens that containers of tagproc's images have in any pod below a
// node, and counts these containers by image.
func tokens(node any, found map[string]int) (problems []string) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			problems = append(problems, tokens(item, found)...)
		}
	case map[string]any:
		for _, value := range node {
			problems = append(problems, tokens(value, found)...)
		}
		for _, key := range []string{"containers", "initContainers"} {
			for _, c := range list(node[key]) {
				image, _, _ := strings.Cut(str(c["image"]), ":")
				if strings.HasPrefix(image, "tagproc/") {
					found[image]++
					problems = append(problems, tokensOf(node, c)...)
				}
			}
		}
	}
	return problems
}

// tokensOf returns the tokens that a container of a pod has.
func tokensOf(pod, container map[string]any) (problems []string) {
	mounted := false
	for _, mount := range list(container["volumeMounts"]) {
		volumes := list(pod["volumes"])
		i := slices.IndexFunc(volumes, func(v map[string]any) bool { return v["name"] == mount["name"] })
		if i < 0 {
			problems = append(problems, str(mount["name"])+" is no volume of the pod")
			continue
		}
		mounted = mounted || mount["mountPath"] == tokenPath
		if volumes[i]["emptyDir"] == nil && volumes[i]["configMap"] == nil {
			problems = append(problems, str(mount["name"])+" is neither an emptyDir nor a configMap, and may hold a token")
		}
	}
	if automount, said := pod["automountServiceAccountToken"].(bool); (automount || !said) && !mounted {
		problems = append(problems, str(container["image"])+" gets the token of the pod's ServiceAccount: "+
			"the pod has no automountServiceAccountToken: false, and the container no empty volume at "+tokenPath)
	}
	return problems
}

func str(node any) string {
	s, _ := node.(string)
	return s
}

func list(node any) (all []map[string]any) {
	items, _ := node.([]any)
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}
