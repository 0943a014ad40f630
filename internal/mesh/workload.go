package mesh

// Lane is a set of versions that is rolled out together.
type Lane string

// The two lanes of every application that is being rolled out.
const (
	Baseline Lane = "baseline"
	Canary   Lane = "canary"
)

// workload is one application in one lane.
type workload struct {
	app     string
	lane    Lane
	version string // at the start; see Mesh.Promote
	next    string // the application that it calls
	port    int    // of its cluster in envoy.yaml
}

var workloads = []workload{
	{"mocka", Baseline, "v1", "mockb", 10110},
	{"mockb", Baseline, "v1", "mockc", 10120},
	{"mockc", Baseline, "v1", "", 10130},
	{"mockc", Canary, "v2", "", 10131},

	{"app-a", Baseline, "v1", "app-b", 10210},
	{"app-a", Canary, "v2", "app-b", 10211},
	{"app-b", Baseline, "v1", "app-c", 10220},
	{"app-b", Canary, "v2", "app-c", 10221},
	{"app-c", Baseline, "v2", "", 10230},
	{"app-c", Canary, "v3", "", 10231},
}

// Ports of envoy.yaml that are not a workload's.
const (
	adminPort   = 9901
	ingressPort = 10000
	meshPort    = 10001
	tagprocPort = 9002
)

// tagprocSocket is where ConfigUnix finds tagproc.
const tagprocSocket = "/run/tagproc.sock"
