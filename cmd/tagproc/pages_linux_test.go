package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/machine"
)

var full = flag.Bool("full", false, "look at open pages for 30 seconds, and judge what they cost")

// TestOpenPages measures the CPU time that ten open pages of 1 and of 200 rules cost, beside that
// of a process at whose page nobody looks.
func TestOpenPages(t *testing.T) {
	looking, most := 6*time.Second, 1.0 // of a core: with the race detector, on a slow machine
	if *full {
		looking, most = 30*time.Second, 0.05
	}
	for _, rules := range []int{1, 200} {
		var src strings.Builder
		src.WriteString("rules:\n")
		for i := range rules {
			fmt.Fprintf(&src, "- {name: r%d, header: x-user-id, tagHeader: x-%d, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}\n", i, i%30)
		}
		file := filepath.Join(t.TempDir(), "rules.yaml")
		writeRules(t, file, src.String())
		p := startProcess(t, "", "serve", "--rules", file, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
		administration := regexp.MustCompile(`msg="listening for administration" address=(\S+)`)
		p.await(t, "it listens", func() bool { return administration.MatchString(p.log.String()) })
		page := "http://" + administration.FindStringSubmatch(p.log.String())[1] + "/"
		look(t, page, 1, 0) // what is done once
		costs := func(pages int) float64 {
			before, begin := cpuTime(t, p), time.Now()
			look(t, page, pages, looking)
			return float64(cpuTime(t, p)-before) / float64(time.Since(begin))
		}
		nobody, ten := costs(0), costs(10)
		t.Logf("%d rules: %.2f%% of a core with nobody, %.2f%% with ten open pages", rules, 100*nobody, 100*ten)
		if ten-nobody > most {
			t.Errorf("ten pages of %d rules cost %.1f%% of a core, want at most %.0f%%", rules, 100*(ten-nobody), 100*most)
		}
	}
}

// look has some browsers renew a page every 5 seconds, as its script does, for some time, each on
// a connection of its own.
func look(t *testing.T, page string, browsers int, looking time.Duration) {
	t.Helper()
	const every = 5 * time.Second
	ctx, stop := context.WithTimeout(t.Context(), looking)
	defer stop()
	if looking == 0 {
		ctx = t.Context()
	}
	var all sync.WaitGroup
	for i := range browsers {
		all.Go(func() {
			transport := &http.Transport{DialContext: new(net.Dialer).DialContext}
			defer transport.CloseIdleConnections()
			client := http.Client{Transport: transport, Timeout: limit}
			for next := time.After(every * time.Duration(i) / time.Duration(browsers)); ; next = time.After(every) {
				select {
				case <-next:
				case <-ctx.Done():
					return
				}
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Accept", "text/html")
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "Where do people go?") {
					t.Errorf("the page is %d %s (%v)", response.StatusCode, body, err)
					return
				}
				if looking == 0 {
					return
				}
			}
		})
	}
	all.Wait()
	if browsers == 0 {
		<-ctx.Done()
	}
}

func cpuTime(t *testing.T, p *process) time.Duration {
	t.Helper()
	used, err := machine.CPUTime(p.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return used
}
