package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A builder compiles packages, so that the binaries depend on the sources, the toolchain
// and the version, and on nothing else.
type builder struct {
	Root      string // directory that the packages are below, each in the module nearest to it
	Toolchain string // such as "go1.27.4"
}

// toolchain returns the toolchain that go.mod of the module in root names.
func toolchain(ctx context.Context, root string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "edit", "-json")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off")
	text, err := output(cmd)
	if err != nil {
		return "", err
	}
	var mod struct{ Toolchain string }
	if err := json.Unmarshal(text, &mod); err != nil {
		return "", fmt.Errorf("go mod edit -json: %w", err)
	}
	if mod.Toolchain == "" {
		return "", fmt.Errorf("%s has no line toolchain, which says what builds the binaries", filepath.Join(root, "go.mod"))
	}
	return mod.Toolchain, nil
}

// settings are those that a binary may record of its own build. Any other comes from
// the machine: from its environment, say, or from a file that go env -w wrote.
func settings(arch string) map[string]string {
	all := map[string]string{
		"-buildmode": "exe", "-compiler": "gc", "-trimpath": "true",
		"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": arch,
	}
	switch arch {
	case "amd64":
		all["GOAMD64"] = "v1"
	case "arm64":
		all["GOARM64"] = "v8.0"
	}
	return all
}

// module returns the directory of the module that a package is in, and its path there.
func (b builder) module(pkg string) (dir, within string) {
	for at := path.Clean(pkg); at != "."; at = path.Dir(at) {
		dir := filepath.Join(b.Root, filepath.FromSlash(at))
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, "./" + strings.TrimPrefix(path.Clean(pkg), at+"/")
		}
	}
	return b.Root, pkg
}

// Build returns the path of a static binary in dir, built from the package at a path
// below the root.
func (b builder) Build(ctx context.Context, pkg, arch, version, dir string) (string, error) {
	binary := filepath.Join(dir, path.Base(pkg))
	// The binary says nothing of the checkout: a missing git or untracked files are
	// not part of the commit.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X main.version="+version, "-o", binary)
	var within string
	cmd.Dir, within = b.module(pkg)
	cmd.Args = append(cmd.Args, within)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOTOOLCHAIN="+b.Toolchain,
		"GOFLAGS=-mod=readonly") // the default; an empty GOFLAGS would leave it to go env -w
	for key, value := range settings(arch) {
		if !strings.HasPrefix(key, "-") {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
	}
	if _, err := output(cmd); err != nil {
		return "", err
	}
	return binary, b.check(binary, arch)
}

// check returns an error for every difference between the build and what was asked for.
func (b builder) check(binary, arch string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	var problems []error
	if info.GoVersion != b.Toolchain {
		problems = append(problems, fmt.Errorf("built with %s, and go.mod names %s", info.GoVersion, b.Toolchain))
	}
	want := settings(arch)
	for _, s := range info.Settings {
		if want[s.Key] != s.Value {
			problems = append(problems, fmt.Errorf("built with %s=%s, want %q; see go env", s.Key, s.Value, want[s.Key]))
		}
		delete(want, s.Key)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		problems = append(problems, fmt.Errorf("built without %s=%s", key, want[key]))
	}
	return errors.Join(problems...)
}

// output runs a command. Its error says what the command wrote to stderr.
func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	return text, nil
}
