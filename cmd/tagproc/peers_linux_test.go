package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tagproc/tagproc/state"
)

// nameServer is the variable of a process that resolves names by the server at an address.
const nameServer = "TAGPROC_TEST_NAME_SERVER"

// resolving is main with the name server that the environment names, if it names one.
func resolving() {
	if address := os.Getenv(nameServer); address != "" {
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", address)
		}}
	}
	main()
}

// A zone is a name server that knows one name.
type zone struct {
	name string
	conn net.PacketConn

	mu        sync.Mutex
	addresses [][4]byte
}

// serveZone serves a name by DNS until the test ends.
func serveZone(t *testing.T, name string) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{name: name, conn: conn}
	var serving sync.WaitGroup
	serving.Go(func() {
		query := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return // it is closed
			}
			if reply, err := z.answer(query[:n]); err == nil {
				_, _ = conn.WriteTo(reply, from) // who asks asks again
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		serving.Wait()
	})
	return z
}

// set has the name stand for addresses.
func (z *zone) set(addresses ...[4]byte) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.addresses = addresses
}

// answer answers a query.
func (z *zone) answer(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired}, Questions: []dnsmessage.Question{q}}
	z.mu.Lock()
	defer z.mu.Unlock()
	switch {
	case q.Name.String() != z.name+".":
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		for _, a := range z.addresses {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: a}})
		}
	}
	return reply.Pack()
}

// TestPeersByDNS has a replica name all of them by a name that DNS resolves: one comes, gets other
// rules, and goes.
func TestPeersByDNS(t *testing.T) {
	t.Parallel()
	const name = "replicas.tagproc.test"
	z := serveZone(t, name)
	dir := t.TempDir()
	all := [][4]byte{{127, 77, 0, 1}, {127, 77, 0, 2}, {127, 77, 0, 3}}
	admin := func(i int, port string) string { return net.JoinHostPort(net.IP(all[i][:]).String(), port) }
	rules := func(i int) string { return filepath.Join(dir, fmt.Sprintf("rules-%d.yaml", i)) }
	for i := range all {
		writeRules(t, rules(i), oneRule)
	}
	serve := func(i int, port string, args ...string) *process {
		p := startProcess(t, "export "+nameServer+"="+z.conn.LocalAddr().String()+";",
			append([]string{"serve", "--rules", rules(i), "--listen", "127.0.0.1:0", "--admin", admin(i, port)}, args...)...)
		p.await(t, "it serves, or the port is not free", func() bool {
			return strings.Contains(p.log.String(), `msg="listening for administration"`) || strings.Contains(p.log.String(), "address already in use")
		})
		return p
	}
	// All have one port. One that is free may be taken a moment later.
	var first *process
	var port string
	for first == nil || strings.Contains(first.log.String(), "address already in use") {
		l, err := net.Listen("tcp", admin(0, "0"))
		if err != nil {
			t.Fatal(err)
		}
		_, port, err = net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		first = serve(0, port, "--peers", net.JoinHostPort(name, port))
	}
	ask := func(path, accept string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+admin(0, port)+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return fmt.Sprint(string(body), err)
	}
	// says waits until the first replica says who is there, and whether they agree.
	says := func(what string, agree bool, wanted ...int) (said state.Replicas) {
		t.Helper()
		first.await(t, what, func() bool {
			said = state.Replicas{}
			text := strings.TrimSuffix(ask("/replicas", "*/*"), "<nil>")
			if err := json.Unmarshal([]byte(text), &said); err != nil {
				return false
			}
			var got, want []string
			for _, r := range said.Replicas {
				got = append(got, r.Address)
			}
			for _, i := range wanted {
				want = append(want, admin(i, port))
			}
			slices.Sort(got)
			return said.Agree == agree && slices.Equal(got, want)
		})
		return said
	}

	z.set(all[0])
	says("the replica is alone", true, 0)
	serve(1, port)
	z.set(all[0], all[1])
	says("another one comes", true, 0, 1)
	writeRules(t, rules(1), strings.Replace(oneRule, "range: 100", "range: 30", 1))
	said := says("it gets other rules", false, 0, 1)
	differ := 0
	for _, r := range said.Replicas {
		if len(r.Differs) > 0 {
			differ++
			if text := fmt.Sprint(r.Differs, r.Rules); text != "[has other rules] [rule x-asm-prefer-tag: s1 100% instead of 30%; no tag 0% instead of 70%]" || r.Address != admin(0, port) || r.Page != "http://"+r.Address+"/" {
				t.Errorf("of %s with the page %s it is said %s", r.Address, r.Page, text)
			}
		}
	}
	if page := ask("/", "text/html"); differ != 1 || !strings.Contains(page, "Not all replicas agree") || !strings.Contains(page, `<a href="http://`+admin(1, port)+`/" rel="noreferrer">`) {
		t.Errorf("%d replicas differ; the page is\n%s", differ, page)
	}
	z.set(all[0], all[2])
	says("it goes, and the name has an address at which nobody is", false, 0, 2)
	z.set(all[0])
	says("the replica is alone again", true, 0)
}
