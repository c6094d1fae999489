PY = .venv/bin/python
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

up: ## start hub, runner, JupyterLab and dashboards (the same as ./ck up)
	./ck up

lint: ## ruff, formatting, who may import whom
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports

types: ## mypy, strict
	$(PY) -m mypy

test: ## all tests (the same as ./ck test)
	./ck test

check: lint types test ## everything that must pass before a commit

lock: ## export requirements.lock from pyproject.toml (needs network)
	.venv/bin/uv pip compile -q pyproject.toml --extra all --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate -o requirements.lock

.PHONY: help up lint types test check lock
