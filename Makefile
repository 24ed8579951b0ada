# Two commands on a fresh machine: `make demo` and `make test`. They need Python 3.11+, make and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A build of torch for the CPU, where the package index has one under this name.
TORCH ?= torch==2.13.0
# Drives the browser in the tests of the report.
PLAYWRIGHT ?= playwright>=1.49
# Where Python is told to write no bytecode, an editable install would be compiled again in every run.
COMPILE := $(BIN)/python -m compileall -q audiocnn_cli

.PHONY: demo test test-train test-browser check format bench clean
.DEFAULT_GOAL := test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	$(COMPILE)
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(COMPILE)
	touch $@ $(VENV)/.installed

$(VENV)/.installed-train: pyproject.toml $(VENV)/.installed-dev
	$(BIN)/pip install --quiet '$(TORCH)'
	$(BIN)/pip install --quiet --editable '.[dev,train]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/audiocnn classify examples/

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	$(BIN)/pytest

test-train: $(VENV)/.installed-train
	$(BIN)/pytest -m train

# Debian's Chromium, where there is none yet; only root may install it.
test-browser: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet '$(PLAYWRIGHT)'
	chromium --version 2>/dev/null || google-chrome --version 2>/dev/null || \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; }
	$(BIN)/pytest -m browser

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/processes.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/shapes.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
