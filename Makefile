# Alcove's commands. `make test` is all that CI runs (.ci/run).

GO ?= go
BIN := bin
# Debian's packages put servers into sbin, which is not on every user's path.
export PATH := $(PATH):/usr/sbin:/sbin
# Go and npm keep their caches under HOME; a bare CI job may have none.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/$(BIN)/home
endif

.PHONY: all build race test setup unit check suites fuzz interop bench bench-unpinned pgo bench-micro bench-check sizes fmt lint clean

all: build

build: ## bin/alcove
	$(GO) build -trimpath -o $(BIN)/alcove ./cmd/alcove

race: ## bin/alcove-race, with the race detector
	$(GO) build -race -o $(BIN)/alcove-race ./cmd/alcove

test: setup $(BIN)/gate ## everything: format, vet, unit tests, hot path, suites, fuzzing, interop
	@$(BIN)/gate

setup: ## fetches what the tests need from outside; names what it cannot fetch
	@sh scripts/setup.sh

unit check suites fuzz interop: setup $(BIN)/gate ## one stage of the tests
	@$(BIN)/gate $@

.PHONY: $(BIN)/gate
$(BIN)/gate:
	@$(GO) build -buildvcs=false -o $@ ./scripts/gate

bench: ## Alcove beside mosquitto, mochi and nats-server; writes docs/performance.md and its charts
	cd bench && $(GO) run ./cmd/compare $(BENCH)

bench-unpinned: ## the same without pinning processes to cores; prints only
	cd bench && $(GO) run ./cmd/compare --pin=false --out= $(BENCH)

pgo: ## profiles the broker under the usual traffic; writes cmd/alcove/default.pgo, which `make build` then takes
	$(GO) run ./scripts/pgo $(PGO)

bench-micro: ## single parts: matching, expressions, sticky picks, retained messages, stamps, deliveries, logins, logs
	$(GO) run ./scripts/micro $(MICRO)

bench-check: ## allocations and instructions of the hot path against docs/hotpath.tsv; UPDATE=1 writes that, WHERE="mqtt AckDecode" shows a benchmark by functions
	@$(GO) run ./scripts/check $(if $(UPDATE),-update) $(if $(WHERE),-where "$(WHERE)")

sizes: ## what connections, sessions, subscriptions and the like take by field; writes docs/sizes.md
	$(GO) run ./scripts/sizes

fmt: ## formats every Go file
	gofmt -w $$(find . -name '*.go' -not -path '*/node_modules/*')

lint: $(BIN)/gate ## format check and vet, and the house rules
	@$(BIN)/gate format vet
	$(GO) test -count=1 ./internal/lint/...

clean:
	rm -rf $(BIN)
