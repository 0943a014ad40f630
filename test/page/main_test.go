package page

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tagproc/tagproc/internal/leak"
)

var (
	pictures = flag.String("pictures", "", "write the pictures of the page into this `DIR`")
	every    = flag.Bool("every", false, "with -pictures: of each state, narrow and wide, light and dark")
)

// chromium has the browser of all tests, and axe the text of axe-core.
var (
	chromium context.Context
	axe      string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	stop, err := begin()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/page:", err, "(make test-page provides both)")
		if os.Getenv("CI") != "" {
			return 1
		}
		fmt.Fprintln(os.Stderr, "test/page: no test is run")
		return 0
	}
	code := m.Run()
	stop()
	if err := leak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// begin starts a Chromium and reads axe-core.
func begin() (stop func(), err error) {
	found, err := filepath.Glob("../../.browser/axe-core-*/axe.min.js")
	if err != nil || len(found) == 0 {
		return nil, errors.New("there is no axe-core in .browser")
	}
	text, err := os.ReadFile(found[len(found)-1])
	if err != nil {
		return nil, err
	}
	axe = string(text)
	binary := os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); binary == "" && err == nil {
			binary = path
		}
	}
	if binary == "" {
		return nil, errors.New("there is no Chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(binary),
		chromedp.NoSandbox, // as root there is none
		chromedp.DisableGPU,
		chromedp.Flag("force-color-profile", "srgb"),
	)
	allocated, stopProcess := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocated)
	if err := chromedp.Do(ctx); err != nil {
		stopBrowser()
		stopProcess()
		return nil, fmt.Errorf("couldn't start %s: %w", binary, err)
	}
	chromium = ctx //nolint:fatcontext // all tests share the browser
	return func() {
		_ = chromedp.Cancel(ctx) // waits for the browser to end
		stopBrowser()
		stopProcess()
	}, nil
}
