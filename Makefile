# Two commands do everything on a machine with Python 3.11+ and make: `make demo`, `make test`.
PYTHON ?= python3.11
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: demo test lint bench clean dev

# The core install: no torch, no transformers.
$(VENV)/.core: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

# Everything the tests need; torch comes from constraints.txt.
$(VENV)/.dev: $(VENV)/.core constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

dev: $(VENV)/.dev

demo: $(VENV)/.core
	-$(BIN)/glmlint check examples/train.jsonl
	@echo
	@echo "That was: glmlint check examples/train.jsonl"
	@echo "One sample as the trainer sees it: $(BIN)/glmlint show examples/train.jsonl:1"

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python bench/check.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
