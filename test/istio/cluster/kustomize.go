package cluster

import (
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Kustomize is what `kubectl kustomize` prints for a directory.
func Kustomize(t testing.TB, dir string) string {
	t.Helper()
	manifests, err := kustomize(dir)
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}

func kustomize(dir string) (string, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return "", err
	}
	manifests, err := resources.AsYaml()
	return string(manifests), err
}
