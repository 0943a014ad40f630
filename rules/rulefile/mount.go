package rulefile

// A mount is how a mount hides changes of a file: the text is for the log.
type mount string

const (
	ordinary mount = ""
	// alone: the file is a mount point, as with Docker's -v FILE:FILE and
	// Kubernetes' subPath.
	alone mount = "the rules file is mounted alone: a file that is renamed over it where it comes from never arrives here; mount its directory instead"
	// nameless: the file is a mount point, and what it shows was removed.
	nameless mount = "the rules file was replaced or removed where it comes from, and its mount shows the old one for ever; mount its directory instead, and restart tagproc"
)
