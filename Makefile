# Everything a person does here, in short words. `make` alone lists them.
# The first target that needs it makes .venv from requirements-dev.lock, once, and again when the lock has changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
KILLS ?= 20
SEEDS ?= 100
FROM ?= 0
SIZE ?= small
TEST_ARGS ?=
DEMO_ARGS ?=
CRASH_ARGS ?=
BENCH_ARGS ?=
LOCK_ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
LOCKED := .venv/.locked
PIP_QUIET := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
COMPILE := pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: help setup demo test proof check format docs bench crash sim lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv and install what the lock says

demo: $(READY) ## two twin stores come to agreement on screen; no account, no network (DEMO_ARGS=...)
	@$(BIN)/storeweave demo $(DEMO_ARGS)

test: $(READY) ## the tests (TEST_ARGS='-k lane')
	@$(BIN)/python -m pytest -m "not slow" $(TEST_ARGS)

proof: $(READY) ## the slow tests: real processes killed and stopped, measurements, the tutorial
	@$(BIN)/python -m pytest -m slow $(TEST_ARGS)

check: $(READY) ## format, lint, types, imports, lock, changelog, docs
	@echo "== format"; $(BIN)/ruff format --check .
	@echo "== lint"; $(BIN)/ruff check .
	@echo "== types"; $(BIN)/mypy
	@echo "== imports"; $(BIN)/lint-imports
	@echo "== lock"; $(BIN)/python -m tools.lock
	@echo "== changelog"; $(BIN)/python -m tools.changelog
	@echo "== docs"; $(BIN)/python -m tools.docs_reference --check

format: $(READY) ## put the code into its usual form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: $(READY) ## write docs/reference from the code
	@$(BIN)/python -m tools.docs_reference

bench: $(READY) ## measure; SIZE=small takes two minutes, SIZE=full an hour
	@$(BIN)/python -m bench --size $(SIZE) $(BENCH_ARGS)

crash: $(READY) ## kill -9 while it works, KILLS times, and look whether anything was lost
	@$(BIN)/python -m tests.crash.kill_run --kills $(KILLS) $(CRASH_ARGS)

sim: $(READY) ## simulate whole systems with a virtual clock: SEEDS of them, FROM a seed on
	@$(BIN)/python -m tests.simulation.run --seeds $(SEEDS) --from $(FROM)

lock: ## pin what pyproject.toml asks for (LOCK_ARGS=--upgrade takes the newest of everything)
	@uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
		own=$$(mktemp -d); trap 'rm -rf "$$own"' EXIT; \
		$(PYTHON) -m venv "$$own"; $(PIP_QUIET) "$$own/bin/pip" install --quiet uv; uv=$$own/bin/uv; \
	fi; \
	"$$uv" $(COMPILE) --extra postgres --extra dev $(LOCK_ARGS) --output-file requirements-dev.lock; \
	"$$uv" $(COMPILE) --extra postgres --constraint requirements-dev.lock --output-file requirements.lock

clean: ## remove everything that this Makefile made
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# A python3 that is too old, or has no venv module, is replaced by uv where there is one; pip installs either way,
# because it knows the machine's own settings (proxy, mirror, certificates).
$(LOCKED): requirements-dev.lock
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && $(PYTHON) -m venv .venv 2>/dev/null; then :; \
	elif command -v uv >/dev/null; then uv venv --quiet --seed --allow-existing --python '>=3.11' .venv; \
	else echo "Storeweave needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv), or uv." >&2; exit 1; fi
	@echo "Installing what requirements-dev.lock says into .venv ..."
	@$(PIP_QUIET) $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(PIP_QUIET) $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@$(PIP_QUIET) $(BIN)/python -m pip check
	@touch $@
