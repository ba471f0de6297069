PYTHON ?= python3
WORKDIR ?= runs/quickstart
BIN := .venv/bin
MINOR := $(shell $(PYTHON) -c 'import sys; print(sys.version_info[1])')
# Newer Pythons take the newest lock.
LOCK := $(firstword $(wildcard requirements/python3.$(MINOR).txt) \
  requirements/python3.13.txt)

.PHONY: quickstart test test-slow lint format bench lock clean

quickstart: .venv/ready
	$(BIN)/python -m experiments.recondreamer_rl --preset=quickstart \
	  --workdir=$(WORKDIR)

test: .venv/ready
	$(BIN)/python -m pytest -q -n 2 --dist=loadfile

test-slow: .venv/ready
	$(BIN)/python -m pytest -q -n 2 --dist=loadfile --optimised -m slow

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture rdrl experiments data_pipelines tests/unused.py

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/ready
	$(BIN)/python -m experiments.bench
	$(BIN)/python -m experiments.bench.fitting

.venv/ready: $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "rdrl needs Python 3.11 or newer, not %d.%d" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r $(LOCK)
	touch $@

# Resolves requirements/direct.txt anew and pins what was found.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet -r requirements/direct.txt
	(echo "# Exact versions for Python 3.$(MINOR); 'make lock' writes this file anew."; \
	  .venv-lock/bin/pip freeze --all --exclude pip) \
	  > requirements/python3.$(MINOR).txt
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock .cache .pytest_cache .ruff_cache
