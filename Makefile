# make demo   train on digits, compare, draw and export: a few minutes on two cores
# make test   lint, types and tests; make test-fast: part of them, in less than two minutes
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c pass 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test types suite test-fast test-slow test-install check-results format clean

demo: $(INSTALLED)
	$(BIN)/tfp-lcma demo

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory --jobs 2 types suite

types: $(INSTALLED)
	$(BIN)/mypy

suite: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

# What one changes all day: parts and how they fit together, without training and serving.
FAST := bijectors factorizations multi_scale networks priors
LONGER := bijectors/residual bijectors/test_contract_rejects.py bijectors/test_inversion.py \
	networks/test_lipschitz.py

test-fast: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(FAST:%=tests/%) \
		$(LONGER:%=--ignore=tests/%) \
		-k "not (keeps_the_contract or repeated_steps) or round_trips or log_det"

# Paper-sized models: one real training step of each.
test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

# From the wheel, in an empty virtual environment: what a user does first. Downloads the packages.
test-install:
	tests/installed.sh $(PYTHON)

# What docs/results says of several studies, computed again from their rows.
check-results: $(INSTALLED)
	$(BIN)/python -m pytest tests/test_results.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The tested versions, and the checkout itself, editable.
$(INSTALLED): setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev]"
	-$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib # on all processors, which pip does on one
	touch $@

clean:
	rm -rf $(VENV) runs build *.egg-info
