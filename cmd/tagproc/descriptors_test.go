package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/transport"
)

func TestLimitConnections(t *testing.T) {
	for _, tt := range []struct {
		limit       uint64
		asked, want int
	}{
		{1 << 20, 1024, 1024},
		{1024 + reserved, 1024, 1024},
		{1023 + reserved, 1024, 1023},
		{1024, 1024, 1024 - reserved},
		{1024, 10, 10},
		{100, 1024, 50},
	} {
		var log transcript.Transcript
		got := limitConnections(slog.New(slog.NewTextHandler(&log, nil)), tt.asked, func() uint64 { return tt.limit })
		if got != tt.want || (log.String() != "") != (tt.want < tt.asked) {
			t.Errorf("of %d descriptors %d connections of %d, want %d; the log: %s", tt.limit, got, tt.asked, tt.want, log.String())
		}
	}
}

// TestFewDescriptors checks that a tagproc with 1,024 descriptors, whose admin and
// gRPC ports are held by more connections than it may have, goes on: requests are
// tagged, an edit is live, probes are answered, and memory is bounded.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	file, socket := filepath.Join(t.TempDir(), "rules.yaml"), filepath.Join(t.TempDir(), "t.sock")
	writeRules(t, file, oneRule)
	p := startProcess(t, "ulimit -n 1024;", "serve", "--rules", file,
		"--listen", transport.UnixScheme+socket, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	p.awaitLog(t, "listening for administration")
	addresses := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`).FindAllStringSubmatch(p.log.String(), -1)
	port, administration := addresses[0][1], addresses[1][1]
	if want := fmt.Sprintf("used_instead=%d", 1024-reserved); !strings.Contains(p.log.String(), want) {
		t.Errorf("the log has no %q:\n%s", want, p.log.String())
	}
	envoy, err := grpc.NewClient(transport.UnixScheme+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { envoy.Close() })
	// atMost waits until a metric is at most so much: a connection that is refused is open
	// for a moment, and memory is there until it is collected.
	atMost := func(during, metric string, most float64) {
		t.Helper()
		p.await(t, fmt.Sprintf("%s: %s is at most %v", during, metric, most), func() bool { return adminMetric(t, administration, metric) <= most })
	}
	goesOn := func(during, tag string) {
		t.Helper()
		writeRules(t, file, strings.Replace(oneRule, "s1", tag, 1))
		p.await(t, during+": the edit is live", func() bool { return tagOf(t, open(t, envoy, filterv3.ProcessingMode_NONE, "jack")) == tag })
		atMost(during, "process_open_fds", 1024-32)
	}
	goesOn("undisturbed", "u")
	before := adminMetric(t, administration, "go_memstats_heap_inuse_bytes")
	hold(t, administration, 400, "GET /"+strings.Repeat("a", 990_000))
	hold(t, administration, 3000, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	goesOn("admin held", "a")
	atMost("3,400 connections to --admin", "go_memstats_heap_inuse_bytes", before+32<<20)
	hold(t, port, 1500, "")
	goesOn("gRPC held", "g")
	atMost("gRPC held", "tagproc_connections", 1024-reserved)
}

// hold opens connections, sends something on each, and holds them until the test
// ends.
func hold(t *testing.T, address string, n int, send string) {
	t.Helper()
	for range n {
		c, err := net.DialTimeout("tcp", address, limit)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetWriteDeadline(time.Now().Add(limit))
		_, _ = io.WriteString(c, send) // refused in the middle, where it is too much
	}
}

// adminMetric returns a metric without labels, over a connection of its own.
func adminMetric(t *testing.T, address, name string) float64 {
	t.Helper()
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(body)
	if m == nil {
		t.Fatalf("there is no metric %s", name)
	}
	value, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
