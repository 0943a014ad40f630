# The go command fetches the Go that go.mod names where the machine's is older.
export GOTOOLCHAIN := auto

BIN      := bin/tagproc
VERSION  := $(shell tools/version)
# A binary knows only the version of its checkout: untracked files, or a missing git,
# change nothing in what is built.
BUILD    := CGO_ENABLED=0 go build -trimpath -buildvcs=false
FUZZTIME ?= 30s

# Each tool has a module of its own: see docs/decisions/0008-tools.md.
BUF       := go tool -modfile=tools/buf.mod buf
LINT      := go tool -modfile=$(CURDIR)/tools/golangci-lint.mod golangci-lint
BENCHSTAT := go tool -modfile=tools/benchstat.mod benchstat

.DEFAULT_GOAL := help
.PHONY: help modules build mesh run test test-istio test-envoy-gateway test-page test-chart test-kube chart kubernetes latency lint verify fmt bench fuzz proto picture pictures image image-mesh envoy envoys chaos hostile differential proof loadtest loadtest-short ghz loadtest-build update-tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

modules: ## download the modules of everything here, again where a registry fails
	@tools/get-modules

build: ## build bin/tagproc
	$(BUILD) -ldflags '-X main.version=$(VERSION)' -o $(BIN) ./cmd/tagproc

mesh: ## build bin/tagproc-mesh, which has Istio's control plane in it; the first time takes some minutes
	cd mesh && $(BUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o ../bin/tagproc-mesh ./cmd/tagproc-mesh

run: build envoy ## show tagproc at work behind a real Envoy; without a terminal, run once and exit 0 if all went well
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN) demo; else exec $(BIN) demo --once; fi

test: envoys ## run every test: unit, fuzz seeds, end to end through two releases of Envoy, all with the race detector
	CGO_ENABLED=1 go test -race -shuffle=on -timeout=60m ./...
	CGO_ENABLED=1 go test -race -shuffle=on -tags=tagproc_faults -run=Fault ./processor
	cd loadtest && CGO_ENABLED=1 go test -race -shuffle=on -timeout=60m ./...
	@tools/get-prometheus
	cd deploy/monitoring && go test -shuffle=on -timeout=60m ./...
	cd tools/image && CGO_ENABLED=1 go test -race -shuffle=on -timeout=60m ./...

test-istio: envoys ## run the tests on the real control plane of Istio and real Envoys, one for each pod; building them takes some minutes
	cd mesh && go test -shuffle=on -timeout=60m ./...
	cd test/istio && go test -shuffle=on -timeout=60m ./...
	go test ./test/differential -count=1 -timeout=60m -run='^TestDataPaths$$' -full

test-envoy-gateway: envoys ## run the tests on the real Envoy Gateway, which programs a real Envoy; building it takes some minutes
	cd test/envoygateway && go test -shuffle=on -timeout=60m ./...

test-chart: kubernetes ## run the tests of the Helm chart, with Helm's library and on the real API server of Kubernetes
	cd test/chart && go test -shuffle=on -timeout=60m ./...

test-kube: kubernetes envoys ## run the tests on the real API server of Kubernetes, and with its kubelet, whose pods are processes
	cd test/kube && go test -shuffle=on -timeout=60m ./...

test-page: ## run the tests of the page in a headless Chromium, which root gets on Debian, with axe-core of npm
	@tools/get-browser
	cd test/page && CI=true go test -shuffle=on -timeout=60m ./...

