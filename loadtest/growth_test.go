package main

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
)

// The results state of each workload how many rules it has, and how many of them
// decide and tag. The test checks these numbers.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		axis                   string
		size                   int
		rules, decide, headers int
	}{
		{"rules", 1, 1, 1, 1},
		{"rules", 10, 10, 10, 10},
		{"rules", 100, 100, 32, 32},
		{"rules", 1000, 1000, 32, 32},
		{"rules, mode: shadow", 100, 100, 100, 1},
		{"rules, mode: shadow", 1000, 1000, 1000, 1},
		{"policies", 1000, 1, 1, 1},
		{"request headers", 80, 1, 1, 1},
	} {
		w := workloadOf(t, tt.axis, tt.size)
		table, problems := rules.Load("rules.yaml", []byte(w.rules), rules.Options{})
		if table == nil {
			t.Fatalf("%d %s: %v", tt.size, tt.axis, problems.Err())
		}
		request := table.NewRequest()
		request.SetKey(0, []byte("user-00000"))
		decide := 0
		for _, d := range table.Match(request) {
			if d.Applies() {
				decide++
			}
		}
		if n := len(table.Rules()); n != tt.rules || decide != tt.decide {
			t.Errorf("%d %s: %d rules, %d of them decide; want %d and %d", tt.size, tt.axis, n, decide, tt.rules, tt.decide)
		}

		p := processor.New(processor.Options{})
		p.SetTable(table)
		message, err := proto.Marshal(w.request)
		if err != nil {
			t.Fatal(err)
		}
		reply, _ := p.NewStream().Reply(nil, message)
		var response extprocv3.ProcessingResponse
		if err := proto.Unmarshal(reply, &response); err != nil {
			t.Fatal(err)
		}
		set := response.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()
		if len(set) != tt.headers {
			t.Errorf("%d %s: the reply sets %d headers, want %d", tt.size, tt.axis, len(set), tt.headers)
		}
		if tt.axis == "request headers" && len(w.request.GetRequestHeaders().GetHeaders().GetHeaders()) != tt.size {
			t.Errorf("a request of %d headers has another number of them", tt.size)
		}
	}
}

func workloadOf(t *testing.T, axis string, size int) workload {
	t.Helper()
	for _, w := range workloads("user-00000") {
		if w.axis == axis && w.size == size {
			return w
		}
	}
	t.Fatalf("there is no workload of %d %s", size, axis)
	return workload{}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	for g := range 3 {
		table, problems := rules.Load("rules.yaml", []byte(generation(g)), rules.Options{})
		if table == nil {
			t.Fatal(problems.Err())
		}
		for _, tag := range table.Tags() {
			if !strings.HasSuffix(tag.Value, "-"+string(rune('0'+g))) {
				t.Fatalf("generation %d has the tag %q", g, tag.Value)
			}
		}
	}
}

// ghz finds the method in the file of descriptors, and everything it imports.
func TestProtoset(t *testing.T) {
	t.Parallel()
	g, err := newGHZ("ghz", t.TempDir(), forwarded("user-00000"))
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(g.protoset)
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(src, &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.FindDescriptorByName("envoy.service.ext_proc.v3.ExternalProcessor.Process"); err != nil {
		t.Error(err)
	}
}
