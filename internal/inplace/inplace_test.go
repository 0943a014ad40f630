package inplace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/tagproc/tagproc/internal/leak"
)

// limit bounds every wait.
const limit = 60 * time.Second

// stopAt names the step at which a child stops itself, and pathOf its file.
const (
	stopAt = "TAGPROC_INPLACE_STOP"
	pathOf = "TAGPROC_INPLACE_PATH"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(pathOf); path != "" {
		child(path, os.Getenv(stopAt))
		return
	}
	leak.Main(m)
}

// child replaces the file again and again, each time by the next of its contents, and
// kills itself at a step if one is named.
func child(path, stop string) {
	passed = func(step string) {
		if step == stop {
			p, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = p.Kill()
			}
			panic(fmt.Sprint("still alive: ", err))
		}
	}
	for {
		was, err := os.ReadFile(path)
		if err == nil {
			var n int
			if _, err = fmt.Sscanf(string(was), "%d\n", &n); err == nil {
				err = Replace(context.Background(), path, was, content(n+1))
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// content is what the file has at the nth time: a number and a text that no torn file has.
func content(n int) []byte {
	return fmt.Appendf(nil, "%d\n%s%d\n", n, strings.Repeat("0123456789abcdef", 1000*(n%4)), n)
}

// whole returns which content a file has.
func whole(t *testing.T, path string) (n int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return -1
	}
	if _, err := fmt.Sscanf(string(text), "%d\n", &n); err != nil || !bytes.Equal(text, content(n)) {
		t.Errorf("%v: the file is torn: %d bytes, %.40q", err, len(text), text)
		return -1
	}
	return n
}

func start(t *testing.T, path, stop string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), pathOf+"="+path, stopAt+"="+stop)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func newFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, content(1), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKilledAtEachStep checks that a process that ends at any step leaves the old file or
// the new one, and that the next one can write.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step string
		want int
	}{{"create", 1}, {"half", 1}, {"write", 1}, {"rights", 1}, {"sync", 1}, {"compare", 1}, {"rename", 2}} {
		path := newFile(t)
		cmd := start(t, path, c.step)
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("%s: the child ends with %v, want it killed", c.step, err)
		}
		if got := whole(t, path); got != c.want {
			t.Errorf("killed at %s: the file has the content %d, want %d", c.step, got, c.want)
		}
		if err := Replace(t.Context(), path, content(c.want), content(7)); err != nil || whole(t, path) != 7 {
			t.Errorf("killed at %s: the next one writes: %v", c.step, err)
		}
	}
}

// TestKilledAtRandom kills processes that write, at random moments, while others read.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		last := 0
		for {
			select {
			case <-done:
				return
			default:
			}
			n := whole(t, path)
			if n < last {
				t.Errorf("the content goes back from %d to %d", last, n)
			}
			last = n
		}
	})
	for range 30 {
		at := whole(t, path)
		cmd := start(t, path, "")
		for deadline := time.Now().Add(limit); whole(t, path) == at; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("the child writes nothing")
				break
			}
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it is killed
		whole(t, path)
	}
	close(done)
	readers.Wait()
}

