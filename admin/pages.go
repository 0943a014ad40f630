package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tagproc/tagproc/admin/page"
	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rules"
)

// The bounds of a request to POST /explain: more than Envoy sends by default.
const (
	maxQuestion        = 256 << 10 // bytes
	maxQuestionHeaders = 1000
)

// pages adds /state, /replicas, /explain and /whatif.
func (r *Replica) pages(add func(pattern string, handler http.HandlerFunc)) {
	add("GET /state", func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Query().Get("brief") != "" {
			s := r.brief(r.Traffic.Table())
			s.Reloads = nil
			writeJSON(w, s)
			return
		}
		writeJSON(w, r.State())
	})
	add("GET /replicas", func(w http.ResponseWriter, _ *http.Request) {
		if r.Peers == nil {
			writeText(w, http.StatusNotFound, "no replicas are named: start tagproc with --peers NAME, the name of them all; or ask with tagproc status\n")
			return
		}
		writeJSON(w, r.Peers())
	})
	add("GET /explain", func(w http.ResponseWriter, _ *http.Request) { r.show(w) })
	add("GET /whatif", func(w http.ResponseWriter, request *http.Request) {
		whatIf, answered := r.answer(request.Context(), request.URL.Query())
		if !answered {
			w.Header().Set("Retry-After", retryAfter)
			writeText(w, http.StatusServiceUnavailable, "other questions are being answered; ask again in some seconds\n")
			return
		}
		v := r.view()
		v.WhatIf = whatIf
		writePage(w, http.StatusOK, v)
	})
	add("POST /explain", func(w http.ResponseWriter, request *http.Request) {
		if wantsHTML(request) {
			r.answerForm(w, request)
			return
		}
		q, status, err := question(w, request)
		if err != nil {
			writeText(w, status, err.Error()+"\n")
			return
		}
		d := r.Explain(q)
		if d == nil {
			writeText(w, http.StatusServiceUnavailable, "there are no good rules yet\n")
			return
		}
		writeJSON(w, d)
	})
}

// question reads the body of POST /explain. The error says what is wrong with it, and
// quotes nothing of it.
func question(w http.ResponseWriter, r *http.Request) (q explain.Question, status int, err error) {
	const form = `expected {"headers": [{"name": "x-user-id", "value": "jack"}]}, and "at", an instant such as "2026-12-01T10:00:00Z", where rules have ramps`
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion))
	in.DisallowUnknownFields()
	err = in.Decode(&q)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return q, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", maxQuestion)
	}
	if err != nil || in.More() {
		return q, http.StatusBadRequest, fmt.Errorf("the body is not a question: %s", form)
	}
	if len(q.Headers) > maxQuestionHeaders {
		return q, http.StatusBadRequest, fmt.Errorf("the request has %d headers; expected at most %d", len(q.Headers), maxQuestionHeaders)
	}
	return q, 0, nil
}

// drawnFor is how long a page is shown to whoever asks nothing: many open pages cost no
// more than a few. Pages renew themselves every 5 seconds.
const drawnFor = 2 * time.Second

// drawn is the page as it was drawn last.
type drawn struct {
	mu    sync.Mutex
	at    time.Time
	loads int    // of rules by then
	ready string // why the replica was not ready
	body  []byte
}

// show answers with the page.
func (r *Replica) show(w http.ResponseWriter) { writeDrawn(w, http.StatusOK, r.latest()) }

