package processor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	p := New(Options{Registerer: registry, Limits: Limits{MaxHeaders: 3}})
	send := func(msg []byte) { p.NewStream().Reply(nil, msg) }
	user := func(name string, more ...string) []byte {
		return marshal(t, headersRequest(rawHeaders(append([]string{"x-user-id", name}, more...)...)))
	}

	send(user("jessie")) // no rules
	p.SetTable(load(t, `
rules:
- name: lane
  header: x-user-id
  tagHeader: x-asm-prefer-tag
  overrides: [{values: [jason], tagValue: s9}, {values: [bob], none: true}]
  policies: [{range: 20, tagValue: s2}, {range: 30, tagValue: s1}]
- {name: second, header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: s1}]}
- {name: trial, header: x-device, tagHeader: appver-a, mode: shadow, policies: [{range: 100, tagValue: v2}]}
- {name: killed, header: x-user-id, tagHeader: appver-b, mode: off, policies: [{range: 100, tagValue: v2}]}
`))
	send(user("jessie"))                                   // s2
	send(user("jack"))                                     // s2
	send(user("stacy", "x-device", "phone"))               // s1
	send(user("jason"))                                    // s9
	send(user("bob"))                                      // none
	send(user("vance"))                                    // no policy
	send(user("vance", "x-asm-prefer-tag", "s2"))          // cleaned
	send(user("jessie", "a", "1", "b", "2"))               // over the limits
	send(marshal(t, headersRequest(rawHeaders("a", "1")))) // no key
	send(user(""))                                         // empty key
	send([]byte{0x12, 0x80})
	send(marshal(t, responseHeadersRequest()))
	send(marshal(t, &extprocv3.ProcessingRequest{}))

	want := `
# HELP tagproc_decisions_total ` + decisionsHelp + `
# TYPE tagproc_decisions_total counter
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="no_policy",rule="lane",tag=""} 2
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="no_policy",rule="second",tag=""} 0
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="override",rule="lane",tag=""} 1
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="override",rule="lane",tag="s9"} 1
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="policy",rule="lane",tag="s1"} 1
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="policy",rule="lane",tag="s2"} 3
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="policy",rule="second",tag="s1"} 0
tagproc_decisions_total{key="header x-device",mode="shadow",reason="no_policy",rule="trial",tag=""} 0
tagproc_decisions_total{key="header x-device",mode="shadow",reason="policy",rule="trial",tag="v2"} 1
# HELP tagproc_key_absent_total Requests without this key, or with an empty one. Cookies and queries count only if a rule reads them; visitors count if they have no id yet.
# TYPE tagproc_key_absent_total counter
tagproc_key_absent_total{key="header x-device"} 9
tagproc_key_absent_total{key="header x-user-id"} 2
# HELP tagproc_messages_total ` + messagesHelp + `
# TYPE tagproc_messages_total counter
tagproc_messages_total{direction="gateway",outcome="cleaned"} 1
tagproc_messages_total{direction="gateway",outcome="malformed"} 1
tagproc_messages_total{direction="gateway",outcome="no_request"} 1
tagproc_messages_total{direction="gateway",outcome="no_rules"} 1
tagproc_messages_total{direction="gateway",outcome="other_phase"} 1
tagproc_messages_total{direction="gateway",outcome="over_limits"} 1
tagproc_messages_total{direction="gateway",outcome="shed"} 0
tagproc_messages_total{direction="gateway",outcome="tagged"} 4
tagproc_messages_total{direction="gateway",outcome="unchanged"} 4
# HELP tagproc_panics_total Messages left unchanged because of a panic, which is a bug.
# TYPE tagproc_panics_total counter
tagproc_panics_total 0
`
	names := []string{"tagproc_decisions_total", "tagproc_key_absent_total", "tagproc_messages_total", "tagproc_panics_total"}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	// Of 14 messages 11 are request headers that could be read.
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "tagproc_decision_duration_seconds" {
			continue
		}
		if got := f.GetMetric()[0].GetHistogram().GetSampleCount(); got != 11 {
			t.Errorf("%d decisions are timed, want 11", got)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("GatherAndLint = %v, %v", problems, err)
	}
}

