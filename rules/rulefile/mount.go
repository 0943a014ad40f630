package rulefile

// A mount is how a mount hides changes of a file.
type mount int

const (
	ordinary mount = iota
	alone          // the file is a mount point, as with Docker's -v FILE:FILE and Kubernetes' subPath
	nameless       // the file is a mount point, and what it shows was removed
)

const (
	// aloneWarning is logged: until the file is replaced all is well.
	aloneWarning = "the rules file is mounted alone: a file that is renamed over it where it comes from never arrives here; mount its directory instead"

	// namelessFailure is why rules that are live are no longer those of the file.
	namelessFailure = "was replaced or removed where it comes from, and its mount shows the old one for ever: mount its directory instead, and restart tagproc"
)
