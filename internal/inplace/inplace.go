// Package inplace puts a new content in the place of a file, in one step: whoever reads the
// file has the old content or the new one, also where the machine or the process stops in
// between.
package inplace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// patience is how long another tagproc may write the same file. Whoever may read the file can
// lock it, so what is held for longer does not keep an edit from being made.
var patience = 10 * time.Second

// ErrChanged is the error of [Replace] where the file is no longer what it was.
var ErrChanged = errors.New("the file has changed meanwhile; nothing is written, so run the command again")

// passed is called between the steps. Tests stop the process there.
var passed = func(string) {}

// A NotSyncedError says that the file has been replaced, and that its new content may not be
// on the disk yet: if the machine stops now, the old one may come back.
type NotSyncedError struct{ Err error }

func (e *NotSyncedError) Error() string {
	return fmt.Sprintf("the file has its new content, which may not be on the disk yet: %v", e.Err)
}

func (e *NotSyncedError) Unwrap() error { return e.Err }

// ErrNotLocked is the error of [Replace] where the file has been replaced although another
// process had locked it all the time.
var ErrNotLocked = errors.New("the file has its new content, though another process has locked it: an edit that was made at the same moment may be lost")

// Replaced reports whether the file has its new content: err is nil, a [NotSyncedError] or
// [ErrNotLocked].
func Replaced(err error) bool {
	_, notSynced := errors.AsType[*NotSyncedError](err)
	return err == nil || notSynced || errors.Is(err, ErrNotLocked)
}

// Replace puts text in the place of the content was of the file at path. A symbolic link is
// followed. The new file has the old one's mode and owner, and is on the disk when Replace
// returns. On an error the file stays as it is, unless [Replaced] says otherwise; [ErrChanged]
// says that somebody else wrote it.
func Replace(ctx context.Context, path string, was, text []byte) error {
	target, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = replace(ctx, target, was, text)
	}
	switch {
	case err == nil:
		return nil
	case Replaced(err):
		return fmt.Errorf("%s: %w", path, err)
	default:
		return fmt.Errorf("couldn't write %s: %w", path, err)
	}
}

func replace(ctx context.Context, path string, was, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return bare(err)
	}
	if !info.Mode().IsRegular() { // opening a pipe waits for somebody at its other end
		return errIrregular
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY|syscall.O_NONBLOCK))
	defer func() { _ = lock.Close() }() // the lock of a file that was replaced is nobody's
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = lock.TryLockContext(patient, 10*time.Millisecond)
	locked := err == nil
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && patient.Err() == nil:
		return bare(err)
	}
	if info, err = os.Stat(path); err != nil { // another edit may have replaced it
		return bare(err)
	}
	if err := writable(path, info); err != nil {
		return err
	}
	if err := unchanged(path, was); err != nil {
		return err
	}
	if of, err := lock.Stat(); locked && err == nil && os.SameFile(of, info) { // no other edit runs
		sweep(path)
	}
	dir := filepath.Dir(path)
	temporary, err := os.CreateTemp(dir, hidden(path)+"*")
	if err != nil {
		return fmt.Errorf("couldn't make a file in %s: %w", dir, bare(err))
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
		_ = os.Remove(temporary.Name()) // what stays is swept by the next one
		return bare(err)
	}
	passed("rename")
	var notSynced, notLocked error
	if err := syncDirectory(dir); err != nil {
		notSynced = &NotSyncedError{err}
	}
	if !locked {
		notLocked = ErrNotLocked
	}
	return errors.Join(notSynced, notLocked)
}

var errIrregular = errors.New("it is no regular file")

// writable returns an error if the file is not to be written: a rename asks for no right to.
func writable(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errIrregular
	}
	err := fs.ErrPermission
	if info.Mode().Perm()&0o222 != 0 { // root may write all the same
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			return f.Close()
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("it is read-only; if it may be changed, allow that first: chmod u+w %s", path)
	}
	return bare(err)
}

// hidden returns the beginning of the names that new files have until they are whole.
func hidden(path string) string { return "." + filepath.Base(path) + ".tagproc-" }

// leftover is how old a new file is at least whose process has ended before it was whole.
const leftover = 10 * time.Minute

// sweep removes what earlier replacements of the file at path left where they were killed.
// None runs.
func sweep(path string) {
	dir, prefix := filepath.Dir(path), hidden(path)
	entries, err := os.ReadDir(dir)
	if err != nil { // they stay
		return
	}
	for _, e := range entries {
		digits, ours := strings.CutPrefix(e.Name(), prefix)
		if !ours || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftover {
			_ = os.Remove(filepath.Join(dir, e.Name())) // what stays harms nobody
		}
	}
}

// bare returns err without the name of the file that it is about, which may be one that
// nobody knows.
func bare(err error) error {
	if of, is := errors.AsType[*fs.PathError](err); is {
		return of.Err
	}
	if of, is := errors.AsType[*os.LinkError](err); is {
		return of.Err
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
	return errors.Join(bare(err), bare(f.Close()))
}

func unchanged(path string, was []byte) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return bare(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(ErrChanged, bare(err))
	}
	is, err := io.ReadAll(io.LimitReader(f, int64(len(was))+1))
	if err == nil && !bytes.Equal(is, was) {
		err = ErrChanged
	}
	return bare(err)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return bare(err)
	}
	return errors.Join(bare(d.Sync()), bare(d.Close()))
}
