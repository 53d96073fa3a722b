# The commands of a checkout. `make help` lists them.

PYTHON ?= python3
BIN := .venv/bin

# The stages of dvc.yaml say `python`: they mean this one.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test check docs bench lock clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(BIN)/.installed  ## photos → patches → training → scores → registered model; does nothing the second time
	@python -m stages.check
	dvc repro
	@python -m stages.summary

test: $(BIN)/.installed  ## lint, types, import rules and the tests
	ruff check
	ruff format --check
	mypy
	lint-imports
	pytest --numprocesses 2 --dist loadfile

check: $(BIN)/.installed  ## lint, types, import rules and the quick tests: no engines
	ruff check
	ruff format --check
	mypy
	pytest --numprocesses 2 --dist loadfile -m "not engine"

docs: $(BIN)/.installed  ## the documentation, in site/index.html; broken links are errors
	python -m stages.reference
	zensical build --strict

bench: $(BIN)/.installed  ## speed of patchify, stream, step and enhance, each as a ratio to its ceiling
	python -m stages.bench

lock: .venv/uv/bin/uv  ## resolve requirements.lock again, for every platform
	UV_CUSTOM_COMPILE_COMMAND="make lock" $< pip compile --quiet --universal --python-version 3.11 \
		--extra dev --generate-hashes --upgrade pyproject.toml -o requirements.lock

clean:  ## remove the virtual environment and caches; photos, models and the registry stay
	rm -rf .venv site .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find wespe pipeline stages tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so an interrupted install starts again.
$(BIN)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"make: $(PYTHON) is missing or older than Python 3.11; name a newer one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# uv resolves for all platforms at once, which pip cannot; it stays out of the project's environment.
.venv/uv/bin/uv:
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
