# Everything happens in .venv/, without root. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEV := $(VENV)/.dev-ready
RUN := $(VENV)/.run-ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Debian splits venv's installer of pip off into python3-venv; a pip of the system does as well.
WITHOUT_ENSUREPIP := { $(PYTHON) -m venv --clear --without-pip $(VENV) \
	&& $(PYTHON) -m pip --python $(BIN)/python install pip; }
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet --extra train --extra history --extra serial \
	--extra notify --extra panel --extra top --group build

# `make bench JSON=bench.json` also writes the table to a file; ARGS go to pytest or to the demo.
export JSON
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
FOREIGN := tests/foreign/node_modules/.package-lock.json

.PHONY: help setup demo foreign test check bench bench-budget bench-detection bench-scoring bench-outage kill-matrix mutate hostile fuzz audit lock screenshots schema

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV) ## make .venv with everything for development, exactly as locked

# A development set-up already holds what the demo needs, and more: it is left as it is.
demo: $(if $(wildcard $(DEV)),$(DEV),$(RUN)) ## the whole of andon on a simulated plant, in two minutes
	@$(BIN)/andon demo $(ARGS)

# Most tests wait for something, so there are more than cores. A file's tests stay together: they
# share a server or a model.
test: $(DEV) ## all tests; those whose server program is missing are skipped
	@$(BIN)/pytest -n 3 --dist loadfile $(ARGS)

foreign: $(FOREIGN) ## servers of other authors for the tests (Node.js), exactly as locked

$(FOREIGN): tests/foreign/package-lock.json
	@npm ci --prefix tests/foreign --ignore-scripts --no-audit --no-fund --loglevel error

check: $(DEV) ## linters, types, and the directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV) ## measure; JSON=FILE also writes the table as JSON
	@$(BIN)/python tests/benchmarks/line.py

bench-budget: $(DEV) ## budgets of false alarms, promised and counted, on simulated plants
	@$(BIN)/python tests/benchmarks/budget.py $(ARGS)

bench-detection: $(DEV) ## judge detection on labelled data (ANDON_DATA) and a simulated week; JSON=FILE as well
	@$(BIN)/python tests/benchmarks/detection.py $(ARGS)

bench-scoring: $(DEV) ## what scoring a window costs, by method and size; JSON=FILE as well
	@$(BIN)/python tests/benchmarks/scoring.py $(ARGS)

bench-outage: $(DEV) ## three days without a link: disk, drain, first alert; JSON=FILE as well
	@$(BIN)/python tests/benchmarks/outage.py $(ARGS)

kill-matrix: $(DEV) ## every fault against every protocol, written into docs/reconnect.md; JSON=FILE too
	@$(BIN)/python tests/benchmarks/reconnect.py $(ARGS)

mutate: $(DEV) ## faults that the unit tests of core, line and buffer detect: 600 mutants, 10 min; JSON=FILE too
	@$(BIN)/python tests/mutation/run.py $(ARGS)

hostile: $(DEV) ## the long runs of tests/hostile: every member of each kind, with its name as it goes
	@ANDON_HOSTILE=long $(BIN)/pytest -n 0 -v -o timeout=7200 tests/hostile $(ARGS)

fuzz: $(DEV) ## fuzz what parses foreign bytes, a minute each; ARGS="--for 10m csv" for one, or longer
	@PYTHONPATH=tests/support $(BIN)/python -m fuzzing $(ARGS)

audit: $(DEV) ## vulnerabilities and licences of what is locked, and dist/andon.cdx.json, its bill
	@PYTHONPATH=tests/support $(BIN)/python -m audit $(ARGS)

lock: $(DEV) ## resolve the dependencies anew into both lock files
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group dev pyproject.toml -o requirements-dev.lock

screenshots: $(DEV) ## photograph every state of the page at the line into docs/panel
	@PYTHONPATH=tests/support $(BIN)/python tests/panel/screenshots.py

schema: $(DEV) ## write the JSON Schema that editors use for line files
	@$(BIN)/andon schema > $(VENV)/schema.json
	@mv $(VENV)/schema.json configs/andon.schema.json
	@$(BIN)/andon schema --site > $(VENV)/schema.json
	@mv $(VENV)/schema.json configs/andon-site.schema.json

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "andon needs Python 3.11 or newer, and $(PYTHON) is not that: name another one, as in 'make PYTHON=python3.12'." >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(WITHOUT_ENSUREPIP) >/dev/null 2>&1 || { \
		rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment: install its venv module first, on Debian with 'apt install python3-venv'." >&2; \
		exit 1; }

# The stamps are newer than the lock they were made from; pip changes only what differs.
$(DEV): requirements-dev.lock pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing andon and its tools into $(VENV) (the first time takes about a minute)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(RUN): requirements.lock pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing andon into $(VENV) (the first time takes about a minute)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@
