package transport

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tagproc/tagproc/internal/authority"
	"github.com/tagproc/tagproc/internal/stuck"
	"github.com/tagproc/tagproc/internal/transcript"
)

// TestCertificatesHang checks, on a file system that hangs, that a read is given
// up and reported with the file, that good files in its place are in use soon, and
// that Run ends while a read hangs.
func TestCertificatesHang(t *testing.T) {
	t.Parallel()
	hangs := stuck.New(t)
	ours := authority.New(t, "ours")
	files := newFiles(t)
	server := ours.Issue(t, "server")
	files.write(t, server, ours)
	var log transcript.Transcript
	c, err := LoadCertificates(t.Context(), files, CertificateOptions{
		Interval: 10 * time.Millisecond, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	successful := func(want float64) {
		t.Helper()
		for deadline := time.Now().Add(limit); testutil.ToFloat64(c.successful) != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the gauge does not become %v; the log:\n%s", want, log.String())
			}
		}
	}
	hang := func() {
		t.Helper()
		if err := os.Symlink(hangs.File, files.Key+".link"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(files.Key+".link", files.Key); err != nil {
			t.Fatal(err)
		}
		successful(0)
	}
	hang()
	awaitLogged(t, &log, files.Key+" cannot be read: no answer for 3s")
	replace(t, files.Key, authority.KeyPEM(t, server))
	successful(1)
	hang()
	cancel()
	select {
	case <-ended:
	case <-time.After(limit):
		t.Fatal("Run does not end while a read hangs")
	}
}

// TestWakeCertificates checks that a receive from Wake is a look at once.
func TestWakeCertificates(t *testing.T) {
	t.Parallel()
	ours := authority.New(t, "ours")
	files := newFiles(t)
	files.write(t, ours.Issue(t, "server"), ours)
	wake := make(chan struct{})
	c, err := LoadCertificates(t.Context(), files, CertificateOptions{Interval: time.Hour, Wake: wake})
	if err != nil {
		t.Fatal(err)
	}
	before := c.config.Load()
	files.write(t, ours.Issue(t, "renewed"), ours)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	wake <- struct{}{}
	for deadline := time.Now().Add(limit); c.config.Load() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the renewed certificate is not in use")
		}
	}
	cancel()
	<-ended
}

// TestLockOfASocket checks that a pipe, a link or a directory in the place of the
// lock is refused at once, and left alone.
func TestLockOfASocket(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link":          func(path string) error { return os.Symlink(os.DevNull, path) },
		"dangling link": func(path string) error { return os.Symlink(path+".target", path) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "t.sock")
			if err := put(path + ".lock"); err != nil {
				t.Fatal(err)
			}
			l, err := Listen(t.Context(), UnixScheme+path, ListenOptions{})
			if err == nil {
				l.Close()
			}
			want := path + ".lock, the lock of the socket, is not a regular file; remove it or choose another path"
			if err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("Listen = %v, want %q", err, want)
			}
			if _, err := os.Lstat(path + ".lock.target"); err == nil {
				t.Error("the target of the link was made")
			}
		})
	}
}
