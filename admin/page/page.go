package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/state"
)

var (
	//go:embed page.html
	text string
	//go:embed style.css
	style string
	//go:embed script.js
	script string

	page = template.Must(template.New("page").Funcs(functions).Parse(text))
)

// Policy is the Content-Security-Policy of the page: its own style and script, and
// nothing from anywhere else.
var Policy = "default-src 'none'; style-src '" + hash(style) + "'; script-src '" + hash(script) +
	"'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// A View is what the page shows.
type View struct {
	State *state.State

	// A question, as it was typed, and what there is to say about it.
	Request, At string
	Wrong       string            // why there is no answer
	Decision    *explain.Decision // nil: nothing was asked
}

// Write writes the page.
func Write(w io.Writer, v View) error {
	var answer bytes.Buffer
	if v.Decision != nil {
		if err := explain.WriteText(terminal.New(&answer), v.Decision); err != nil {
			return err
		}
	}
	title := "tagproc"
	if len(alarms(v.State)) > 0 {
		title = "! " + title
	}
	if err := page.Execute(w, struct {
		View

		Title, Answer string
		Style         template.CSS
		Script        template.JS
	}{v, title, answer.String(), template.CSS(style), template.JS(script)}); err != nil {
		return fmt.Errorf("couldn't draw the page: %w", err)
	}
	return nil
}
