package rulefile

// A mount is how a mount hides changes of a file.
type mount int

const (
	ordinary mount = iota
	alone          // the file is a mount point, as with Docker's -v FILE:FILE and Kubernetes' subPath
	nameless       // the file is a mount point, and its source was removed
)

const (
	// aloneWarning is logged: until the file is replaced all is well.
	aloneWarning = "the rules file is mounted alone, and a file renamed over its source never arrives here: mount its directory instead"

	// namelessFailure is why the live rules are no longer those of the file.
	namelessFailure = "was replaced or removed at its source, and its mount shows the old one for ever: mount its directory instead, and restart tagproc"
)
