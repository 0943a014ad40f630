package main

import (
	"bytes"
	"context"
	"fmt"
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
// network of its own, where its ports are free, and beside the README's rules.yaml. The
// access log has to say what the README shows.
func TestReadmeEnvoy(t *testing.T) {
	t.Parallel()
	text := readDoc(t, "../../README.md")
	section := section(t, text, "Quick start: Envoy")
	start, ask := quickStart(t, section)
	shown := regexp.MustCompile("(?m)^```text\n((?:.*\n)*?)```$").FindStringSubmatch(section)
	rules := regexp.MustCompile("(?m)^```yaml\n(tagHeaders(?:.*\n)*?)```$").FindStringSubmatch(text)
	if shown == nil || rules == nil {
		t.Fatal("the README does not show rules, or what Envoy logs")
	}
	out, err := inNetwork(t, "cat > rules.yaml <<'END'\n"+rules[1]+"END\n"+start+untilReady+`
for _ in $(seq 20); do
`+ask+`
done
kill $(jobs -p)
wait
`)
	var parts []string
	for part := range strings.SplitSeq(strings.TrimSpace(shown[1]), "…") {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	if line := regexp.MustCompile(strings.Join(parts, ".*")); !line.Match(out) {
		t.Errorf("the quick start ended with %v and wrote\n%s\nwant a line of the access log as\n%s", err, out, shown[1])
	}
}

// TestDocsEnvoyCommands runs the commands at the beginning of docs/envoy.md before two
// versions of a service: the users that the comments name reach the version there.
func TestDocsEnvoyCommands(t *testing.T) {
	t.Parallel()
	text, _, _ := strings.Cut(readDoc(t, "../../docs/envoy.md"), "\n## ")
	start, ask := quickStart(t, text)
	const services = `
python3 - <<'END' &
import http.server, threading
def serve(port, version):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"version %d\n" % version)
        def log_message(self, *args): pass
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
for port, version in (8081, 1), (8082, 2):
    threading.Thread(target=serve, args=(port, version)).start()
END
`
	// Envoy waits 200 ms for tagproc, which a slow machine may take: so somebody asks
	// several times.
	out, err := inNetwork(t, services+start+untilReady+`
until curl -sf -o ready http://127.0.0.1:8081/ && curl -sf -o ready http://127.0.0.1:8082/; do sleep 0.1; done
for _ in $(seq 20); do
{
`+strings.ReplaceAll(ask, "curl -H", "curl -s -H")+`
} | paste -s -d ' '
done
kill -KILL $(jobs -p)
`)
	if want := "version 2 version 1\n"; !bytes.Contains(out, []byte(want)) || strings.Count(ask, "# version") != 2 {
		t.Errorf("the commands ended with %v and wrote\n%s\nwant a line %q", err, out, want)
	}
	line := regexp.MustCompile(`x-asm-prefer-tag=s2 route=s2 status=200 flags=- tagproc=0 why=\{"outcome":"tagged","rules":\{"x-asm-prefer-tag":\{"bucket":2,"reason":"policy","tag":"s2"\}\},"rulesDigest":"f2dfe3410bb25ac7"\}`)
	if !line.Match(out) {
		t.Errorf("the commands wrote\n%s\nwant a line of the access log as docs/envoy.md has it", out)
	}
}

// quickStart returns the commands of the first two blocks of a text: those that start
// something, behind the one that makes what the test has, and those that ask it.
func quickStart(t *testing.T, text string) (start, ask string) {
	t.Helper()
	blocks := regexp.MustCompile("(?m)^```sh\n((?:.*\n)*?)```$").FindAllStringSubmatch(text, -1)
	if len(blocks) < 2 || !strings.HasPrefix(blocks[0][1], "make build envoy") {
		t.Fatalf("there are %d blocks of commands, want one that begins with make build envoy, and one that asks, in\n%s", len(blocks), text)
	}
	_, start, _ = strings.Cut(blocks[0][1], "\n")
	return start, blocks[1][1]
}

// untilReady waits until tagproc has rules and Envoy listens.
const untilReady = `
until curl -sf -o ready http://127.0.0.1:9090/readyz && curl -s -o ready http://127.0.0.1:10000/; do sleep 0.1; done
`

// inNetwork runs a script of bash in a directory with bin/tagproc, an Envoy and deploy/,
// and in a network of its own. It returns what the script, and what it started, wrote.
func inNetwork(t *testing.T, script string) ([]byte, error) {
	t.Helper()
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
	ctx, cancel := context.WithTimeout(t.Context(), 4*limit)
	defer cancel()
	const up = `set -eu
python3 -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 1))' # up
`
	cmd := exec.CommandContext(ctx, "bash", "-c", up+script)
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
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%w (it needs namespaces of the user: user.max_user_namespaces)", err)
	}
	return out.Bytes(), nil
}
