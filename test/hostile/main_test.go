package hostile

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/hostile"
	"github.com/tagproc/tagproc/internal/program"
)

var (
	full = flag.Bool("full", false, "one tagproc and Envoy for each attack, without bounds, judge time too, print the table")
	only = flag.String("attacks", "", "run the attacks whose name matches this `REGEXP`")
)

// roleVariable makes the test binary an attacker: number, address, connections and
// rate of an attack.
const roleVariable = "TAGPROC_HOSTILE_ROLE"

// tagproc is where the program is built, as it is shipped: memory is judged.
var tagproc string

func TestMain(m *testing.M) {
	if line := os.Getenv(roleVariable); line != "" {
		os.Exit(attack(line))
	}
	flag.Parse()
	os.Exit(program.Run(m, func(dir string) error {
		tagproc = filepath.Join(dir, "tagproc")
		return program.Build(tagproc, "-race=false")
	}))
}

// attack attacks until standard input ends, says how many units it did and returns
// the exit code.
func attack(line string) int {
	words := strings.Fields(line)
	var numbers []int
	for _, w := range []string{words[0], words[2], words[3]} {
		n, err := strconv.Atoi(w)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		numbers = append(numbers, n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	units, err := hostile.Attacks()[numbers[0]].Run(ctx, words[1], numbers[1], numbers[2])
	fmt.Println(units)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// chosen returns the numbers of the attacks that -attacks names.
func chosen(t *testing.T) (numbers []int) {
	t.Helper()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		t.Fatalf("-attacks: %v", err)
	}
	for i, a := range hostile.Attacks() {
		if pattern.MatchString(a.Name) {
			numbers = append(numbers, i)
		}
	}
	if len(numbers) == 0 {
		t.Fatalf("-attacks %s matches no attack", *only)
	}
	return numbers
}
