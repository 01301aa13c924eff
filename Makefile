# Builds .venv in this folder where it is missing; nothing needs activating.
# Works with GNU make 3.81 (macOS) and newer.

VENV := .venv
BIN := $(VENV)/bin
# Says that the environment is complete; older than what it was made from, it is made again.
STAMP := $(VENV)/.complete
CONSTRAINTS ?= constraints.txt

UV := $(shell command -v uv 2>/dev/null)
# uv does not read pip's settings, so what they say of packages at hand is passed on to it.
PIP_LINKS = $(shell python3 -m pip config get global.find-links 2>/dev/null)
WITH_UV = UV_FIND_LINKS="$${UV_FIND_LINKS:-$$(echo $${PIP_FIND_LINKS:-$(PIP_LINKS)} | tr ' ' ',')}" uv
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# Two files of tests at a time, each on one thread: more of them would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: help setup demo test test-all test-browser check lint types format docs bench clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## build .venv, so that .venv/bin/vgrad is the program

demo: setup ## watch the gradient vanish in a deep sigmoid network, then make its report
	$(BIN)/vgrad run activation=sigmoid depth=20 name=demo
	$(BIN)/vgrad report runs/demo
	@echo
	@echo "Open runs/demo/report/index.html in a browser to see it layer by layer."

test: setup ## run the tests
	$(PYTEST)

test-all: setup ## run the tests with the slow ones: the better part of an hour
	$(PYTEST) -m 'not browser'

test-browser: setup ## try the page in Chromium, which must be installed: minutes
	$(BIN)/python -m pip install -c $(CONSTRAINTS) -e '.[browser]'
	$(BIN)/python -m pytest -m browser

check: lint types test ## all that must pass before a change goes in

lint: setup ## format, lint and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup ## mypy --strict
	$(BIN)/mypy

format: setup ## write the files as `make lint` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## make the reference pages from the registries
	$(BIN)/python -m vgrad.reference docs

bench: setup ## time training and recording against plain loops
	$(BIN)/python -m benchmarks

clean: ## remove what the tools left; .venv and runs/ stay
	rm -rf build dist htmlcov .coverage .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that was left half-made has no working pip and is begun anew.
$(STAMP): pyproject.toml $(CONSTRAINTS)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	if [ -n "$(UV)" ]; then uv venv --clear --seed --python '>=3.11' $(VENV); \
	elif [ -n "$(PYTHON)" ]; then $(PYTHON) -m venv --clear $(VENV); \
	else echo 'vgrad needs Python 3.11 or newer, or uv: none was found.' >&2; exit 1; fi
	@{ [ -n "$(UV)" ] && $(WITH_UV) pip install --python $(BIN)/python -c $(CONSTRAINTS) -e '.[dev]'; } || \
	$(BIN)/python -m pip install -c $(CONSTRAINTS) -e '.[dev]'
	@$(BIN)/python -m compileall -q src # which Python is often told not to do by itself
	@touch $@
