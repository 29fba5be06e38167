# Everything sets itself up in .venv from a bare machine: git, make, Python 3.11 with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check install -c constraints.txt
OUT ?= demo
URL ?=
CACHE ?=
BENCH := .venv-bench
MYSQL := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rowfeed/mysql
BENCHMARK := PYTHONPATH=src $(BENCH)/bin/python benchmarks $(if $(CACHE),--cache $(CACHE))
ARGS ?=
# One more than there are cores: many tests wait for a server or a process.
PYTEST := $(BIN)/python -m pytest --numprocesses $(shell expr $$(nproc 2>/dev/null || echo 2) + 1) --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-quick test-slow bench bench-quick servers lint format clean

help:  ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

demo: $(VENV)/demo  ## train on real digits from a SQLite file, or from URL=…; pictures and report in ./demo
	$(BIN)/rowfeed demo --out $(OUT) $(if $(URL),--url '$(URL)') $(ARGS)

docs: $(VENV)/demo  ## write docs/api.md from the docstrings, and draw the picture of an epoch's order
	KERAS_BACKEND=jax $(BIN)/python docs/api.py
	$(BIN)/python docs/order.py

test: $(VENV)/test servers  ## run the tests: Keras on JAX and TensorFlow, and on torch where it is installed
	KERAS_BACKEND=jax $(PYTEST) $(ARGS)
	KERAS_BACKEND=tensorflow $(PYTEST) -m "keras and not once" $(ARGS)
	@if $(BIN)/python -c "import torch" 2>/dev/null; \
	then set -x; KERAS_BACKEND=torch $(PYTEST) -m "keras and not once" $(ARGS); \
	else echo "NOT TESTED: Keras on torch, which is not installed in $(VENV)."; fi

test-quick: $(VENV)/test  ## run the tests on SQLite and DuckDB alone: none that ask for a server, none that train with Keras
	ROWFEED_QUICK=1 KERAS_BACKEND=jax $(PYTEST) -m 'not keras' $(ARGS)

test-slow: $(VENV)/test servers  ## run the long versions of the tests as well
	ROWFEED_SLOW=1 KERAS_BACKEND=jax $(PYTEST) --timeout=3600 $(ARGS)

bench: $(BENCH)/ready servers  ## measure against every other way: about an hour on a quiet machine; docs/benchmarks.md
	$(BENCHMARK) --size full $(ARGS)

bench-quick: $(BENCH)/ready servers  ## the same on small tables, to see that it works; page in ./build/bench-quick
	$(BENCHMARK) --size quick --results build/bench-quick --page build/bench-quick/benchmarks.md $(ARGS)

lint: $(VENV)/lint  ## check format, style and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(VENV)/lint  ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove what make made
	rm -rf $(VENV) $(BENCH) build demo .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) -e '.[demo,duckdb,mysql,postgresql]'
	@touch $@

$(VENV)/test: $(VENV)/demo
	$(PIP) -e '.[demo,test]' tensorflow-cpu
	@touch $@

# mysqlclient is compiled: without a compiler PyMySQL takes its place. A CPU build of torch: plain `torch` would bring CUDA.
$(BENCH)/ready: benchmarks/constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip --quiet --disable-pip-version-check install -c benchmarks/constraints.txt -r benchmarks/requirements.txt
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq gcc libmariadb-dev pkg-config >/dev/null; fi || true
	$(BENCH)/bin/pip --quiet --disable-pip-version-check install -c benchmarks/constraints.txt mysqlclient \
		|| echo "mysqlclient cannot be compiled here: PyMySQL takes its place."
	@touch $@

# The tests start servers of their own; these are only the programs. RUNLEVEL=1: do not start any as a service.
servers:
	@if command -v mariadbd && command -v pgbouncer && ls /usr/lib/postgresql/*/bin/postgres; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get; then \
		apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq mariadb-server postgresql pgbouncer; \
	fi >/dev/null 2>&1 || echo "MariaDB, PostgreSQL and PgBouncer could not be installed; see the end of the tests."
	@tests/get_mysql.sh $(MYSQL) || echo "MySQL could not be fetched; see the end of the tests."

$(VENV)/lint: $(VENV)/python pyproject.toml constraints.txt
	$(PIP) -e '.[lint,test]'
	@touch $@
