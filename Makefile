# Two doors for a newcomer: `make demo` and `make test`. Both make the environment first, from the pins in constraints.txt.
# `make check` is the quick look for whoever changes something: format, lint, types, and tests that need nothing outside.
PYTHON ?= python3
BIN := .venv/bin
QUICK := not slow and not outside
# Two workers, a file of tests at a time, the longest first (tests/conftest.py).
TWO := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo check test coverage lint format sbom hashes clean

demo: .venv/ready
	$(BIN)/leadsieve demo

check: lint
	$(BIN)/python -m pytest -q $(TWO) -m "$(QUICK)"

test: lint
	$(BIN)/python -m pytest $(TWO)

# Branches of the code that the quick tests of `make check` go through; to watch costs as much time again.
coverage: .venv/ready
	$(BIN)/python -m pytest -q $(TWO) -m "$(QUICK)" --cov

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sbom: .venv/ready
	$(BIN)/python -m pipelines.sbom > sbom.json

clean:
	rm -rf .venv .leadsieve

# What every file of the packages of `make demo` and `make test` must be, for each system and Python; to be run after a
# change of the pins.
hashes: .venv/ready
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	.venv/uv/bin/uv pip compile --quiet pyproject.toml --extra test --constraint constraints.txt --output-file hashes.txt \
	    --universal --generate-hashes --no-strip-extras --no-annotate --no-header

.venv/ready: pyproject.toml constraints.txt hashes.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "leadsieve needs Python 3.11 or newer; name one with: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement hashes.txt --constraint constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --no-build-isolation --editable .
	touch $@
