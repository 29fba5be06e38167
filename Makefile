# Everything sets itself up in .venv from a bare machine: git, make, Python 3.11 with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check install -c constraints.txt
OUT ?= demo
URL ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow servers lint format clean

help:  ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/demo  ## train on real digits from a SQLite file, or from URL=…; pictures and report in ./demo
	$(BIN)/rowfeed demo --out $(OUT) $(if $(URL),--url '$(URL)') $(ARGS)

test: $(VENV)/test servers  ## run the tests: Keras on JAX and TensorFlow, and on torch where it is installed
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(ARGS)
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -m keras $(ARGS)
	@if $(BIN)/python -c "import torch" 2>/dev/null; \
	then set -x; KERAS_BACKEND=torch $(BIN)/python -m pytest -m keras $(ARGS); \
	else echo "NOT TESTED: Keras on torch, which is not installed in $(VENV)."; fi

test-slow: $(VENV)/test servers  ## run the long versions of the tests as well
	ROWFEED_SLOW=1 KERAS_BACKEND=jax $(BIN)/python -m pytest --timeout=3600 $(ARGS)

lint: $(VENV)/lint  ## check format, style and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(VENV)/lint  ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove what make made
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) -e '.[demo,duckdb,mysql,postgresql]'
	@touch $@

$(VENV)/test: $(VENV)/demo
	$(PIP) -e '.[demo,test]' tensorflow-cpu
	@touch $@

# The tests start servers of their own; these are only the programs. RUNLEVEL=1: do not start any as a service.
servers:
	@if command -v mariadbd >/dev/null && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server postgresql; \
	fi || echo "The programs of MariaDB and PostgreSQL could not be installed; see the end of the tests."

$(VENV)/lint: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) -e '.[lint,test]'
	@touch $@