lint: ## check style, imports, go.mod, the proto file and that generated code is up to date
	go mod tidy -diff
	cd loadtest && go mod tidy -diff
	cd mesh && go mod tidy -diff
	cd test/istio && go mod tidy -diff
	cd test/envoygateway && go mod tidy -diff
	cd test/kube && go mod tidy -diff
	cd test/page && go mod tidy -diff
	cd test/chart && go mod tidy -diff
	cd deploy/monitoring && go mod tidy -diff
	cd tools/image && go mod tidy -diff
	cd tools/kubernetes && go mod tidy -diff
	$(BUF) lint
	$(BUF) format --diff --exit-code
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(BUF) generate --output "$$fresh" && \
		diff -rq -x '*.proto' proto "$$fresh/proto" || { echo 'proto/: generated code is not up to date; run make proto' >&2; exit 1; }
	$(LINT) run
	cd loadtest && $(LINT) run
	cd mesh && $(LINT) run
	cd test/istio && $(LINT) run
	cd test/envoygateway && $(LINT) run
	cd test/kube && $(LINT) run
	cd test/page && $(LINT) run
	cd test/chart && $(LINT) run
	cd deploy/monitoring && $(LINT) run
	cd tools/image && $(LINT) run
	cd tools/goreleaser && $(LINT) run && go test .

verify: ## check the modules against go.sum, and look for known vulnerabilities where their database is reachable
	@set -e; for dir in . loadtest mesh test/istio test/envoygateway test/page test/chart test/kube tools/image tools/goreleaser tools/kubernetes; do out=$$(cd $$dir && go mod verify) || { echo "$$dir: $$out" >&2; exit 1; }; echo "$$dir: $$out"; done
	@tools/vulncheck

fmt: ## format the Go code and the proto file
	$(LINT) fmt
	$(BUF) format --write

bench: ## run the benchmarks of the hot path into bin/bench.txt and compare with bench/baseline.txt, if there is one
	@mkdir -p bin
	go test -run='^$$' -bench=. -benchmem -count=6 ./rules/... ./baggage ./processor/... > bin/bench.txt || { cat bin/bench.txt; exit 1; }
	$(BENCHSTAT) $(wildcard bench/baseline.txt) bin/bench.txt

fuzz: ## fuzz each target for FUZZTIME (default 30s)
	@set -e; for pkg in $$(go list ./...); do \
		targets=$$(go test -list='^Fuzz' "$$pkg"); \
		for target in $$(printf '%s\n' "$$targets" | grep '^Fuzz'); do \
			echo "=== $$target in $$pkg"; \
			go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1s "$$pkg"; \
		done; \
	done

proto: ## generate the code of the proto file
	$(BUF) generate

picture: ## draw docs/users.svg, the picture of the README
	go run ./internal/picture docs/users.svg

pictures: ## take docs/page.png and docs/page-refused.png, the pictures of the page
	@tools/get-browser
	cd test/page && CI=true go test -count=1 -run='^TestPictures$$' . -args -pictures $(CURDIR)/docs

chart: ## copy into the Helm chart what it shares with deploy/, and package it into bin/chart
	cp deploy/monitoring/alerts.yaml deploy/monitoring/dashboard.json deploy/kustomize/components/sidecar/gateway-values.yaml deploy/helm/tagproc/files/
	cd test/chart && go test -count=1 -run='^Test(Readme|PrometheusRule)$$' . -update
	rm -rf bin/chart
	cd test/chart && go tool helm package ../../deploy/helm/tagproc --destination ../../bin/chart --app-version "$(VERSION)" --version "$$(echo "$(VERSION)" | sed -E 's/^v([0-9]+\.)/\1/; t; s/^/0.0.0-g/')"

image: ## assemble the images of tagproc and of the samples' application into bin/image, for amd64 and arm64
	cd tools/image && GOTOOLCHAIN=$$(sed -n 's/^toolchain //p' "$(CURDIR)/go.mod") go run . -root "$(CURDIR)" -out "$(CURDIR)/bin/image" \
		-version $(VERSION) -revision "$$(../version revision)" -epoch "$$(../version time)" \
		$(or $(IMAGES),tagproc/tagproc=./cmd/tagproc tagproc/sample=./deploy/samples/app)

image-mesh: ## assemble the image tagproc/tagproc-mesh into bin/image: tagproc-mesh, and tagproc beside it; the first time takes some minutes
	$(MAKE) image IMAGES=tagproc/tagproc-mesh=./mesh/cmd/tagproc-mesh,./cmd/tagproc

