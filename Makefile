# Everything here works on a fresh machine with Python 3.11 or later: each target prepares what it needs (scripts/bootstrap.sh).
# ARGS is handed on: make demo ARGS="--port 8081", make test ARGS="-k workspace".

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench bench-compare soak fuzz screenshots lock clean
PYTHON := .venv/bin/python
ARGS ?=
MINUTES ?= 10
BASE ?= HEAD

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

demo: ## run the whole product with a Pendo sandbox and a shop to click in
	@scripts/bootstrap.sh runtime
	@exec .venv/bin/sternpost demo $(ARGS)

test: ## run all tests, those with genuine clients and a browser too
	@scripts/bootstrap.sh clients
	@$(PYTHON) -m pytest -n auto $(ARGS)

check: ## lint, format and types, of the tests too, changing nothing
	@scripts/bootstrap.sh dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

format: ## put the code into shape
	@scripts/bootstrap.sh dev
	@$(PYTHON) -m ruff check --fix --exit-zero .
	@$(PYTHON) -m ruff format .

bench: ## measure throughput and latency on this machine
	@scripts/bootstrap.sh bench
	@$(PYTHON) bench/run.py $(ARGS)

bench-compare: ## measure another revision and this checkout in turn: make bench-compare BASE=HEAD~1
	@scripts/bootstrap.sh bench
	@$(PYTHON) bench/compare.py $(BASE) $(ARGS)

soak: ## look for lost events: new seeds for MINUTES (10), then kills, torn files, full disks and hostile clients
	@scripts/bootstrap.sh clients
	@$(PYTHON) -m tests.sim --minutes $(MINUTES) $(ARGS)
	@SIEGE=10 KILLS=$$((4 * $(MINUTES))) $(PYTHON) -m pytest -q tests/e2e/test_stopping.py tests/e2e/test_killed_clients.py tests/e2e/test_siege.py

fuzz: ## look for inputs that break a promise, for MINUTES (10); coverage-guided after `.venv/bin/pip install atheris`
	@scripts/bootstrap.sh dev
	@$(PYTHON) -m tests.fuzz --minutes $(MINUTES) $(ARGS)

screenshots: ## picture every page of the console, wide and narrow, light and dark; ARGS names pages
	@scripts/bootstrap.sh clients
	@$(PYTHON) -m tests.console.screens $(ARGS)

lock: ## write requirements/*.txt from pyproject.toml (ARGS=--upgrade for newer versions)
	@scripts/lock.sh $(ARGS)

clean: ## remove what the other targets made, not your data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist tests/clients/node_modules browser/node_modules
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
