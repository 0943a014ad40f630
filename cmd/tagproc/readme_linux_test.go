package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/envoy"
)

// TestReadmeEnvoy runs the README's quick start behind Envoy, as it stands there, in a
// network of its own, where its ports are free. The access log has to say what the README
// shows.
func TestReadmeEnvoy(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Quick start: Envoy\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var start, ask, shown string
	for _, m := range regexp.MustCompile("(?m)^```(sh|text)\n((?:.*\n)*?)```$").FindAllStringSubmatch(section, -1) {
		switch {
		case m[1] == "text":
			shown = strings.TrimSpace(m[2])
		case start == "":
			start = m[2]
		default:
			ask = m[2]
		}
	}
	const made = "make build envoy\n" // it makes the links below
	start, ok := strings.CutPrefix(start, made)
	if !ok || ask == "" || shown == "" {
		t.Fatalf("the quick start is\n%s\nwant a block that begins with %q, one that asks, and what Envoy logs", section, made)
	}

	dir := t.TempDir()
	binary, err := envoy.FindVersion("1.40.0")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable() // which is tagproc under that name: TestMain
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"bin/tagproc": self, ".envoy/1.40.0/envoy/_bin/envoy": binary, "deploy": filepath.Join("..", "..", "deploy"),
	} {
		if target, err = filepath.Abs(target); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}

	// Envoy writes its log when it ends. It waits 200 ms for tagproc, which a slow machine
	// may take: so somebody asks several times.
	script := `set -eu
python3 -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 1))' # up
` + start + `
until curl -sf -o ready http://127.0.0.1:9090/readyz && curl -s -o ready http://127.0.0.1:10000/; do sleep 0.1; done
for _ in $(seq 20); do
` + ask + `
done
kill $(jobs -p)
wait
`
	ctx, cancel := context.WithTimeout(t.Context(), 4*limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	err = cmd.Run()
	var parts []string
	for part := range strings.SplitSeq(shown, "…") {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	if line := regexp.MustCompile(strings.Join(parts, ".*")); !line.Match(out.Bytes()) {
		t.Errorf("the quick start ended with %v and wrote\n%s\nwant a line of the access log as\n%s\n(it needs namespaces of the user: user.max_user_namespaces)", err, out.Bytes(), shown)
	}
}
