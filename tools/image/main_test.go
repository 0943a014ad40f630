package main

import (
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestArguments checks arguments that are wrong in one way each: the error says what
// to write.
func TestArguments(t *testing.T) {
	t.Parallel()
	commit := []string{"-version=v1", "-revision=4f1c", "-epoch=1795355040"}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"tagproc/tagproc=./cmd/tagproc"}, "-version, -revision and -epoch have to say which commit the images are of; make image takes them from git"},
		{commit, "no image is named; name one as REPOSITORY=PACKAGE, such as tagproc/tagproc=./cmd/tagproc"},
		{append(commit, "tagproc/tagproc"), `"tagproc/tagproc" is no REPOSITORY=PACKAGE`},
		{append(commit, "tagproc/tagproc=cmd/tagproc"), `"tagproc/tagproc=cmd/tagproc" is no REPOSITORY=PACKAGE`},
		{append(commit, "tagproc/tagproc=./cmd/tagproc,cmd/tagproc"), `"tagproc/tagproc=./cmd/tagproc,cmd/tagproc" is no REPOSITORY=PACKAGE`},
		{append(commit, "Tagproc=./cmd/tagproc"), "Tagproc"},
		{append(commit, "-root=nowhere", "tagproc/tagproc=./cmd/tagproc"), "nowhere"},
	} {
		err := command(t.Context(), tt.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("image %s: %v, want %q", strings.Join(tt.args, " "), err, tt.want)
		}
	}
}
