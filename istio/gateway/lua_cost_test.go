package gateway

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/machine"
)

// TestLuaLongRequests checks that a long query and many cookies cost Envoy little, however many
// rules look for keys in them: while a worker runs Lua, its other requests wait.
func TestLuaLongRequests(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the CPU time of a process is known on Linux only")
	}
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		t.Parallel()
		var src strings.Builder
		src.WriteString("rules:\n")
		for i := range 20 {
			fmt.Fprintf(&src, "- {keys: [{query: q%d}, {cookie: c%d}], tagHeader: x-tag-%d, policies: [{range: 50, tagValue: s2}]}\n", i, i, i)
		}
		o := standaloneOptions()
		o.DataPath, o.Routes, o.Default = Lua, nil, application(t, "default")
		c := startConfigured(t, binary, load(t, src.String()), o)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		const requests, most = 10, 100 * time.Millisecond // a walk for each rule took 250 to 500 ms
		for _, long := range []struct{ name, path, cookie string }{
			{"parameters", "/?" + strings.Repeat("a&", 50<<10), ""},
			{"parameters that begin as a key", "/?" + strings.Repeat("q0x&", 25<<10), ""},
			{"escapes", "/?" + strings.Repeat("%71", 33<<10), ""},
			{"escapes of nothing", "/?" + strings.Repeat("%", 100<<10), ""},
			{"cookies", "/", strings.Repeat("a=;", 33<<10)},
			{"cookies without a value", "/", strings.Repeat("c0;", 33<<10)},
			{"blanks", "/", strings.Repeat("c0 ;    ", 12<<10)},
			{"one cookie", "/", "c=" + strings.Repeat("c0=", 33<<10)},
		} {
			before := cpuTime(t, c.pid)
			for range requests {
				if got := c.send(t, &client, long.path, http.Header{"Cookie": {long.cookie}}); !strings.HasPrefix(got, "200 default") {
					t.Fatalf("%s: %.200s", long.name, got)
				}
			}
			if each := (cpuTime(t, c.pid) - before) / requests; each > most {
				t.Errorf("%s: a request costs Envoy %v of CPU, want at most %v", long.name, each, most)
			} else {
				t.Logf("%s: %v", long.name, each)
			}
		}
	})
}

func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	d, err := machine.CPUTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
