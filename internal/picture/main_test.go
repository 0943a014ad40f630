package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestPicture checks that docs/users.svg is what the rules make of it, and that it is
// XML with both sets of colours.
func TestPicture(t *testing.T) {
	t.Parallel()
	want, err := draw()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/users.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/users.svg is not up to date; run make picture")
	}
	for decoder := xml.NewDecoder(bytes.NewReader(want)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, wanted := range []string{"prefers-color-scheme: dark", ">jack<", "76, named: v2", "range: 20 → 50: bob and stacy move to v2"} {
		if !strings.Contains(string(want), wanted) {
			t.Errorf("the picture has no %q", wanted)
		}
	}
}