// TestMetricsOfDirections checks that the series of a direction appear with its first
// message, and those of the gateway at once.
func TestMetricsOfDirections(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	p := New(Options{Registerer: registry})
	for want, d := range []contract.Direction{contract.Gateway, contract.Restore, contract.Collect, contract.UnknownDirection} {
		p.NewStreamOf(d).Reply(nil, marshal(t, headersRequest(rawHeaders("x-user-id", "jessie"))))
		if n, err := testutil.GatherAndCount(registry, "tagproc_messages_total"); n != (want+1)*int(outcomes) || err != nil {
			t.Errorf("with messages of %d directions there are %d series, %v, want %d", want+1, n, err, (want+1)*int(outcomes))
		}
	}
}

// TestMetricsAfterReload checks that a rule goes on counting after a reload, whether it was
// edited or not, and whether there is room for its tally or not.
func TestMetricsAfterReload(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
	const lane = "- {name: lane, header: x-user-id, tagHeader: a, policies: [{range: 20, tagValue: s2}]}\n"
	files := []string{
		lane,
		"- {name: new, header: x-new, tagHeader: b, policies: [{range: 100, tagValue: s2}]}\n" + lane,
		strings.Replace(lane, "20", "30", 1),
		strings.Replace(lane, "policies: [", "modulo: 1000, policies: [{from: 900, range: 1000, tagValue: s1}, ", 1),
		strings.TrimPrefix(manyRules(400), "rules:\n") + lane,
		lane,
	}
	for i, src := range files {
		p.SetTable(load(t, "rules:\n"+src))
		for range 10 {
			p.NewStream().Reply(nil, msg)
		}
		if got := p.metrics.decisions.counts[[5]string{"lane", "enforce", "s2", "policy", "header x-user-id"}].total(); got != uint64(10*(i+1)) {
			t.Errorf("after file %d %v decisions are counted, want %d", i, got, 10*(i+1))
		}
	}
}

// TestMetricsOfRulesThatAreGone checks that a series lives as long as its rule.
func TestMetricsOfRulesThatAreGone(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	p := New(Options{Registerer: registry})
	msg := marshal(t, headersRequest(rawHeaders("x-user-id", "jessie")))
	const lane = "- {name: lane, header: x-user-id, tagHeader: a, policies: [{range: 20, tagValue: s2}]}\n"
	for i := range 100 {
		p.SetTable(load(t, fmt.Sprintf("rules:\n%s- {name: rule-%d, header: x-key-%d, tagHeader: b, policies: [{range: 20, tagValue: v%d}]}", lane, i, i, i)))
		p.NewStream().Reply(nil, msg)
	}
	want := `
# HELP tagproc_decisions_total ` + decisionsHelp + `
# TYPE tagproc_decisions_total counter
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="no_policy",rule="lane",tag=""} 0
tagproc_decisions_total{key="header x-key-99",mode="enforce",reason="no_policy",rule="rule-99",tag=""} 0
tagproc_decisions_total{key="header x-user-id",mode="enforce",reason="policy",rule="lane",tag="s2"} 100
tagproc_decisions_total{key="header x-key-99",mode="enforce",reason="policy",rule="rule-99",tag="v99"} 0
# HELP tagproc_key_absent_total Requests without this key, or with an empty one. Cookies and queries count only if a rule reads them; visitors count if they have no id yet.
# TYPE tagproc_key_absent_total counter
tagproc_key_absent_total{key="header x-key-99"} 1
tagproc_key_absent_total{key="header x-user-id"} 0
`
	names := []string{"tagproc_decisions_total", "tagproc_key_absent_total"}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	p.SetTable(nil)
	if n, err := testutil.GatherAndCount(registry, names...); n != 0 || err != nil {
		t.Errorf("without rules there are %d series, %v", n, err)
	}
}

// TestObservabilityIsCounted checks that a reply nobody waits for is counted.
func TestObservabilityIsCounted(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, walkthrough))
	m := headersRequest(rawHeaders("x-user-id", "jessie"))
	m.ObservabilityMode = true
	p.NewStream().Reply(nil, marshal(t, m))
	if got := float64(p.metrics.messages[contract.Gateway][tagged].Load()); got != 1 {
		t.Errorf("%v messages are counted as tagged, want 1", got)
	}
}
