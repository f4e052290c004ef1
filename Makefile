# Every target calls a script of scripts/; continuous integration calls the same.

.DEFAULT_GOAL := help
.PHONY: help run build setup test quick e2e deploy-check cluster-check chaos chaos-short fmt vet vuln lint bench bench-once fuzz tools clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## a whole working system with the development switches
	go run ./cmd/node --dev

build: ## ./hoshi and ./loadgen, stamped with version and commit
	scripts/build.sh

test: ## install what is missing, check and test everything (CI runs this)
	scripts/test.sh

setup: ## install what the tests need, and nothing else
	scripts/setup.sh

quick: ## Go tests of the packages, with -race, without the end-to-end test
	scripts/go-test.sh $$(go list -f '{{.Dir}}' ./... | grep -v '/e2e$$' | sed "s|^$$PWD|.|")

e2e: setup ## the end-to-end test alone: Clojure clients, three nodes, three NATS servers
	scripts/go-test.sh -v ./e2e

deploy-check: setup ## the files of deploy/: compose, Kubernetes, alert rules (root)
	scripts/deploy-test.sh

cluster-check: ## deploy/k8s on a control plane of Kubernetes that is compiled first (long)
	scripts/cluster-check.sh

chaos: ## an hour of faults under a million clients, every message checked (root)
	scripts/chaos.sh --time 1h --clients 1000000

chaos-short: ## three minutes of that, as in make test
	scripts/chaos.sh

fmt: ## format the Go files
	scripts/fmt.sh

vet: tools ## go vet, staticcheck, a build for a system without epoll, vulnerabilities
	scripts/vet.sh

vuln: tools ## known vulnerabilities in what is called of dependencies and Go
	scripts/vuln.sh

lint: ## all linters of .golangci.yml (the first run builds golangci-lint)
	scripts/lint.sh

bench: ## measure against a raw-write ceiling on this machine (minutes)
	scripts/bench.sh

bench-once: ## run each Go benchmark once
	scripts/once.sh

fuzz: ## fuzz every target for 30 s
	scripts/fuzz.sh

tools: ## build the pinned tools into .bin/
	scripts/tools.sh

clean: ## remove what was built
	rm -rf .bin .out hoshi loadgen
