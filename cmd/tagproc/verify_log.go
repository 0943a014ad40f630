package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/accesslog"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/source"
)

// compareLogs compares the requests of access logs with the rules.
func (v *verifyFlags) compareLogs(cmd *cobra.Command, flags *rulesFlags, files []string, out output) error {
	switch {
	case v.columns != nil || v.mappings != nil:
		return errors.New("--column and --map are for --observed; an access log has the names of headers")
	case v.show < 0:
		return fmt.Errorf("--show %d: expected a number of requests, from 0", v.show)
	case v.rulesFile == "-" && slices.Contains(files, "-"):
		return errors.New("--rules and --access-log both read standard input; name a file for one of them")
	}
	t, err := usableRules(cmd, flags, v.rulesFile, exitUnable)
	if err != nil {
		return err
	}
	c := accesslog.NewComparer(t, v.show)
	for _, file := range files {
		if err := readLog(cmd, c, file); err != nil {
			return err
		}
	}
	r := &c.Report
	if r.Requests == 0 {
		return &failure{err: fmt.Errorf("no line of %s is JSON with %q; render envoy --access-log json makes the format", words.Counted(len(files), "file"), accesslog.Tags), code: exitUnable}
	}
	terminal := stdout(cmd)
	if out == outputJSON {
		err = terminal.JSON(struct {
			Files []string `json:"files"`
			OK    bool     `json:"ok"`
			*accesslog.Report
		}{files, r.OK(), r})
	} else {
		writeLogReport(terminal, files, r)
		err = terminal.Err()
	}
	switch {
	case err != nil:
		return &failure{err: err, code: exitUnable}
	case !r.OK():
		return &failure{}
	case r.Compared == 0:
		return &failure{err: errors.New("no request was decided by these rules"), code: exitUnable}
	}
	return nil
}

func readLog(cmd *cobra.Command, c *accesslog.Comparer, file string) error {
	in, err := openFile(cmd, file)
	if err != nil {
		writeProblems(stderr(cmd), source.Problems{*unreadable(file, err)})
		return &failure{code: exitUnable}
	}
	defer in.Close()
	if err := c.Read(cmd.Context(), file, in); err != nil {
		return unusablePeople(cmd, file, err)
	}
	return nil
}

// mostKindsShown is the most digests, or ways of not deciding, that a report shows.
const mostKindsShown = 10

// writeLogReport writes what verify found in access logs, for people.
func writeLogReport(t *terminal.Writer, files []string, r *accesslog.Report) {
	name := files[0]
	if len(files) > 1 {
		name = words.Counted(len(files), "file")
	}
	verdict := "each has the tags of the rules"
	switch {
	case r.Wrong > 0:
		verdict = fmt.Sprintf("%d with a wrong tag", r.Wrong)
	case r.Compared == 0:
		verdict = "which proves nothing"
	}
	t.Printf("%s: %s\n", name, terminal.Bold.Textf("%s, %d compared, %s", words.Count(r.Requests, "request", "requests"), r.Compared, verdict))
	t.Table(func(t *terminal.Writer) {
		if len(r.List) > 0 {
			t.Printf("\nplace\theader\thas → rules\twhy%s\n", firstOf(len(r.List), max(r.Wrong, int64(len(r.List)))))
		}
		for _, w := range r.List {
			t.Printf("  %s:%d\t%s\t%s → %s\t%s\n", w.File, w.Line, w.Header, tagText(w.Tag), tagText(w.Want), w.Why)
		}
	})
	var remarks []string
	remark := func(n int64, what string) {
		if n > 0 {
			remarks = append(remarks, fmt.Sprintf("%s %s", words.Count(n, "request", "requests"), what))
		}
	}
	remark(r.Compared-r.ByRequest, "compared by the bucket that tagproc named, since the log does not have what the rules look at")
	remarkEach := func(counts map[string]int64, what string) {
		rest := int64(0)
		for i, kind := range mostFirst(counts) {
			if i < mostKindsShown {
				remark(counts[kind], what+quoted(kind))
			} else {
				rest += counts[kind]
			}
		}
		remark(rest, what+"others")
	}
	remarkEach(r.OtherRules, "decided by other rules, with the digest ")
	remarkEach(r.Unanswered, "that tagproc did not decide on: ")
	remark(r.Unlogged, "whose line lacks a tag header of the rules: render the format of the log for these rules")
	remark(r.Unexplained, "answered without a reason: tagproc runs without --metadata")
	if r.Unread > 0 {
		remarks = append(remarks, fmt.Sprintf("%s not of the format, the first at %s", words.Count(r.Unread, "line is", "lines are"), r.FirstUnread))
	}
	writeParagraph(t, remarks)
	t.Printf("\nrules digest %s\n", r.RulesDigest)
}

// mostFirst returns the keys of counts, those of the greatest first.
func mostFirst(counts map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
}
