package transcript

import (
	"strings"
	"sync"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestTranscript(t *testing.T) {
	t.Parallel()
	var tr Transcript
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 100 {
				if n, err := tr.Write([]byte("line\n")); n != 5 || err != nil {
					t.Errorf("Write = %d, %v, want 5, nil", n, err)
				}
				_ = tr.String()
			}
		})
	}
	writers.Wait()
	if got := strings.Count(tr.String(), "line\n"); got != 800 {
		t.Errorf("%d lines, want 800", got)
	}
}
