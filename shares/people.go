package shares

// People is how many users whose ids are known move.
type People struct {
	Counted uint64 `json:"counted"`
	Moving  uint64 `json:"moving"` // who change any tag
}
