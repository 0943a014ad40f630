// Command picture draws docs/users.svg: the users of the first walk-through on the ruler
// of buckets. Buckets, tags and versions are those of the rules and of the walk-through;
// nothing is drawn that they do not say.
//
//	picture FILE
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "Usage: picture FILE")
		os.Exit(2)
	}
	svg, err := draw()
	if err == nil {
		err = os.WriteFile(os.Args[1], svg, 0o644) //nolint:gosec // a picture for everybody
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}
