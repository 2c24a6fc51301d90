# Every command of the project. `make help` lists them; all work in a fresh clone with Python 3.11+ and make.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# Another interpreter: make install PYTHON=python3.13
PYTHON ?= python3
# What `make run` hands to `idlefee demo`: make run ARGS="--port 8001 --speed 60"
ARGS ?=

IN := .venv/bin/python -m
PYTEST := $(IN) pytest
# pip takes its registry from the machine's own configuration: none is named here or in the locks.
# Python compiles a module when it is first imported: compiling every one up front would double the wait.
PIP := $(IN) pip --disable-pip-version-check install --quiet --no-compile

# ---------------------------------------------------------------- use it

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: install ## install if needed, then run the demo (ARGS="--port 8001 --speed 60")
	@exec .venv/bin/idlefee demo $(ARGS)

.PHONY: install
install: .venv/run.stamp ## install what running needs into .venv, from requirements.lock

.PHONY: install-dev
install-dev: .venv/dev.stamp ## install what developing and testing need too, from requirements-dev.lock

# A stamp is older than its lock when the lock has changed since: then, and only then, pip runs.
.venv/run.stamp: requirements.lock pyproject.toml
	@$(MAKE) venv
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# The development lock holds the same versions and more, so it answers for both stamps. What comes as source is built by
# the setuptools of the first one: nothing is downloaded that no lock has checked.
.venv/dev.stamp: requirements-dev.lock requirements.lock pyproject.toml
	@$(MAKE) venv
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --require-hashes --no-build-isolation -r requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch .venv/run.stamp $@

.PHONY: venv
venv:
	@command -v $(PYTHON) >/dev/null \
	  || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name yours: make install PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$$($(PYTHON) --version) is too old: idlefee needs 3.11 or newer. Name another: make install PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "This Python has no venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv

# ---------------------------------------------------------------- check it

# Long, exhaustive or browser-driven tests carry a mark and run in `make check`.
EVERYDAY := not browser and not fuzz and not crash
# Tests in a browser and of generated requests have rooms of their own: each process would load their libraries for nothing.
ELSEWHERE := --ignore=tests/browser --ignore=tests/fuzz
# One test process more than there are cores: each waits for servers and disks now and then.
PROCESSES := $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() or 1, 4) + 1)')

.PHONY: test
test: install-dev ## every test but the marked ones, on SQLite and PostgreSQL (under 4 minutes)
	$(PYTEST) -m "$(EVERYDAY)" $(ELSEWHERE) -n $(PROCESSES) --dist worksteal

.PHONY: check
check: format-check lint types layers test ## what CI runs: format, lint, types, layers, tests, and the marked tests
	$(PYTEST) -m browser -n 2 --dist worksteal
	$(PYTEST) -m fuzz
	$(PYTEST) -m crash

.PHONY: format
format: install-dev ## format the code
	$(IN) ruff format .
	$(IN) ruff check --fix .

.PHONY: format-check
format-check: install-dev
	$(IN) ruff format --check .

.PHONY: lint
lint: install-dev ## lint the code
	$(IN) ruff check .

.PHONY: types
types: install-dev ## check the types, strictly
	$(IN) mypy

.PHONY: layers
layers: install-dev ## check the architecture: imports, the clock, file sizes
	$(PYTEST) -q tests/architecture

.PHONY: bench
bench: install-dev ## measure, each figure beside a ceiling measured in the same run
	$(IN) tests.benchmarks

.PHONY: soak
soak: install-dev ## the long runs: more examples, more crashes, more fuzzing, a month of 1,000 owners
	IDLEFEE_TESTS=soak $(PYTEST) -m "fuzz or crash or not browser" -n $(PROCESSES) --dist worksteal

# ---------------------------------------------------------------- keep it

LOCK := $(IN) uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: lock
lock: ## resolve the locks again (UPGRADE=--upgrade for newer versions, "UPGRADE=--upgrade-package NAME" for one)
	@$(MAKE) venv
	@$(IN) uv --version >/dev/null 2>&1 || $(PIP) uv
	$(LOCK) $(UPGRADE) --group build --output-file requirements.lock
	$(LOCK) $(UPGRADE) --all-extras --group dev --constraints requirements.lock --output-file requirements-dev.lock

.PHONY: clean
clean: ## remove what these commands made, .venv included
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
