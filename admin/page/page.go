package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"sync"

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

	page = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Funcs(functions).Parse(text)) })
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
	State    *state.State
	Replicas *state.Replicas // nil: they are not known

	// A question, as it was typed, and what there is to say about it.
	Request, At string
	Wrong       string            // why there is no answer
	Decision    *explain.Decision // nil: nothing was asked
	Asked       []state.Rule      // the rules at the instant of the question

	WhatIf *WhatIf // nil: there are no rules
}

// A WhatIf is what became of the users of a rule if one of its tags had another share.
type WhatIf struct {
	Rule, Tag string
	Share     string // as it was typed, or as it is
	Choices   []Choice
	Wrong     string // why there is no effect

	Before, After *state.Rule // nil: not known, or nothing was asked
	From, To      int         // the buckets of the tag after, from From to below To
	Moving        *state.Moving
	Leaving       string // who would lose a tag; "": nobody
	Command, YAML string
}

// A Choice is a tag of a rule that may have another share.
type Choice struct {
	Value, Text string
	Chosen      bool
}

// A drawing is what the template draws.
type drawing struct {
	View

	Title, Answer string
	Style         template.CSS
	Script        template.JS

	colours map[string]int // of tags, from 1
}

// Write writes the page.
func Write(w io.Writer, v View) error {
	var answer bytes.Buffer
	if v.Decision != nil {
		if err := explain.WriteText(terminal.New(&answer), v.Decision); err != nil {
			return err
		}
	}
	d := &drawing{View: v, Title: "tagproc", Answer: answer.String(), Style: template.CSS(style), Script: template.JS(script), colours: coloursOf(v.State)}
	if len(d.Alarms()) > 0 {
		d.Title = "! tagproc"
	}
	if err := page().Execute(w, d); err != nil {
		return fmt.Errorf("couldn't draw the page: %w", err)
	}
	return nil
}

// Link returns a link to the question. A browser keeps what is behind # to itself.
func (d *drawing) Link() string {
	return "/#request=" + template.URLQueryEscaper(d.Request) + "&at=" + template.URLQueryEscaper(d.At)
}
