package main

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDockerfile compares what the Dockerfile says of its last stage with the image.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var base, user, workdir string
	var entrypoint, files []string
	labels := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "FROM":
			base, files = rest, nil
		case "USER":
			user = rest
		case "WORKDIR":
			workdir = rest
		case "LABEL":
			key, value, _ := strings.Cut(rest, "=")
			labels[key] = strings.ReplaceAll(value, "$VERSION", testCommit.Version)
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(rest), &entrypoint); err != nil {
				t.Fatalf("ENTRYPOINT %s: %v; what is no JSON runs in a shell, and there is none", rest, err)
			}
		case "COPY":
			args := slices.DeleteFunc(strings.Fields(rest), func(arg string) bool { return strings.HasPrefix(arg, "--") })
			to := args[len(args)-1]
			for _, from := range args[:len(args)-1] {
				if strings.HasSuffix(to, "/") {
					files = append(files, to+path.Base(from))
				} else {
					files = append(files, to)
				}
			}
		case "CMD", "ENV", "ADD", "VOLUME", "EXPOSE", "STOPSIGNAL":
			t.Errorf("%s is not in the image, or this test has to learn it", line)
		}
	}
	slices.Sort(files)

	image := tagproc(t)[0]
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	type facts struct {
		Base, User, Workdir string
		Entrypoint, Files   []string
		Labels              map[string]string
	}
	want := facts{"scratch", config.Config.User, config.Config.WorkingDir, config.Config.Entrypoint, nil, maps.Clone(config.Config.Labels)}
	delete(want.Labels, "org.opencontainers.image.created") // Docker does not know it
	delete(want.Labels, "org.opencontainers.image.revision")
	for header := range contents(t, image) {
		if !header.FileInfo().IsDir() {
			want.Files = append(want.Files, "/"+header.Name)
		}
	}
	if diff := cmp.Diff(want, facts{base, user, workdir, entrypoint, files, labels}); diff != "" {
		t.Errorf("image and Dockerfile (-image +Dockerfile):\n%s", diff)
	}
}

// TestOneBuild looks for how images are built in the files that build the same
// binary: an archive of a release has the image's, byte for byte.
func TestOneBuild(t *testing.T) {
	t.Parallel()
	for name, wants := range map[string][]string{
		"Dockerfile": {
			"FROM --platform=$BUILDPLATFORM golang:" + strings.TrimPrefix(pinned(t), "go") + " AS build",
			"CGO_ENABLED=0 ", "go build -trimpath -buildvcs=false -ldflags=\"-s -w -X main.version=$VERSION\" ",
		},
		".goreleaser.yaml": {
			"- GOTOOLCHAIN=" + pinned(t) + "\n",
			"- CGO_ENABLED=0\n", "- -trimpath\n", "- -buildvcs=false\n", "- -s -w -X main.version={{ .Summary }}\n",
		},
	} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", name, want)
			}
		}
	}
}
