package main

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/transport"
)

// TestNoUserIDs checks that ids of users are in no metric, no log line, no state and no
// metadata, whatever becomes of their requests.
func TestNoUserIDs(t *testing.T) {
	t.Parallel()
	const id = "frida-4711"
	log := &transcript.Transcript{}
	admin := filepath.Join(t.TempDir(), "admin.sock")
	r := startServer(t, serverOptions{
		admin:     transport.UnixScheme + admin,
		processor: processor.Options{Limits: processor.Limits{MaxHeaderBytes: 1000}, Metadata: true},
		log:       slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	conn := r.dial(t)
	ask := func(id string) {
		t.Helper()
		stream := open(t, conn, filterv3.ProcessingMode_NONE, id)
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if reply.DynamicMetadata == nil || strings.Contains(reply.String(), id) {
			t.Errorf("the reply is %v, want metadata without the id %q", reply, id)
		}
	}
	ask(id)
	ask(strings.Repeat(id, 200)) // over the limits

	// A message without a request is not answered.
	stream, err := extprocv3.NewExternalProcessorClient(conn).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&extprocv3.ProcessingRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if reply, err := stream.Recv(); err == nil {
		t.Errorf("a message without a request is answered by %v", reply)
	}

	replace := func(overrides string) (loaded bool) {
		t.Helper()
		writeRules(t, r.rulesFile, strings.Replace(oneRule, "header:", "overrides: "+overrides+", header:", 1))
		return (<-r.loads).Table != nil
	}

	// A named user.
	metrics := ""
	for _, edit := range []string{"[{values: [" + id + "], tagValue: s2}]", "[{values: [bob], none: true}, {values: [" + id + "], none: true}]", "[]"} {
		if !replace(edit) {
			t.Fatalf("%s is refused", edit)
		}
		ask(id)
		metrics += get(t, "unix", admin, "/metrics")
	}

	// A match on a user.
	for _, value := range []string{id, id + "-2"} {
		if edit := "[], match: {headers: [{name: x-user-id, exact: " + value + "}]}"; !replace(edit) {
			t.Fatalf("%s is refused", edit)
		}
	}
	state := awaitState(t, admin, `"match":"header x-user-id = …"`)
	explained := post(t, admin, "/explain", `{"headers": [{"name": "x-user-id", "value": "jack"}]}`)
	if !strings.Contains(explained, `"unmet":"header x-user-id = …"`) {
		t.Errorf("it is not explained without the id which condition is not met: %s", explained)
	}
	state += explained + get(t, "unix", admin, "/explain")

	// Files that are refused for whom or how they name users, and somebody who asks about one.
	for edit, want := range map[string]string{`[], match: {headers: [{name: x-user-id, exact: "` + id + `\u0001"}]}`: "can never match", "[{values: [\n" + id + ",\n" + id + "], tagValue: s2}]": "duplicate value", "[{valeus: [" + id + "], " + id + ": s2}]": "has no key"} {
		if replace(edit) {
			t.Fatalf("%s is accepted", edit)
		}
		state += awaitState(t, admin, want)
	}
	explained = post(t, admin, "/explain", `{"headers": [{"name": "x-user-id", "value": "`+id+`"}]}`)
	if !strings.Contains(explained, `"value":"`+id+`"`) {
		t.Errorf("the question is not explained: %s", explained)
	}
	state += awaitState(t, admin, `"outcomes":{"no_request":1,"over_limits":1,"tagged":3,"unchanged":1}`, `"requests":[`, "users named for no tag: 2 added")

	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for what, text := range map[string]string{"metrics": metrics, "state": state, "log": log.String()} {
		if strings.Contains(text, "frida") {
			t.Errorf("the %s have the id of a user:\n%s", what, text)
		}
	}
	for _, want := range []string{`tagproc_messages_total{direction="gateway",outcome="over_limits"} 1`, `tagproc_messages_total{direction="gateway",outcome="no_request"} 1`, `reason="override"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s:\n%s", want, metrics)
		}
	}
	for _, want := range []string{"level=DEBUG", "users named for s2: 1 added", "users named for no tag: 2 added", "users named for no tag: 0 added, 2 removed"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

// awaitState returns the state once it has all texts. Its counts follow a request
// within a second.
func awaitState(t *testing.T, admin string, wants ...string) string {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		state := get(t, "unix", admin, "/state")
		lacks := func(want string) bool { return !strings.Contains(state, want) }
		i := slices.IndexFunc(wants, lacks)
		if i < 0 {
			return state
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v the state has no %s:\n%s", limit, wants[i], state)
		}
	}
}
