package gateway

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
)

var (
	proof = flag.Bool("full", false, "send 120,000 requests through each Envoy to Lua and to ext_proc, instead of 2,000")
	seed  = flag.Uint64("seed", 1, "what generated rules and requests are made from")
)

// TestLua sends the same requests through an Envoy with the rules in Lua and through one
// that asks tagproc: the application that is reached, every header that it is sent, and
// the reasons in the access log are equal, for generated rules and odd requests.
func TestLua(t *testing.T) {
	envoytest.Each(t, testLua)
}

func testLua(t *testing.T, binary string) {
	t.Helper()
	t.Parallel()
	tables, requests := 4, 500
	if *proof {
		tables, requests = 24, 5000
	}
	rng := rand.New(rand.NewPCG(*seed, 3))
	sent, tagged := 0, 0
	for range tables {
		src := generatedRules(rng)
		n, with := compareWithLua(t, binary, src, rng, requests)
		sent, tagged = sent+n, tagged+with
	}
	if tagged < sent/4 || tagged > sent*19/20 {
		t.Errorf("%d of %d requests are tagged, so that little is tested", tagged, sent)
	}
	t.Logf("%d requests, %d of them tagged, are equal by Lua and by ext_proc", sent, tagged)
}

// compareWithLua compares the data paths for the rules of src, and returns how many
// requests were sent, and how many of them had a tag.
func compareWithLua(t *testing.T, binary, src string, rng *rand.Rand, requests int) (sent, tagged int) {
	t.Helper()
	table := load(t, src)
	listener := listen(t, false)
	p := processor.New(processor.Options{Limits: processor.Limits{MaxHeaders: contract.GatewayMaxHeaders, MaxHeaderBytes: contract.GatewayMaxHeaderKB << 10}, Metadata: true})
	p.SetTable(table)
	server := grpc.NewServer(grpc.ForceServerCodecV2(processor.Codec()))
	processor.Register(server, p)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	o := Standalone{
		Behaviour: Behaviour{DataPath: ExtProc, Timeout: limit},
		Listen:    "127.0.0.1:10000", Address: []string{"unix://" + listener.Addr().String()}, Default: application(t, "default"),
	}
	o.StripClientBaggage = !table.Propagated().IsZero() // without which Lua refuses
	for _, tag := range table.Tags() {
		if len(o.Routes) < 4 {
			o.Routes = append(o.Routes, tag.Header+"="+tag.Value+"="+application(t, tag.Header+"="+tag.Value))
		}
	}
	asking := startConfigured(t, binary, table, o)
	o.DataPath = Lua
	deciding := startConfigured(t, binary, table, o)

	var extended *configured
	if !o.StripClientBaggage { // which no TrafficExtension says
		extended = new(startExtended(t, binary, table, o))
	}
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true}}
	defer client.CloseIdleConnections()
	for range requests {
		header, path := generatedRequest(rng)
		want, got := asking.send(t, &client, path, header), deciding.send(t, &client, path, header)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: of %q with\n%.1500q\nLua makes another thing than ext_proc (-ext_proc +Lua):\n%s\nby the rules\n%s", *seed, path, header, diff, src)
		}
		if extended == nil {
		} else if diff := cmp.Diff(want, extended.send(t, &client, path, header)); diff != "" {
			t.Fatalf("seed %d: of %q with\n%.1500q\na TrafficExtension makes another thing than ext_proc (-ext_proc +it):\n%s\nby the rules\n%s", *seed, path, header, diff, src)
		}
		if sent++; strings.Contains(want, "\ntag-") {
			tagged++
		}
	}
	want, got := asking.reasons(t, sent), deciding.reasons(t, sent)
	for i := range want {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Fatalf("seed %d: the reasons of request %d differ (-ext_proc +Lua):\n%s\nby the rules\n%s", *seed, i, diff, src)
		}
	}
	return sent, tagged
}

// A configured is an Envoy with what Config returns.
type configured struct {
	ingress string
	log     *transcript.Transcript
	pid     int
}

func startConfigured(t *testing.T, binary string, table *rules.Table, o Standalone) configured {
	t.Helper()
	return startConfig(t, binary, renderStandalone(t, table, o))
}

// startExtended is startConfigured with what a TrafficExtension has for Envoy: Lua alone,
// and no early removal.
func startExtended(t *testing.T, binary string, table *rules.Table, o Standalone) configured {
	t.Helper()
	options := options()
	options.DataPath = Lua
	object, err := TrafficExtension(table, options)
	if err != nil {
		t.Fatal(err)
	}
	extension := extensionOf(t, object)
	var config map[string]any
	if err := yaml.Load([]byte(renderStandalone(t, table, o)), &config); err != nil {
		t.Fatal(err)
	}
	at := func(v any, path ...any) any {
		for _, step := range path {
			switch step := step.(type) {
			case string:
				v = v.(map[string]any)[step]
			case int:
				v = v.([]any)[step]
			}
		}
		return v
	}
	manager := at(config, "static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config").(map[string]any)
	delete(manager, "early_header_mutation_extensions")
	at(manager, "http_filters", 0, "typed_config", "default_source_code").(map[string]any)["inline_string"] = extension.GetLua().GetInlineCode()
	text, err := yaml.Dump(config)
	if err != nil {
		t.Fatal(err)
	}
	return startConfig(t, binary, string(text))
}