// TestTogether lets two writers race: none overwrites what the other one wrote.
func TestTogether(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	var writers sync.WaitGroup
	var won, lost [2]int
	for w := range 2 {
		writers.Go(func() {
			for won[w] < 50 {
				n := whole(t, path)
				switch err := Replace(t.Context(), path, content(n), content(n+1)); {
				case err == nil:
					won[w]++
				case errors.Is(err, ErrChanged):
					lost[w]++
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	if n := whole(t, path); n != 101 {
		t.Errorf("after 50 writes of each of two writers the content is %d, want 101 (%d and %d were refused)", n, lost[0], lost[1])
	}
}

// TestReplace checks links, modes, and that a changed file stays.
func TestReplace(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(t.Context(), link, content(1), content(2)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(path); err != nil || info.Mode() != 0o640 || whole(t, path) != 2 {
		t.Errorf("the file behind the link is %v, %v", info.Mode(), err)
	}
	if err := Replace(t.Context(), path, content(1), content(3)); !errors.Is(err, ErrChanged) || whole(t, path) != 2 {
		t.Errorf("Replace of what was changed = %v", err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v are left, want the file alone", files, err)
	}
	for _, other := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none"), os.DevNull} {
		if err := Replace(t.Context(), other, nil, content(1)); err == nil {
			t.Errorf("Replace of %s succeeds", other)
		}
	}
}

// TestNotSynced checks what is said of a fault behind the rename: the file has its new
// content then.
func TestNotSynced(t *testing.T) { //nolint:paralleltest // it has the steps of all replacements to itself
	path := newFile(t)
	dir := filepath.Dir(path)
	passed = func(step string) {
		if step == "rename" {
			if err := os.Rename(dir, dir+".moved"); err != nil {
				t.Error(err)
			}
		}
	}
	defer func() { passed = func(string) {} }()
	err := Replace(t.Context(), path, content(1), content(2))
	if got := whole(t, filepath.Join(dir+".moved", "rules.yaml")); got != 2 {
		t.Errorf("the file has the content %d, want 2", got)
	}
	if _, is := errors.AsType[*NotSyncedError](err); !is || strings.Contains(err.Error(), "couldn't write") || !strings.Contains(err.Error(), "has its new content") {
		t.Errorf("Replace = %v, want it to say that the file has its new content", err)
	}
}

// TestLockedByOthers checks that who may only read a file keeps nobody from replacing it, that
// it is said, and that a changed file stays all the same.
func TestLockedByOthers(t *testing.T) { //nolint:paralleltest // it has the patience of all replacements to itself
	path := newFile(t)
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to end"))
	if err := Replace(ctx, path, content(1), content(2)); err == nil || !strings.Contains(err.Error(), "told to end") || whole(t, path) != 1 {
		t.Errorf("Replace that is told to end = %v", err)
	}
	defer func(was time.Duration) { patience = was }(patience)
	patience = 50 * time.Millisecond
	if err := Replace(t.Context(), path, content(3), content(2)); !errors.Is(err, ErrChanged) || Replaced(err) || whole(t, path) != 1 {
		t.Errorf("Replace of a locked file that has changed = %v", err)
	}
	if err := Replace(t.Context(), path, content(1), content(2)); !errors.Is(err, ErrNotLocked) || !Replaced(err) || whole(t, path) != 2 {
		t.Errorf("Replace of a file that another process has locked = %v", err)
	}
}

// TestReadOnly checks that a file that nobody may write stays, though its directory lets it be
// replaced, also for root.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	err := Replace(t.Context(), path, content(1), content(2))
	if err == nil || !strings.Contains(err.Error(), "it is read-only; if it may be changed, allow that first: chmod u+w "+path) || whole(t, path) != 1 {
		t.Errorf("Replace of a read-only file = %v", err)
	}
}

// TestSweep checks that the next replacement removes what killed ones left: files of its own,
// of the same file, and old ones.
func TestSweep(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	dir := filepath.Dir(path)
	old := time.Now().Add(-2 * leftover)
	gone := ".rules.yaml.tagproc-123"
	stays := []string{".rules.yaml.tagproc-", ".rules.yaml.tagproc-12x", ".rules.yaml.swp", ".other.yaml.tagproc-1", "rules.yaml.tagproc-1", ".rules.yaml.123"}
	for _, name := range append(stays, gone, ".rules.yaml.tagproc-7") {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if name != ".rules.yaml.tagproc-7" { // somebody may write it still
			if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := Replace(t.Context(), path, content(1), content(2)); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	want := append(slices.Clone(stays), ".rules.yaml.tagproc-7", "rules.yaml")
	slices.Sort(want)
	slices.Sort(names)
	if !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
}

// TestSweepWaits checks that no other replacement sweeps while one runs, however long it takes.
func TestSweepWaits(t *testing.T) { //nolint:paralleltest // it has the steps of all replacements to itself
	path := newFile(t)
	passed = func(step string) {
		if step != "sync" {
			return
		}
		passed = func(string) {}
		mine, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".rules.yaml.tagproc-*"))
		if err != nil || len(mine) != 1 {
			t.Fatalf("the new files are %q, %v", mine, err)
		}
		old := time.Now().Add(-2 * leftover)
		if err := os.Chtimes(mine[0], old, old); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := Replace(ctx, path, content(1), content(3)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("another Replace meanwhile = %v, want it to wait", err)
		}
	}
	defer func() { passed = func(string) {} }()
	if err := Replace(t.Context(), path, content(1), content(2)); err != nil || whole(t, path) != 2 {
		t.Errorf("Replace = %v, and another one has swept its file", err)
	}
}

// TestNoHiddenNames checks that an error names no file that the user does not know.
func TestNoHiddenNames(t *testing.T) { //nolint:paralleltest // it has the steps of all replacements to itself
	for _, step := range []string{"create", "compare"} {
		path := newFile(t)
		passed = func(at string) {
			if at != step {
				return
			}
			hidden, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".rules.yaml.*"))
			if err != nil || len(hidden) != 1 {
				t.Errorf("%s: the new files are %q, %v", step, hidden, err)
			}
			for _, name := range hidden {
				if err := os.Remove(name); err != nil {
					t.Error(err)
				}
			}
		}
		err := Replace(t.Context(), path, content(1), content(2))
		passed = func(string) {}
		if err == nil || strings.Contains(err.Error(), ".rules.yaml") || whole(t, path) != 1 {
			t.Errorf("%s: Replace whose new file is gone = %v, want an error without its name", step, err)
		}
	}
}