envoy: ## provide an Envoy: that of ENVOY, else the one on PATH, else a pinned one in .envoy/
	@tools/get-envoy

envoys: ## provide an Envoy of each release that the tests run on; those of ENVOY and PATH serve for their own release
	@tools/get-envoy --releases

chaos: envoys ## break tagproc in every way of docs/reliability.md under load, on both Envoys, and write the table there; 35 minutes, nothing else should run
	go test ./test/chaos -count=1 -timeout=3h -v -full -out=$(CURDIR)/docs/reliability.md

hostile: envoys ## attack tagproc over 8, 40 or 500 connections in each known way beside 200 requests/s through Envoy, and print a table; 12 minutes, nothing else should run
	go test ./test/hostile -count=1 -timeout=1h -v -run='^TestHostile$$' -full

differential: envoys ## send 10,000 odd requests to each Envoy, with tagproc and without, and by each data path of sidecars, and compare; 5 minutes
	go test ./test/differential -count=1 -timeout=2h -v -run='^Test(Differential|DataPaths)$$' -full

proof: envoys ## prove what needs long: envoyconf on real Envoys, diff on 300 pairs of files with 1,000,000 ids, simulate on a million ids of each kind and what ten million cost, the rules in Lua beside ext_proc on 120,000 requests, edits of 500 generated files in each envelope, what ten open pages cost, and tagproc-mesh on 700 manifests of others; half an hour
	go test ./test/routing -count=1 -timeout=1h -v -full
	go test ./shares -count=1 -timeout=2h -v -run=Proof -full
	go test ./simulation -count=1 -timeout=1h -v -run='^Test(Verdicts|Time)$$' -full
	go test ./istio/gateway -count=1 -timeout=1h -v -run='^TestLua$$' -full
	go test ./rollout -count=1 -timeout=1h -v -run='^TestAnyFile$$' -rapid.checks=500
	go test ./cmd/tagproc -count=1 -timeout=1h -v -run='^TestOpenPages$$' -full
	cd mesh && go test -count=1 -timeout=1h -v -run='^TestForeign' -full .

latency: kubernetes ## measure how long an edit of a ConfigMap takes to three replicas that watch it, and the memory of the watch; two minutes, nothing else should run
	cd test/kube && go test -count=1 -timeout=60m -v -run='^Test(Latency|Memory)$$' . -full

kubernetes: ## build etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and a kubelet into bin/kubernetes, for tests; the first time takes some minutes
	@mkdir -p bin/kubernetes
	cd tools/kubernetes && $(BUILD) -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$(go list -m -f '{{.Version}}' k8s.io/kubernetes)" \
		-o $(CURDIR)/bin/kubernetes/ k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kube-scheduler k8s.io/kubernetes/cmd/kubectl ./node
	cd tools/kubernetes && $(BUILD) -ldflags '-s -w' -o $(CURDIR)/bin/kubernetes/etcd go.etcd.io/etcd/server/v3

loadtest: loadtest-build ## measure what a request costs, beside alternatives, into loadtest/RESULTS.md; 22 minutes, nothing else should run
	bin/loadtest -out loadtest/RESULTS.md

loadtest-short: loadtest-build ## check in a minute or two that the load test works; its figures, in bin/, are noise
	bin/loadtest -short -out bin/RESULTS.md

ghz: loadtest-build ## measure tagproc and the textbook server with ghz, without Envoy
	bin/loadtest -only ghz

loadtest-build: build envoy
	cd loadtest && $(BUILD) -o ../bin/loadtest . && $(BUILD) -o ../bin/textbook ./textbook
	$(BUILD) -modfile=tools/ghz.mod -o bin/ghz github.com/bojand/ghz/cmd/ghz

update-tools: ## take the newest release of each tool of tools/*.mod
	@set -e; for mod in tools/*.mod; do echo "=== $$mod"; go get -modfile="$$mod" tool; done

clean: ## remove what was built and fetched
	rm -rf bin .envoy .browser .prometheus