func startConfig(t *testing.T, binary, text string) configured {
	t.Helper()
	config, err := envoy.Template(text, map[int]int{9901: 0, 10000: 0}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := configured{log: &transcript.Transcript{}}
	p, err := envoy.Start(t.Context(), envoy.Options{Binary: binary, Config: config, Log: c.log})
	if err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	c.ingress, c.pid = p.Listeners[ingress], p.PID()
	return c
}

// application runs something that answers with its name and the headers it is sent, and
// returns its address.
func application(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var lines []string
		for header, values := range r.Header {
			switch strings.ToLower(header) {
			case "x-request-id", "x-forwarded-proto", "x-envoy-expected-rq-timeout-ms":
			default:
				lines = append(lines, fmt.Sprintf("%s: %q", strings.ToLower(header), values))
			}
		}
		slices.Sort(lines)
		fmt.Fprintf(w, "%s %s\n%s", name, r.RequestURI, strings.Join(lines, "\n"))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// send returns the status and what the application says.
func (c configured) send(t *testing.T, client *http.Client, path string, header http.Header) string {
	t.Helper()
	request := (&http.Request{
		Method: http.MethodGet, Host: header.Get("Host"), Header: header.Clone(),
		URL: &url.URL{Scheme: "http", Host: c.ingress, Opaque: path},
	}).WithContext(t.Context())
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%q %.1000q: %v", path, header, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}

var why = regexp.MustCompile(`(?m) why=(.*)$`)

// reasons returns those of so many requests from the access log.
func (c configured) reasons(t *testing.T, n int) (reasons []any) {
	t.Helper()
	var lines [][]string
	for deadline := time.Now().Add(limit); len(lines) < n; time.Sleep(50 * time.Millisecond) {
		if lines = why.FindAllStringSubmatch(c.log.String(), -1); time.Now().After(deadline) {
			t.Fatalf("after %v the access log has %d of %d lines", limit, len(lines), n)
		}
	}
	for _, line := range lines {
		var v any // nil: Envoy refused the request
		if line[1] == "-" {
			line[1] = "null"
		}
		if err := json.Unmarshal([]byte(line[1]), &v); err != nil {
			t.Fatalf("why=%s: %v", line[1], err)
		}
		reasons = append(reasons, v)
	}
	return reasons
}

// TestLuaRamp checks that a step is taken at its instant, and not before.
func TestLuaRamp(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		t.Parallel()
		at := time.Now().Add(5 * time.Second)
		o := standaloneOptions()
		o.DataPath, o.Routes, o.Default = Lua, []string{"s2=" + application(t, "s2")}, application(t, "default")
		c := startConfigured(t, binary, load(t, fmt.Sprintf("rules: [{header: x-user-id, tagHeader: x-tag, policies: [{tagValue: s2, ramp: [{at: %q, range: 100}]}]}]", at.Format(time.RFC3339Nano))), o)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		before := 0
		for deadline := at.Add(limit); ; time.Sleep(10 * time.Millisecond) {
			asked := time.Now()
			answer := c.send(t, &client, "/", http.Header{"X-User-Id": {"jack"}})
			if strings.HasPrefix(answer, "200 s2") {
				if answered := time.Now(); answered.Before(at) {
					t.Errorf("the step is taken %v before its instant", at.Sub(answered))
				}
				break
			}
			if before++; asked.After(at.Add(time.Second)) || asked.After(deadline) {
				t.Fatalf("%v after its instant the step is not taken: %s", asked.Sub(at), answer)
			}
		}
		if before == 0 {
			t.Log("Envoy took longer to start than the step to begin: what was before is not tested")
		}
	})
}

// TestLuaRefuses checks that what Lua cannot decide as tagproc does is refused by name.
func TestLuaRefuses(t *testing.T) {
	t.Parallel()
	o := standaloneOptions()
	o.DataPath, o.Routes = Lua, nil
	_, err := Config(load(t, `
propagation: {headers: [x-a]}
rules:
- {name: first, header: x-user-id, tagHeader: x-a, mode: "off", policies: [{range: 50, tagValue: v}]}
`), o)
	want := []string{
		"propagation writes baggage beside what clients send, whose forged members Lua cannot tell from others; use --data-path=ext_proc, or --strip-client-baggage, which removes clients' baggage",
		"no rule decides anything: add one, or set its mode to enforce",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("Config = %v, want\n%s", err, strings.Join(want, "\n"))
	}
	o.FailClosed = true
	if err := o.Check(load(t, lanes)); err == nil || !strings.HasPrefix(err.Error(), "--fail-closed: expected --data-path ext_proc") {
		t.Errorf("Check with --fail-closed = %v", err)
	}
}
