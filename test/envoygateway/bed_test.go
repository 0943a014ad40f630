package envoygateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/transcript"
)

// limit bounds every wait for a condition.
const limit = 90 * time.Second

// port is where the Gateway listens.
const port = 10080

// eventually waits until condition returns nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatalf("%s, after %v: %v", what, limit, err)
}

// a bed is an Envoy Gateway with its Envoy, a tagproc, and two versions of an application.
type bed struct {
	dir       string
	rules     string // file
	socket    string // of tagproc
	resources string // directory that Envoy Gateway watches
	versions  map[string]*echo.Server
}

// start runs Envoy Gateway until the test ends. It knows no resources yet.
func start(t *testing.T) *bed {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "bed-") //nolint:usetesting // a socket is in it: the path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	b := &bed{
		dir: dir, rules: filepath.Join(dir, "rules.yaml"), socket: filepath.Join(dir, "tagproc.sock"),
		resources: filepath.Join(dir, "resources"), versions: map[string]*echo.Server{},
	}
	for _, version := range []string{"v1", "v2"} {
		server, err := echo.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
		b.versions[version] = server
	}
	if err := os.Mkdir(b.resources, 0o755); err != nil {
		t.Fatal(err)
	}
	b.putEnvoy(t)
	config := filepath.Join(dir, "envoy-gateway.yaml")
	write(t, config, fmt.Sprintf(`apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Custom
  custom:
    resource: {type: File, file: {paths: [%[1]q]}}
    infrastructure:
      type: Host
      host: {configHome: %[2]q, dataHome: %[3]q, stateHome: %[2]q, runtimeDir: %[2]q}
extensionApis: {enableBackend: true}
`, b.resources, filepath.Join(dir, "home"), filepath.Join(dir, "data")))
	certificates := exec.Command(filepath.Join(programs, "envoy-gateway"), "certgen", "--local", "--config-home", filepath.Join(dir, "home"))
	if out, err := certificates.CombinedOutput(); err != nil {
		t.Fatalf("certificates: %v\n%s", err, out)
	}
	run(t, exec.Command(filepath.Join(programs, "envoy-gateway"), "server", "--config-path", config))
	return b
}

// putEnvoy puts the pinned Envoy where Envoy Gateway looks for the one that it has
// fetched.
func (b *bed) putEnvoy(t *testing.T) {
	t.Helper()
	binary, err := envoy.FindVersion(envoy.Version)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(b.dir, "data", "envoy-versions", envoy.Version, "bin")
	if err := errors.Join(os.MkdirAll(to, 0o755), os.Symlink(binary, filepath.Join(to, "envoy"))); err != nil {
		t.Fatal(err)
	}
}

// run starts a program until the test ends, and shows its log where the test fails.
// Calling stop ends it before.
func run(t *testing.T, cmd *exec.Cmd) (stop func()) {
	t.Helper()
	log := &transcript.Transcript{}
	cmd.Stdout, cmd.Stderr = log, log
	ended, err := child.Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(limit):
			_ = cmd.Process.Kill()
			<-ended
			t.Errorf("%s did not end after SIGTERM", cmd.Path)
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("the log of %s:\n%s", filepath.Base(cmd.Path), log)
		}
	})
	return stop
}

// serve runs tagproc until the test ends. kill kills it.
func (b *bed) serve(t *testing.T) (kill func()) {
	t.Helper()
	return b.serveAt(t, "unix://"+b.socket)
}

// serveAt does the same at an address, with flags.
func (b *bed) serveAt(t *testing.T, address string, flags ...string) (kill func()) {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs, "tagproc"), append([]string{
		"serve", "--rules", b.rules, "--metadata", "--drain-delay=0s",
		"--listen", address, "--admin", "unix://" + filepath.Join(b.dir, "admin.sock"),
	}, flags...)...)
	stop := run(t, cmd)
	return func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		stop()
	}
}

