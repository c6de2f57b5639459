# What a developer types. `make demo` and `make test` need nothing but Python 3.11 and these package registries.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test exhaustive fast lint bench images clean help

help:
	@echo "make demo    a real rehearsal on an embedded PostgreSQL; ends with the path of its report"
	@echo "make test    the tests, servers included"
	@echo "make exhaustive   … and those that do the same once more on another server or by another way"
	@echo "make fast    the tests that need no server, under a minute"
	@echo "make lint    ruff, mypy --strict, import-linter"
	@echo "make bench   what watching costs, what the driver can, how fast rows load, how near copies come"
	@echo "make images  the pictures of the example report, by headless Chromium"

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: $(STAMP)
	$(BIN)/rehearse run scenarios/add_column_volatile_default/bad.toml || test $$? -eq 1

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadscope

exhaustive: $(STAMP)
	REHEARSE_EXHAUSTIVE=1 $(BIN)/python -m pytest -n 2 --dist loadscope

fast: $(STAMP)
	$(BIN)/python -m pytest -m "not slow" -n auto

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m tests.bench

images: $(STAMP)
	$(BIN)/python -m tests.reports.screenshots

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
