package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tagproc/tagproc/explain"
)

// The bounds of a request to POST /explain: more than Envoy sends by default.
const (
	maxQuestion        = 256 << 10 // bytes
	maxQuestionHeaders = 1000
)

// pages adds /state and /explain.
func (r *Replica) pages(page func(pattern string, handler http.HandlerFunc)) {
	page("GET /state", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, r.State()) })
	page("POST /explain", func(w http.ResponseWriter, request *http.Request) {
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
