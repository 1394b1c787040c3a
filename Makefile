# The two commands of the README, and what developers need besides.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint lock clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.demo
	$(BIN)/jointcloud demo --out demo

test: $(VENV)/.test
	sh tests/system_packages.sh
	sh tests/run_suite.sh $(BIN)

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Write constraints.txt from the ranges in pyproject.toml.
lock: $(VENV)/.test $(VENV)/.lint
	{ sed -n '/^#/p' constraints.txt; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | sort -f; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) demo dist build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "jointcloud needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@# torch comes first and by its exact name: a range would fetch the newest build
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) -e '.[test,view]'
	@touch $@

$(VENV)/.lint: $(VENV)/.demo
	$(PIP) -e '.[test,lint]'
	@touch $@