// rendered returns what tagproc prints for the Gateway about the rules.
func (b *bed) rendered(t *testing.T, flags ...string) string {
	t.Helper()
	return b.renderedFor(t, "unix://"+b.socket, flags...)
}

// renderedFor does the same for a tagproc elsewhere.
func (b *bed) renderedFor(t *testing.T, service string, flags ...string) string {
	t.Helper()
	args := append([]string{"render", "envoygateway", "--rules", b.rules, "--gateway", "default/shop", "--service", service}, flags...)
	out, err := exec.Command(filepath.Join(programs, "tagproc"), args...).Output()
	if err != nil {
		t.Fatalf("tagproc %q: %v", args, err)
	}
	return string(out)
}

// apply replaces the resources that Envoy Gateway has.
func (b *bed) apply(t *testing.T, manifests ...string) {
	t.Helper()
	temporary := filepath.Join(b.dir, "all.yaml")
	write(t, temporary, strings.Join(manifests, "\n---\n"))
	if err := os.Rename(temporary, filepath.Join(b.resources, "all.yaml")); err != nil {
		t.Fatal(err)
	}
}

// write replaces a file in one step.
func write(t *testing.T, file, text string) {
	t.Helper()
	temporary := file + ".new"
	if err := errors.Join(os.WriteFile(temporary, []byte(text), 0o644), os.Rename(temporary, file)); err != nil {
		t.Fatal(err)
	}
}

// surroundings returns a Gateway, and routes to two versions of an application: who has
// the tag s2 and a named user reach v2, all others v1.
func (b *bed) surroundings() string {
	return gateway() + `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: default}
spec:
  parentRefs: [{name: shop}]
  rules:
  - matches:
    - headers: [{name: x-user-id, value: jason}]
    - headers: [{name: x-asm-prefer-tag, value: s2}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: v2}]
  - backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: v1}]
` + backend("v1", "default", b.versions["v1"].Port()) + backend("v2", "default", b.versions["v2"].Port())
}

// backend returns a Backend on this machine.
func backend(name, namespace string, port int) string {
	return fmt.Sprintf(`---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: %s, namespace: %s}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: %d}}]}
`, name, namespace, port)
}

// gateway returns the Gateway shop, and what it is made of.
func gateway() string {
	return fmt.Sprintf(`apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: here, namespace: envoy-gateway-system}
spec: {provider: {type: Host, host: {envoyVersion: %q}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: here, namespace: envoy-gateway-system}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop, namespace: default}
spec:
  gatewayClassName: eg
  listeners: [{name: http, port: %d, protocol: HTTP}]
`, envoy.Version, port)
}

// An answer is what a request met.
type answer struct {
	status  int
	version string // of the application; "": none answered
	tags    string // that it saw
	header  http.Header
}

// ask sends a request with headers, each "name: value".
func (b *bed) ask(headers ...string) (answer, error) {
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/", net.JoinHostPort("127.0.0.1", fmt.Sprint(port))), http.NoBody)
	if err != nil {
		return answer{}, err
	}
	key := fmt.Sprintf("%d", time.Now().UnixNano())
	request.Header.Set(echo.KeepHeader, key)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header[name] = append(request.Header[name], value) // as it is spelt
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header}
	for version, server := range b.versions {
		for _, r := range server.Take(key) {
			a.version = version
			for name, values := range r.Headers {
				if strings.Contains(string(name), "prefer") {
					a.tags += fmt.Sprintf("%s=%s", name, values)
				}
			}
		}
	}
	return a, nil
}

// expect waits until a request reaches a version with tags.
func (b *bed) expect(t *testing.T, what, version, tags string, headers ...string) {
	t.Helper()
	eventually(t, what, func() error {
		got, err := b.ask(headers...)
		if err == nil && (got.status != http.StatusOK || got.version != version || got.tags != tags) {
			err = fmt.Errorf("status %d from %q, which saw the tags %q; want 200 from %s with %q", got.status, got.version, got.tags, version, tags)
		}
		return err
	})
}
