// Package inplace puts a new content in the place of a file, in one step: whoever reads the
// file has the old content or the new one, also where the machine or the process stops in
// between.
package inplace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// patience is how long another tagproc may write the same file.
const patience = 10 * time.Second

// ErrChanged is the error of [Replace] where the file is no longer what it was.
var ErrChanged = errors.New("the file has changed meanwhile; nothing is written, so run the command again")

// passed is called between the steps. Tests stop the process there.
var passed = func(string) {}

// Replace puts text in the place of the content was of the file at path. A symbolic link is
// followed. The new file has the old one's mode and owner, and is on the disk when Replace
// returns. On an error the file stays as it is; [ErrChanged] says that somebody else
// wrote it.
func Replace(ctx context.Context, path string, was, text []byte) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("couldn't write %s: %w", path, err)
	}
	if err := replace(ctx, target, was, text); err != nil {
		return fmt.Errorf("couldn't write %s: %w", path, err)
	}
	return nil
}

func replace(ctx context.Context, path string, was, text []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("another process has locked it"))
	defer cancel()
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return errors.Join(context.Cause(ctx), lock.Close(), ifNot(err, ctx.Err()))
	}
	defer func() { _ = lock.Close() }() // the lock of a file that was replaced is nobody's
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no regular file")
	}
	if err := unchanged(path, was); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	temporary, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	passed("create")
	err = fill(temporary, info, text)
	if err == nil {
		err = unchanged(path, was)
	}
	passed("compare")
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	passed("rename")
	return syncDirectory(dir)
}

// ifNot returns err unless it is other.
func ifNot(err, other error) error {
	if errors.Is(err, other) {
		return nil
	}
	return err
}

// fill writes text and the rights of the old file, and closes the new one.
func fill(f *os.File, old os.FileInfo, text []byte) error {
	half := len(text) / 2
	_, err := f.Write(text[:half])
	passed("half")
	if err == nil {
		_, err = f.Write(text[half:])
	}
	passed("write")
	if err == nil {
		err = own(f, old)
	}
	if err == nil {
		err = f.Chmod(old.Mode().Perm())
	}
	passed("rights")
	if err == nil {
		err = f.Sync()
	}
	passed("sync")
	return errors.Join(err, f.Close())
}

func unchanged(path string, was []byte) error {
	is, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(is, was) {
		err = ErrChanged
	}
	return err
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
