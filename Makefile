# Two commands do everything on a machine with Python 3.11+ and make: `make demo`, `make test`.
PYTHON ?= python3.11
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: demo demo-score test fuzz lint bench docs site clean dev

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
	@$(BIN)/glmlint check examples/train.jsonl || true  # it has findings: that is what it shows
	@echo
	@echo "That was: glmlint check examples/train.jsonl"
	@echo "One sample as the trainer sees it: $(BIN)/glmlint show examples/train.jsonl:1"

# A tiny random model with the real vocabulary, and the example scored with it; needs torch.
build/tiny-glm4/model.safetensors: examples/make_tiny_model.py | $(VENV)/.dev
	$(BIN)/python examples/make_tiny_model.py build/tiny-glm4

demo-score: build/tiny-glm4/model.safetensors
	$(BIN)/glmlint score examples/train.jsonl --model build/tiny-glm4 --device cpu --fail-on never

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m compileall -q glmlint tests  # many tests start a process
	$(BIN)/python -m pytest -n auto

# The property tests with new random examples, again and again; stops at the first that fails.
ROUNDS ?= 10
fuzz: $(VENV)/.dev
	for round in $$(seq $(ROUNDS)); do \
	  HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n auto -m hypothesis || exit 1; \
	done

lint: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

# The generated pages and tables, and the pictures of the README, from the code as it is.
docs: $(VENV)/.dev
	$(BIN)/python docs/make_rules.py
	$(BIN)/python docs/make_recipes.py
	$(BIN)/python docs/make_settings.py
	$(BIN)/python docs/make_formats.py
	$(BIN)/python docs/make_commands.py
	$(BIN)/python docs/make_tutorial.py
	$(BIN)/python docs/make_screenshots.py

# The documentation as a site that opens without a network: build/site/index.html.
site: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.dev
	$(BIN)/python bench/check.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
