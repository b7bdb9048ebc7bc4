# One command runs it, one command tests it. `make` alone lists them.
#
# Needs Python >= 3.11, make, and on the first run a network. Everything lands in .venv.

VENV := .venv
PY   := $(VENV)/bin/python
PIP  := $(PY) -m pip --disable-pip-version-check
HASHED := install --quiet --require-hashes
OLD_CLIENT := $(VENV)/promptrails-0.8.0

# Written last, so that an interrupted install is begun again.
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
READY := $(if $(wildcard $(DEV_STAMP)),$(DEV_STAMP),$(RUN_STAMP))

# The first Python that is new enough; `make PYTHON=/path/to/python3.13 ...` chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && exit; done; echo python3)

# How many processes share the tests; WORKERS=0 runs them in one, as a debugger needs it.
WORKERS := 2
PYTEST = -m pytest --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

UV := uv==0.13.9
LOCK = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo install fix check test e2e bench golden docs wheel lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## run the server with a sample agent, nothing to configure
	@$(VENV)/bin/execution-ledger demo $(ARGS)

install: $(DEV_STAMP) ## make .venv with the project and every development tool

fix: $(DEV_STAMP) ## repair format and lint where a tool can
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

check: $(DEV_STAMP) ## everything CI asks of the source: format, lint, types, imports, tests, coverage
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/codespell
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m coverage erase
	$(PY) -m coverage run $(PYTEST)
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

test: $(DEV_STAMP) ## the whole test suite; ARGS="tests/unit -x" narrows it
	$(PY) $(PYTEST)

e2e: $(DEV_STAMP) ## only the tests that start the installed server and talk to it
	$(PY) $(PYTEST) tests/e2e

bench: $(DEV_STAMP) ## measure throughput and latency as ratios to a floor; DATABASE=postgres
	DATABASE=$(DATABASE) $(PY) -m tests.bench $(ARGS)

golden: $(DEV_STAMP) ## write the golden files that do not exist yet
	$(PY) -m tests.golden $(ARGS)

docs: $(DEV_STAMP) ## write the parts of the documentation that are made of the code
	$(PY) -m scripts.docs

wheel: $(DEV_STAMP) ## build the wheel and try it in a clean environment
	$(PY) scripts/wheel_check.py

lock: $(PY) ## write locks/ from pyproject.toml; ARGS=--upgrade takes newer versions
	@$(PIP) install --quiet $(UV)
	$(LOCK) pyproject.toml --extra llm --extra postgres --group dev --output-file locks/dev.txt
	$(LOCK) pyproject.toml --constraint locks/dev.txt --output-file locks/run.txt
	$(LOCK) --group build --constraint locks/dev.txt --output-file locks/build.txt
	$(LOCK) --no-deps locks/promptrails-old.in --output-file locks/promptrails-old.txt

clean: ## remove what these targets made: .venv, caches, dist
	rm -rf $(VENV) dist build htmlcov .coverage .coverage.* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo "execution-ledger needs Python 3.11 or newer; '$(PYTHON)' is" \
			"$$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; }

$(RUN_STAMP): $(PY) pyproject.toml locks/run.txt locks/build.txt
	@echo "Installing what the server needs (locks/run.txt, half a minute)"
	@$(PIP) $(HASHED) -r locks/run.txt -r locks/build.txt
	@$(PIP) install --quiet --no-build-isolation --no-deps -e .
	@touch $@

$(DEV_STAMP): $(PY) pyproject.toml locks/dev.txt locks/promptrails-old.txt
	@echo "Installing the project and its development tools (locks/dev.txt, a minute)"
	@$(PIP) $(HASHED) -r locks/dev.txt
	@$(PIP) install --quiet --no-build-isolation --no-deps -e .
	@echo "Installing the oldest supported client beside them ($(OLD_CLIENT))"
	@rm -rf $(OLD_CLIENT)
	@$(PIP) $(HASHED) --no-deps --target $(OLD_CLIENT) -r locks/promptrails-old.txt
	@touch $@
