# make demo    watch a real training, from a fresh clone with nothing but Python
# make test    set up and run the test suite
# make proofs  the slow tests: whole programs through `dlmon check`, synthetic data for every kind of model
# make check   what CI runs: ruff, mypy --strict, import rules, test and proofs
# make setup   only the environment in .venv
#
# Variables: PYTHON=python3.12 (default: python3, or another from 3.10 on the PATH), ARGS="-k name" (for pytest).

.DEFAULT_GOAL := help
.PHONY: help setup demo test proofs check lint typecheck imports benchmarks clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# torch for Linux on PyPI brings gigabytes of CUDA with it. Without an NVIDIA driver the CPU build does the same.
# Retries are few because the build on PyPI does, too, where that index cannot be reached.
ifeq ($(shell uname -s),Linux)
ifeq ($(shell command -v nvidia-smi),)
TORCH_INDEX ?= --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu
endif
endif

help:
	@sed -n '/^# make/s/^# //p' $(firstword $(MAKEFILE_LIST))

$(BIN)/python:
	@python="$(PYTHON)"; \
	for candidate in $${python:-python3 python3.13 python3.12 python3.11 python3.10 python}; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python 3.10 or newer found ($${python:-python3} on the PATH); install one, or say make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "setting up $(VENV) with $$($$found --version)"; \
	"$$found" -m venv --clear $(VENV) || { echo "make: $$found cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# Stamps: a second `make` installs nothing unless the dependencies changed.
$(VENV)/.torch: constraints.txt | $(BIN)/python
	@echo "installing torch (once, some minutes on a slow line)"
	@$(PIP) install --no-deps $(TORCH_INDEX) -c constraints.txt torch
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "installing dlmon"
	@$(PIP) install -c constraints.txt -e '.[torch]' numpy
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "installing dlmon with what the tests need"
	@$(PIP) install -c constraints.txt -e '.[dev,frameworks]'
	@touch $@

setup: $(VENV)/.dev

demo: $(VENV)/.demo
	@$(BIN)/dlmon sample_tasks/stripes_cnn.py || [ $$? = 130 ]  # 130: stopped from the screen
	@echo "dlmon is in $(BIN): say . $(BIN)/activate, and type dlmon"

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

proofs: $(VENV)/.dev
	@$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

typecheck: $(VENV)/.dev
	@$(BIN)/mypy

imports: $(VENV)/.dev
	@$(BIN)/lint-imports

check: lint typecheck imports test proofs

benchmarks: $(VENV)/.dev
	@$(BIN)/python benchmarks/overhead.py
	@$(BIN)/python benchmarks/screen.py
	@$(BIN)/python benchmarks/rehearsal.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