// latest returns the page, drawn within drawnFor and since the last load.
func (r *Replica) latest() []byte {
	d, loads, ready := &r.drawn, r.Reloads.loads(), ""
	if err := r.Ready(); err != nil {
		ready = err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.body == nil || time.Since(d.at) > drawnFor || d.loads != loads || d.ready != ready {
		d.at, d.loads, d.ready, d.body = time.Now(), loads, ready, draw(r.view())
	}
	return d.body
}

// view returns the page of whoever asked nothing yet.
func (r *Replica) view() page.View {
	v := page.View{State: r.State()}
	if r.Peers != nil {
		v.Replicas = r.Peers()
	}
	v.WhatIf = whatIfOf(v.State.Rules)
	return v
}

// wantsHTML reports whether a browser asks.
func wantsHTML(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// answerForm answers the form of the page.
func (r *Replica) answerForm(w http.ResponseWriter, request *http.Request) {
	v, status := r.view(), http.StatusOK
	request.Body = http.MaxBytesReader(w, request.Body, maxQuestion)
	err := request.ParseForm()
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		status, v.Wrong = http.StatusRequestEntityTooLarge, fmt.Sprintf("The request has more than %d bytes.", maxQuestion)
	} else if err != nil {
		status, v.Wrong = http.StatusBadRequest, "The form cannot be read."
	} else {
		v.Request, v.At = request.PostForm.Get("request"), request.PostForm.Get("at")
		q, err := r.typed(v.Request, v.At)
		switch {
		case err != nil:
			status, v.Wrong = http.StatusBadRequest, "Not understood: "+err.Error()
		default:
			if v.Decision = r.Explain(q); v.Decision == nil {
				status, v.Wrong = http.StatusServiceUnavailable, "There are no good rules yet."
			} else {
				v.Asked = r.rulesAt(q.At)
			}
		}
	}
	writePage(w, status, v)
}

// typed reads a question that somebody typed: headers, one on a line, or an id alone, which
// is that of the first header, cookie or parameter that is a key.
func (r *Replica) typed(text, at string) (q explain.Question, err error) {
	lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' })
	for _, line := range lines {
		name, value, isHeader := strings.Cut(strings.TrimPrefix(line, ":"), ":")
		switch name = strings.TrimSpace(name); {
		case isHeader && name != "" && strings.HasPrefix(line, ":"):
			name = ":" + name
		case isHeader && name != "":
		case len(lines) == 1:
			name, value = r.asKey(strings.TrimSpace(line))
		default:
			return q, fmt.Errorf("line %q is no header; expected NAME: VALUE", words.Cut(line, 100))
		}
		q.Headers = append(q.Headers, explain.Header{Name: name, Value: strings.Trim(value, " \t")})
	}
	if len(q.Headers) > maxQuestionHeaders {
		return q, fmt.Errorf("the request has %d headers; expected at most %d", len(q.Headers), maxQuestionHeaders)
	}
	if at = strings.TrimSpace(at); at != "" && q.At.UnmarshalText([]byte(at)) != nil {
		return q, errors.New("the instant has another form than 2026-12-01T10:00:00Z")
	}
	return q, nil
}

// asKey returns the header that has an id as the first key of the rules.
func (r *Replica) asKey(id string) (name, value string) {
	t := r.Reloads.Live()
	if t == nil || len(t.Keys()) == 0 {
		return "x-user-id", id
	}
	switch k := t.Keys()[0]; k.Source {
	case rules.KeyHeader:
		return k.Name, id
	case rules.KeyQuery:
		return k.Header(), "/?" + k.Name + "=" + url.QueryEscape(id)
	default:
		return k.Header(), k.Name + "=" + id
	}
}

// writePage answers with the page. Nobody keeps a copy, and no other page shows it.
func writePage(w http.ResponseWriter, status int, v page.View) { writeDrawn(w, status, draw(v)) }

// draw returns a page; nil: it cannot be drawn.
func draw(v page.View) []byte {
	var body bytes.Buffer
	if err := page.Write(&body, v); err != nil {
		return nil
	}
	return body.Bytes()
}

// writeDrawn answers with what draw returned.
func writeDrawn(w http.ResponseWriter, status int, body []byte) {
	if body == nil {
		writeText(w, http.StatusInternalServerError, "the page cannot be drawn, which is a bug of tagproc\n")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", page.Policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the peer has gone
}

// writeJSON answers with v. Nobody keeps a copy.
func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		writeText(w, http.StatusInternalServerError, "the answer cannot be written as JSON, which is a bug of tagproc\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(append(body, '\n')) // fails only if the peer has gone
}
