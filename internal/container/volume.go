package container

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteVolume replaces what a directory holds, all at once, as a kubelet does: the files
// are in a directory of their own, ..data is a link to that, which is replaced by
// renaming, and each name is a link to its file below ..data. A name may have directories.
func WriteVolume(dir string, files map[string][]byte) error {
	fresh, err := os.MkdirTemp(dir, "..")
	if err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		file := filepath.Join(fresh, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, 0o644)); err != nil {
			return err
		}
	}
	data := filepath.Join(dir, "..data")
	before, _ := os.Readlink(data) // there is none the first time
	if err := errors.Join(
		os.Symlink(filepath.Base(fresh), filepath.Join(dir, "..data_tmp")),
		os.Rename(filepath.Join(dir, "..data_tmp"), data),
	); err != nil {
		return err
	}
	tops := map[string]bool{}
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		tops[top] = true
	}
	for name := range tops {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if before == "" {
		return nil
	}
	return errors.Join(dropLinks(dir, tops), os.RemoveAll(filepath.Join(dir, before)))
}

// dropLinks removes the names that are not among those of a volume.
func dropLinks(dir string, names map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !names[e.Name()] && !strings.HasPrefix(e.Name(), "..") {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
