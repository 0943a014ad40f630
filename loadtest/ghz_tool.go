package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/tagproc/tagproc/internal/child"
)

// method is what ghz calls.
const method = "envoy.service.ext_proc.v3.ExternalProcessor/Process"

// A ghzReport is what ghz says of one run: the part of its JSON that is used.
type ghzReport struct {
	Count   int
	RPS     float64
	Errors  map[string]int `json:"errorDistribution"`
	Latency []struct {
		Percentage int
		Latency    float64 // in nanoseconds
	} `json:"latencyDistribution"`
}

// micros returns a percentile of the latency in microseconds.
func (g *ghzReport) micros(percentage int) float64 {
	for _, l := range g.Latency {
		if l.Percentage == percentage {
			return l.Latency / 1e3
		}
	}
	return 0
}

// failed is the number of streams that did not end well.
func (g *ghzReport) failed() (n int) {
	for _, count := range g.Errors {
		n += count
	}
	return n
}

// A ghzTool is ghz with what it is to send.
type ghzTool struct{ binary, protoset, data string }

// newGHZ writes the files that ghz reads into dir: the messages of one stream, and
// the service's descriptors, so that it need not ask the server for them, which
// would cost the server CPU.
func newGHZ(binary, dir string, request *extprocv3.ProcessingRequest) (*ghzTool, error) {
	message, err := protojson.Marshal(request)
	if err != nil {
		return nil, err
	}
	g := &ghzTool{binary, filepath.Join(dir, "ext_proc.protoset"), filepath.Join(dir, "request.json")}
	if err := writeProtoset(g.protoset); err != nil {
		return nil, err
	}
	return g, os.WriteFile(g.data, []byte("["+string(message)+"]"), 0o600)
}

// writeProtoset writes the descriptors of the service, as they are linked into this
// program, and of everything that they import.
func writeProtoset(path string) error {
	descriptors := &descriptorpb.FileDescriptorSet{}
	appendFile(descriptors, extprocv3.File_envoy_service_ext_proc_v3_external_processor_proto, make(map[string]bool))
	protoset, err := proto.Marshal(descriptors)
	if err != nil {
		return err
	}
	return os.WriteFile(path, protoset, 0o644)
}

// appendFile appends a .proto file, after those that it imports.
func appendFile(set *descriptorpb.FileDescriptorSet, file protoreflect.FileDescriptor, have map[string]bool) {
	if have[file.Path()] {
		return
	}
	have[file.Path()] = true
	for i := range file.Imports().Len() {
		appendFile(set, file.Imports().Get(i).FileDescriptor, have)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

// args are the arguments of one run: n streams over one connection, from callers
// that each open the next one when the last has ended.
func (g *ghzTool) args(address string, callers, n int) []string {
	if strings.HasPrefix(address, "/") {
		address = "unix://" + address
	}
	return []string{
		"--insecure", "--protoset", g.protoset, "--call", method, "--data-file", g.data,
		"--concurrency", strconv.Itoa(callers), "--connections", "1", "--total", strconv.Itoa(n),
		"--format", "json", address,
	}
}

// run runs ghz.
func (g *ghzTool) run(ctx context.Context, address string, callers, n int) (*ghzReport, error) {
	cmd := exec.CommandContext(ctx, g.binary, g.args(address, callers, n)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var waited error
	done, err := child.Start(cmd, func() { waited = cmd.Wait() })
	if err == nil {
		<-done
		err = waited
	}
	if err != nil {
		return nil, fmt.Errorf("ghz: %w\n%s", err, stderr.String())
	}
	report := &ghzReport{}
	if err := json.Unmarshal(stdout.Bytes(), report); err != nil {
		return nil, fmt.Errorf("couldn't read the report of ghz: %w", err)
	}
	if report.Count != n || report.failed() == n {
		return nil, fmt.Errorf("ghz ended %d streams of %d, with these errors: %v", report.Count, n, report.Errors)
	}
	return report, nil
}
