package accesslog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/tagproc/tagproc/people"
)

// maxLine is the most bytes of a line. Envoy's are far shorter.
const maxLine = 1 << 20

// A line is what is read of one.
type line struct {
	Time    string             `json:"time"`
	Tags    map[string]*string `json:"tags"`
	Request map[string]*string `json:"request"`
	Call    any                `json:"tagproc"` // a number, its digits, or null
	Why     *why               `json:"why"`
}

// why is what tagproc says of its decisions: processor's metadata.
type why struct {
	Outcome     string              `json:"outcome"`
	RulesDigest string              `json:"rulesDigest"`
	RulesSince  *string             `json:"rulesSince"`
	Rules       map[string]decision `json:"rules"`
}

type decision struct {
	Reason string   `json:"reason"`
	Tag    string   `json:"tag"`
	Bucket *float64 `json:"bucket"`
}

// lines reads the lines of a file.
type lines struct {
	text   *bufio.Reader
	number int // of the last line, from 1
	long   []byte
}

// open returns the lines of r, which may be compressed with gzip.
func open(r io.Reader) (*lines, error) {
	text, err := people.Text(r)
	if err != nil {
		return nil, err
	}
	return &lines{text: text}, nil
}

// next returns the next line that is not empty, nil where it is longer than maxLine, and
// io.EOF behind the last one.
func (l *lines) next() ([]byte, error) {
	for {
		l.long = l.long[:0]
		whole := true
		for {
			part, err := l.text.ReadSlice('\n')
			if len(l.long)+len(part) > maxLine {
				whole = false
			} else {
				l.long = append(l.long, part...)
			}
			if err == nil || errors.Is(err, io.EOF) && (len(l.long) > 0 || !whole) {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return nil, err
			}
		}
		l.number++
		if !whole {
			return nil, nil
		}
		if text := bytes.TrimSpace(l.long); len(text) > 0 {
			return text, nil
		}
	}
}

// Compiled when the first line is read: serve, which reads none, starts without them.
var (
	digest  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{16}$`) })
	outcome = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z_]{1,32}$`) })
	status  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(-|[0-9]{1,3})$`) })
)

// parse returns what a line says; false: it is not of the format.
func parse(text []byte) (l line, ok bool) {
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &l) != nil || l.Tags == nil {
		return line{}, false
	}
	if call, isText := l.Call.(string); isText && !status().MatchString(call) {
		return line{}, false
	}
	if l.Why != nil && (!outcome().MatchString(l.Why.Outcome) || l.Why.RulesDigest != "" && !digest().MatchString(l.Why.RulesDigest)) {
		return line{}, false
	}
	if l.Why != nil && l.Why.RulesSince != nil && *l.Why.RulesSince != "" {
		if _, err := time.Parse(time.RFC3339Nano, *l.Why.RulesSince); err != nil {
			return line{}, false
		}
	}
	return l, true
}
