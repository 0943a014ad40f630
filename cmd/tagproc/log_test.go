package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/transport"
)

// TestLinesAreShort checks that no line is longer than 2 KiB, and that each is whole
// and has all its attributes.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	for name, long := range map[string]string{
		"letters": strings.Repeat("a", 1<<20),
		"escaped": strings.Repeat("\x1b\u009b\x00", 1<<18),
		"lines":   strings.Repeat("\n", 1<<20),
		"wide":    strings.Repeat("é\u202e", 1<<18),
		"broken":  strings.Repeat("\xff", 1<<20),
	} {
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			log, err := newLogger(&out, format, "debug")
			if err != nil {
				t.Fatal(err)
			}
			log.Info(long)
			log.Info("one", "value", long, "kept", 7)
			log.Info(long[:1<<15], "a", long[:1<<15], "b", errors.New(long[:1<<15]), "c", []string{long[:1<<15]}, "d", json.RawMessage(long[:1<<15]), "kept", 7)
			log.WithGroup("g").Info("group", slog.Group("h", "value", long), "kept", 7)
			long = long[:min(len(long), 1<<15)] // ten of them
			log.Info("many", "a", long, "b", long, "c", long, "d", long, "e", long, "f", long, "g", long, "h", long, "i", long, "j", long, "kept", 7)
			lines := strings.SplitAfter(out.String(), "\n")
			if len(lines) != 6 || lines[5] != "" {
				t.Fatalf("%s, %s: %d lines, want 5", name, format, len(lines)-1)
			}
			for i, line := range lines[:5] {
				if len(line) > longestLine {
					t.Errorf("%s, %s: line %d has %d bytes, want at most %d", name, format, i+1, len(line), longestLine)
				}
				if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !strconv.IsPrint(r) }) {
					t.Errorf("%s, %s: line %d has characters that a terminal obeys: %q", name, format, i+1, line)
				}
				if format == "json" && !json.Valid([]byte(line)) {
					t.Errorf("%s: line %d is no JSON: %s", name, i+1, line)
				}
				if i > 0 && !strings.Contains(line, `kept"`+":7") && !strings.Contains(line, "kept=7") {
					t.Errorf("%s, %s: line %d has lost what was short: %s", name, format, i+1, line)
				}
			}
		}
	}
}

// TestHostileRules checks that the log of a server stays short whatever is in its
// rules file, and says what has changed.
func TestHostileRules(t *testing.T) {
	t.Parallel()
	file, socket := filepath.Join(t.TempDir(), "rules.yaml"), filepath.Join(t.TempDir(), "admin.sock")
	writeRules(t, file, oneRule)
	p := startProcess(t, "", "serve", "--rules", file, "--listen", "127.0.0.1:0", "--admin", transport.UnixScheme+socket)
	p.awaitLog(t, "listening for administration")
	long := strings.Repeat("a", 300_000)
	var many strings.Builder
	many.WriteString("rules:\n")
	for i := range 400 {
		fmt.Fprintf(&many, "- {header: x-user-id, tagHeader: x-%d, policies: [{range: 1, tagValue: v%d%s}]}\n", i%32, i, long[:200])
	}
	admin := program.Admin(socket)
	for i, src := range []string{
		"rules:\n- {header: " + long + ", tagHeader: x-t, policies: [{range: " + long + ", tagValue: \"" + long + "\"}]}\n",
		"rules: *" + long,
		long + ": 1\n",
		many.String(),
	} {
		writeRules(t, file, src)
		p.await(t, "the file was loaded", func() bool {
			n, err := admin.Metric(`tagproc_config_loads_total\{result="\w+"\}`)
			return err == nil && n == float64(i+2)
		})
	}
	p.awaitLog(t, "rules=400")
	for line := range strings.Lines(p.log.String()) {
		if len(line) > longestLine {
			t.Errorf("a line of %d bytes: %.200s…", len(line), line)
		}
		if strings.Contains(line, "rules=400") && !strings.Contains(line, `more"`) {
			t.Errorf("the line does not say how many changes it leaves out: %s", line)
		}
	}
}
