package differential

import (
	"fmt"

	"github.com/tagproc/tagproc/internal/echo"
)

// limits sends requests at the limits of the plain listener, wherever they are: with
// each number of headers around it, and with each size around it. Both are near the
// defaults, from which the protocols and Envoy's own headers take some away.
func (c *campaign) limits() {
	c.t.Helper()
	p := c.stage.newPair(c.mode, c.table, c.mode+"-l")
	defer p.close()
	ask := func(r *request) verdict {
		result, why, err := p.ask(c.t.Context(), r)
		if err != nil {
			c.t.Fatal(err)
		}
		if n := c.count(result); result == different && n <= enough {
			c.keep(p, r, why, "at a limit")
		}
		return result
	}
	for _, protocol := range []string{http1, http2} {
		seen := make(map[verdict]int)
		for n := plainHeaders - 12; n <= plainHeaders+2; n++ {
			seen[ask(withHeaders(protocol, n))]++
		}
		// The largest that passes, by halving.
		low, high := plainBytes-1000, plainBytes+1000
		for high-low > 1 {
			mid := (low + high) / 2
			if ask(withBytes(protocol, mid)) == identical {
				low = mid
			} else {
				high = mid
			}
		}
		for _, n := range []int{low - 256, low - 128, low - 64, low - 32, low - 16, low - 8, low - 4, low - 2, low - 1, low, low + 1, low + 2, low + 64} {
			seen[ask(withBytes(protocol, n))]++
		}
		if seen[identical] < 10 || seen[refusedByReference] < 3 {
			c.t.Errorf("%s: around the limits %d requests are identical and %d refused by the plain listener, want at least 10 and 3", protocol, seen[identical], seen[refusedByReference])
		}
	}
	c.again += p.again
}

// withHeaders returns a request with n headers, pseudo-headers included.
func withHeaders(protocol string, n int) *request {
	r := &request{Protocol: protocol, Method: "GET", Path: "/", Authority: "app-a", Headers: []field{{Name: "x-user-id", Value: "jack"}}}
	count, _ := r.size()
	for i := range n - count - 4 {
		r.Headers = append(r.Headers, field{Name: echo.Bytes(fmt.Sprint("x-", i)), Value: "v"})
	}
	return r
}

// withBytes returns a request with n bytes of names and values, without the
// pseudo-headers.
func withBytes(protocol string, n int) *request {
	r := withHeaders(protocol, 0)
	_, size := r.size()
	r.Headers = append(r.Headers, field{Name: "x", Value: "a", Times: n - size - 1})
	return r
}
