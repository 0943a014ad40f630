// Package stuck is a file system that hangs, for tests: FUSE with a server that does
// not answer, like NFS when its server has gone.
package stuck

import (
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A Mount is a file system with one file, whose reads hang until it is released.
type Mount struct {
	File    string
	release func()
}

// New mounts a file system until the test ends. It skips the test where FUSE is
// not there.
func New(t testing.TB) *Mount {
	t.Helper()
	dir := t.TempDir()
	root := &tree{released: make(chan struct{})}
	server, err := fs.Mount(dir, root, &fs.Options{MountOptions: fuse.MountOptions{DirectMount: true}})
	if err != nil {
		t.Skipf("cannot mount a FUSE file system here: %v", err)
	}
	m := &Mount{File: filepath.Join(dir, "file"), release: sync.OnceFunc(func() { close(root.released) })}
	t.Cleanup(func() {
		m.Release()
		if err := server.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
		server.Wait()
	})
	return m
}

// Release makes every read fail, including those that hang.
func (m *Mount) Release() { m.release() }

type tree struct {
	fs.Inode

	released chan struct{}
}

// OnAdd makes the file.
func (t *tree) OnAdd(ctx context.Context) {
	t.AddChild("file", t.NewPersistentInode(ctx, &file{released: t.released}, fs.StableAttr{Mode: syscall.S_IFREG}), false)
}

type file struct {
	fs.Inode

	released chan struct{}
}

func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o444, 1
	return 0
}

func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *file) Read(ctx context.Context, _ fs.FileHandle, _ []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	select {
	case <-f.released:
		return nil, syscall.EIO
	case <-ctx.Done(): // a signal, after which Go reads again, or the end of the process
		return nil, syscall.EINTR
	}
}
