# Everything a developer runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

# What pyright prints about newer versions of itself is no concern of ours.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help setup lock demo run format check docs test e2e chaos soak fuzz audit bench bench-console wheel vendor dictionaries

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv from requirements.lock, compile what is hot (COMPILE=0: do not); instant when nothing changed
	@$(BIN)/python src/hatch_build.py

# pyproject.toml is here for the entry point and the version; the packages come from the lock alone.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "onehook needs Python 3.11 or later; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then \
	    uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	else \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: setup ## write requirements.lock anew from pyproject.toml (keeps what still fits)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --extra dev pyproject.toml -o requirements.lock

demo: setup ## a gateway with sample webhooks and a receiver; ARGS=...
	@$(BIN)/onehook demo $(ARGS)

run: setup ## the gateway, as `onehook serve`; ARGS=...
	@$(BIN)/onehook serve $(ARGS)

format: setup ## mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

check: setup ## ruff, mypy, pyright, import contracts, yamllint; luacheck where installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/yamllint --strict .
	@if command -v luacheck >/dev/null; then \
	    luacheck --std lua51 --globals redis server cjson cmsgpack bit KEYS ARGV \
	        -- src/onehook/store/scripts; \
	else \
	    echo "luacheck is not installed: skipped (a test loads every script)"; \
	fi

docs: setup ## write docs/platforms anew from the mapping files
	@$(BIN)/onehook mapping docs

test: setup ## every mapping's and destination's own tests, then the fast tests
	$(BIN)/onehook mapping test --strict mappings/*.yaml
	$(BIN)/onehook destination test destinations/*.yaml
	$(BIN)/pytest -n 2 -m "not slow" $(ARGS)

e2e: setup ## the slow tests: whole processes, killed half-way; the console at every width and theme
	$(BIN)/pytest -m slow $(ARGS)

chaos: setup ## 200,000 webhooks through 110 faults, nothing lost; CHAOS_SEED=, CHAOS_WEBHOOKS=, CHAOS_FAULTS=
	$(BIN)/python -m tests.chaos

soak: setup ## half of what it can take, for DURATION (10m): its memory has to stay flat; then 2,000 forged a second
	$(BIN)/python -m tests.chaos.soak
	$(BIN)/python -m benchmarks.forged

fuzz: setup ## FUZZ_MINUTES (30) of anything for whatever reads it, the API included; CORPUS=folder, FUZZ_SEED=
	FUZZ_MINUTES=$${FUZZ_MINUTES:-30} $(BIN)/pytest tests/properties/test_fuzz*.py -s --timeout 7200 $(ARGS)

audit: setup ## are there known faults in the packages of requirements.lock? asks the advisory service of PyPI
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock || { \
	    echo "audit: failed: a finding, a package that was not looked up, or no service to ask" >&2; \
	    exit 1; \
	}

bench: setup ## every figure beside what it must reach; FULL=1: 1,000,000 events, ONLY=match,mapping, PAGE=1: into docs
	@$(BIN)/python -m benchmarks $(ARGS)

bench-console: setup ## every page of the console on a full store: under 300 ms and 1 MB; FULL=1: 1,000,000 events
	@$(BIN)/python -m benchmarks.console

dictionaries: setup ## make the dictionaries of the store anew, where samples have changed; ARGS="github events"
	@$(BIN)/python tests/store/make_dictionaries.py $(ARGS)

vendor: setup ## copy the console's assets anew from their npm packages, as VENDORED.txt lists them
	@$(BIN)/python tests/console/vendor.py

wheel: setup ## build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel
