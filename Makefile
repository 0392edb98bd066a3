# Each target is one line that calls scripts/; each does its own set-up.
.PHONY: setup demo test check bench dist docs fuzz soak

setup: ## make .venv/ from the hashed lock
	@scripts/setup

demo: ## simulated exchange, gateway, embedded JetStream: books live, one broken on camera and healed
	@scripts/demo

test: ## all tests, real processes on loopback included
	@scripts/test

check: ## formatting, lint, types, import contracts, generated files
	@scripts/check

bench: ## our numbers beside a peer's, in one run
	@scripts/bench

fuzz: ## every fuzz target for MINUTES each; what fails is kept in fuzz/crashes
	@scripts/fuzz $(or $(MINUTES),1)

soak: ## the whole of the long shows, which takes hours
	@scripts/soak

dist: ## build the wheels into dist/; CONDA=1 makes conda packages of them too
	@scripts/dist

docs: ## write the generated references and schemas again, and build the site of docs/ into .site/html
	@scripts/docs
