# Marina. `make` alone lists what there is.
#
# Tests that need root, built files or a server carry the build constraint
# `integration`, those that take hours `long`. So:
#   make test-short   no constraint: no root, nothing built, about a minute
#   make test         integration: everything that must pass, as root
#   make test-long    integration and long
# Each ends with one line, "N passed, N failed".

# The Go that is installed, and no look at version control: the clone may belong
# to another user than the one who builds.
export GOTOOLCHAIN := local
export GOFLAGS := -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build up down test test-short test-long bench fmt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build everything that Marina runs into bin/ (installs Debian packages that are missing)
	@go run ./deploy/build

up: build ## build, then start Marina in the background: /var/lib/marina, console and API on localhost:8080
	@bin/marina up --detach

down: ## stop Marina and remove everything that `make up` made
	@if [ -x bin/marina ]; then bin/marina down --purge; else echo "bin/marina has not been built: nothing to stop"; fi

test: ## build, then every check and test; needs root
	@go run ./deploy/testrun full

test-short: ## the checks and tests that need neither root nor built files
	@go run ./deploy/testrun short

test-long: ## every test there is; takes hours
	@go run ./deploy/testrun long

bench: build ## measure: make bench NAME=create (or nodes, router, up)
	@go run ./deploy/bench $(or $(NAME),$(error say what to measure: make bench NAME=create)) --json

fmt: ## format the Go sources
	@find . \( -name node_modules -o -name .git \) -prune -o -name '*.go' -print | xargs gofmt -l -w
