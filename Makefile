# Needs Python 3.11 or newer, make and git; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo benchmark measurement test lint types layers lock clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv with the versions of constraints.txt (repeated only when they change)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cpu,demo,dev]"
	@touch $@

demo: $(READY) ## Tune a real image pipeline, in minutes
	$(BIN)/autotuner demo

benchmark: $(READY) ## Compare with what people would use instead, on every workload (takes hours)
	$(BIN)/python -m experiments.benchmark

MEASUREMENTS := fidelity same_pipeline known_effect cache_truth cost memory_limit

measurement: $(READY) ## Measure whether the tuner's own numbers can be trusted (takes hours, on a quiet machine)
	for name in $(MEASUREMENTS); do $(BIN)/python -m experiments.$$name || missed="$$missed $$name"; done; \
	  test -z "$$missed" || { echo "missed a target:$$missed"; exit 1; }

# These measure: nothing may compete with them for the cores.
TIMED := tests/e2e tests/measure tests/worker

test: $(READY) ## Run the whole test suite
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=10 $(TIMED:%=--ignore=%)
	$(BIN)/python -m pytest --durations=10 $(TIMED)

lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY) ## Check types
	$(BIN)/mypy

layers: $(READY) ## Check who may import whom
	$(BIN)/lint-imports

# Run it after the suite has passed in this .venv: it records the versions that were tested. To move to newer
# versions: `.venv/bin/python -m pip install --upgrade --editable ".[cpu,demo,dev]"`, `make test`, `make lock`.
lock: ## Write the installed versions to constraints.txt
	{ echo "# The versions the test suite passed with; made by 'make lock'."; \
	  $(BIN)/python -m pip freeze --exclude-editable --exclude autotuner; } > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean: ## Remove what building and checking left behind; keeps .venv and results
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find autotuner tests experiments -name __pycache__ -type d -prune -exec rm -rf {} +
