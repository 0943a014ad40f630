package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/observed"
	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// verifyFlags are the flags that verify alone has.
type verifyFlags struct {
	rulesFile, file string
	logs            []string // access logs
	columns         []string
	mappings        []string
	show            int
}

func newVerifyCommand() *cobra.Command {
	var (
		flags rulesFlags
		out   output
		v     verifyFlags
	)
	cmd := &cobra.Command{
		Use:   "verify --rules FILE {--observed FILE.csv | --access-log FILE...}",
		Short: "Compare the tags that users get today, or got by an access log, with the rules",
		Long: `Compare the tags that users get today with what the rules decide: how many users
would be sent elsewhere, who, and why. Before a migration, export each user's id
and tag from the access logs and compare.

The file is CSV with the names of its columns in the first line: the name of each
key's header or cookie (or id, if the rules have only one key), and one or more of the tag headers (or tag, or version, if the rules have
only one). --column names other columns. An empty value, or the - of an access
log, means no tag; --map says which tag a version stands for. Rows without an id
are counted and not compared. If a user has several rows, the first counts, and
rows that contradict it are listed.

With --access-log the files are access logs of Envoy in JSON, as render envoy
--access-log json makes them: did every request get the tags that the rules give?
Requests that other rules decided, or nobody, are counted and not compared.

Files may have any size, and be compressed with gzip. The exit code is 0 if every row
agrees with the rules, 1 if one does not, and 2 if they cannot be compared. One of
the files may be -, standard input.`,
		Example: `  tagproc verify --rules rules.yaml --observed users.csv
  tagproc verify --rules rules.yaml --observed users.csv --column x-user-id=uid --column x-asm-prefer-tag=lane
  tagproc verify --rules rules.yaml --observed users.csv --map v1=s1 --map v2=s2      # the versions that answered
  tagproc verify --rules rules.yaml --observed users.csv --map appver-c:v2= -o json   # v2 is the baseline of app-c
  tagproc verify --rules rules.yaml --access-log access.log access.log.1 access.log.2.gz`,
		Args: func(cmd *cobra.Command, args []string) error {
			if v.logs == nil {
				return noArgs(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.logs != nil {
				return v.compareLogs(cmd, &flags, append(v.logs, args...), out)
			}
			o, err := v.options()
			if err != nil {
				return err
			}
			t, err := usableRules(cmd, &flags, v.rulesFile, exitUnable)
			if err != nil {
				return err
			}
			if o.Mappings, err = parseMappings(v.mappings, t); err != nil {
				return err
			}
			r, err := v.compare(cmd, t, o)
			if err != nil {
				return err
			}
			return writeReport(cmd, v.file, r, out)
		},
	}
	addRulesFileFlag(cmd, &v.rulesFile)
	cmd.Flags().StringVar(&v.file, "observed", "", "what users get today, a CSV `FILE`")
	cmd.Flags().StringArrayVar(&v.logs, "access-log", nil, "an access log in JSON, a `FILE`; more may follow, as access.log* has them")
	must(cmd.MarkFlagFilename("observed", "csv"))
	cmd.Flags().StringArrayVar(&v.columns, "column", nil, "column with the values of a key or of a tag header, as `HEADER=COLUMN`; repeatable")
	cmd.Flags().StringArrayVar(&v.mappings, "map", nil,
		"tag that an observed value stands for, as `VALUE=TAG`, or HEADER:VALUE=TAG for one tag header; an empty tag means none; repeatable")
	cmd.Flags().IntVar(&v.show, "show", 10, "list the first `N` users who would be sent elsewhere, or requests with a wrong tag")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, func() error {
		if (v.file == "") == (v.logs == nil) {
			return errors.New("expected --observed FILE or --access-log FILE, one of them")
		}
		return nil
	})
	return cmd
}

// options returns what the flags say about the file.
func (v *verifyFlags) options() (observed.Options, error) {
	o := observed.Options{Columns: map[string]string{}, Show: v.show}
	for _, c := range v.columns {
		header, column, ok := strings.Cut(c, "=")
		header = strings.ToLower(header)
		if _, twice := o.Columns[header]; !ok || header == "" || column == "" || twice {
			return o, fmt.Errorf("--column %q: expected HEADER=COLUMN, once for each header", c)
		}
		o.Columns[header] = column
	}
	if v.show < 0 {
		return o, fmt.Errorf("--show %d: expected a number of users, from 0", v.show)
	}
	if v.rulesFile == "-" && v.file == "-" {
		return o, errors.New("--rules and --observed both read standard input; name a file for one of them")
	}
	return o, nil
}

func parseMappings(args []string, t *rules.Table) (ms []observed.Mapping, err error) {
	for _, a := range args {
		m, err := observed.ParseMapping(a, t)
		if err != nil {
			return nil, fmt.Errorf("--map %w", err)
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// compare reads the file, and writes what is wrong with it.
func (v *verifyFlags) compare(cmd *cobra.Command, t *rules.Table, o observed.Options) (*observed.Report, error) {
	in, err := openFile(cmd, v.file)
	if err != nil {
		writeProblems(stderr(cmd), source.Problems{*unreadable(v.file, err)})
		return nil, &failure{code: exitUnable}
	}
	defer in.Close()
	terminal := stderr(cmd)
	if terminal.IsTerminal() {
		p := &progress{terminal: terminal, size: size(in)}
		o.Progress = p.show
		defer p.clear()
	}
	now, _ := t.At(time.Now())
	r, err := observed.Compare(cmd.Context(), untilEnd{cmd.Context(), in}, now, o)
	if _, ok := errors.AsType[*observed.HeaderError](err); ok {
		return nil, fmt.Errorf("--column: %w", err)
	}
	if ce, ok := errors.AsType[*people.ColumnError](err); ok {
		header := ce.Header
		if header == "" {
			header = "HEADER"
		}
		return nil, fmt.Errorf("%s:1: %w; name the column with --column %s=COLUMN", v.file, err, header)
	}
	return r, unusablePeople(cmd, v.file, err)
}
