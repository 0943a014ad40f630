package stuck

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestHangs(t *testing.T) {
	m := New(t)
	read := make(chan error)
	go func() {
		_, err := os.ReadFile(m.File)
		read <- err
	}()
	select {
	case err := <-read:
		t.Fatalf("the read does not hang: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	m.Release()
	if err := <-read; !errors.Is(err, syscall.EIO) {
		t.Errorf("once released the read = %v, want EIO", err)
	}
}
