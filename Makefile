# make demo   train on digits, compare, draw and export: a few minutes on two cores
# make test   lint, types and tests; make test-fast: part of them, in less than two minutes
# make docs   the site, in site/; make docs-serve: on http://127.0.0.1:8000
# make test-gpu   what only a GPU can show, and the benchmark on it
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c pass 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test types suite test-fast test-slow test-scale test-gpu test-install dist docs docs-serve \
	check-results format clean

demo: $(INSTALLED)
	$(BIN)/tfp-lcma demo

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory --jobs 2 types suite

types: $(INSTALLED)
	$(BIN)/mypy

# Three processes on two cores: some tests wait. In the order of names: files of one test, some of
# which take a minute, do not come last.
suite: $(INSTALLED)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not slow and not scale"

# What one changes all day: parts and how they fit together, without training and serving.
FAST := bijectors factorizations multi_scale networks priors
LONGER := bijectors/residual bijectors/test_contract_rejects.py bijectors/test_inversion.py \
	networks/test_lipschitz.py

test-fast: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not scale" $(FAST:%=tests/%) \
		$(LONGER:%=--ignore=tests/%) \
		-k "not (keeps_the_contract or repeated_steps) or round_trips or log_det"

# Paper-sized models: one real training step of each; and variants of what `make test` asks of one.
test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

# Several replicas and several processes against one, and processes killed ten times in every phase
# of a run: an hour or more, by estimate.
test-scale: $(INSTALLED)
	$(BIN)/python -m pytest -m scale

# On one GPU, within ten minutes: the contract, training under XLA, precision; then the benchmark,
# beside those other libraries that are installed.
GPU := $(VENV)/.gpu
GPU_DIR := runs/gpu
GPU_BENCHMARK := ours,ours-unrolled,ours-invert,ours-xla,ours-invert-xla,$(strip \
	)ours-bfloat16-xla,tfp,nflows,normflows,floor-tensorflow,floor-torch

test-gpu: $(GPU)
	@$(BIN)/python -c 'import sys, tensorflow as tf; \
		tf.config.list_physical_devices("GPU") or sys.exit("TensorFlow sees no GPU.")'
	$(BIN)/python -m pytest -n 8 tests/gpu
	$(BIN)/tfp-lcma benchmark --cases glow --implementations $(GPU_BENCHMARK) \
		--rounds 1 --run-dir $(GPU_DIR)

$(GPU): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt "tensorflow[and-cuda]"
	touch $@

# From the wheel, in an empty virtual environment: what a user does first. Downloads the packages.
test-install:
	tests/installed.sh $(PYTHON)

# What a package index gets, in dist/, built and checked, and lint of files for others' programs.
# Nothing is uploaded.
RELEASE := $(VENV)/.release
CONTAINERS := docs/how_to/tensorflow_serving

dist: $(RELEASE)
	$(BIN)/python tests/distribution.py
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/hadolint $(CONTAINERS)/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec $(CONTAINERS)/compose.yaml
	$(BIN)/kubernetes-validate --strict $(CONTAINERS)/kubernetes.yaml

$(RELEASE): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[release]"
	touch $@

# The site, in site/, strictly: a warning fails, an example or a tutorial that does not run, a link
# that leads nowhere, anything that would be loaded from elsewhere, a page that scrolls sideways.
DOCS := $(VENV)/.docs

docs: $(DOCS)
	$(BIN)/python -m pytest -q -m slow tests/site tests/testing/test_page.py \
		tests/test_code_blocks.py::test_splits_from_data_and_while_training
	rm -rf site build/docs/html docs/reference/generated
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env --jobs 2 \
		--doctree-dir build/docs/doctrees docs build/docs/html
	mv build/docs/html site
	$(BIN)/python docs/_checks/links.py site
	$(BIN)/python docs/_checks/browser.py site

docs-serve:
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8000

$(DOCS): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

# Tables of README and docs, computed again from the rows in docs/results; part of `make test`.
check-results: $(INSTALLED)
	$(BIN)/python -m pytest tests/test_results.py tests/test_measured.py

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
	rm -rf $(VENV) runs build dist site docs/reference/generated *.egg-info
