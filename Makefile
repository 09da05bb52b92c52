.DEFAULT_GOAL := help
.PHONY: help setup quickstart test lint format serve up down status dashboard lock clean

PYTHON_BIN := .venv/bin/python
RUFF := .venv/bin/ruff
PACKAGES := llm_engineering pipelines steps tools tests benchmarks

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Create .venv and install all that is missing (nothing to do: takes no time)
	@scripts/setup.sh

quickstart: export CRAWL_ALLOWED_PATHS ?= .
quickstart: setup ## From a fresh clone to a twin that explains this project
	$(PYTHON_BIN) -m tools.local_stack up
	$(PYTHON_BIN) -m tools.run --run-end-to-end-data
	$(PYTHON_BIN) -m tools.rag --answer --query "How are documents chunked?" --query "What happens when a link cannot be crawled?"
	@printf '\nYour own links:  cp configs/digital_data_etl.yaml configs/mine.yaml, edit it, set CRAWL_ALLOWED_PATHS in .env to the folders it names, then: .venv/bin/python -m tools.run --run-etl --run-feature-engineering --etl-config-filename mine.yaml\n'
	@printf 'Your own models: cp .env.example .env, set OPENAI_API_KEY, or OPENAI_BASE_URL of any compatible server, and OPENAI_MODEL_ID\n'
	@printf 'Serve it:        make serve, then: curl -s localhost:8000/rag -H "content-type: application/json" -d '\''{"query": "How are documents chunked?"}'\''\n'

test: setup ## Set up and run all the tests
	$(PYTHON_BIN) -m pytest

lint: setup ## Check style, types, layers, and the files of Docker, CI and the shell
	$(RUFF) check .
	$(RUFF) format --check .
	$(PYTHON_BIN) -m mypy $(PACKAGES)
	.venv/bin/lint-imports
	.venv/bin/hadolint Dockerfile
	.venv/bin/shellcheck scripts/*.sh .ci/run
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv/bin/zizmor --offline --quiet .github/workflows
	$(PYTHON_BIN) -m tools.env_example --check

format: setup ## Format the code and mend what can be mended
	$(RUFF) check --fix .
	$(RUFF) format .

serve: setup ## Serve POST /rag on http://127.0.0.1:8000
	$(PYTHON_BIN) -m tools.ml_service

up: setup ## Start the embedded stack
	$(PYTHON_BIN) -m tools.local_stack up

down: setup ## Stop the embedded stack; the data stays
	$(PYTHON_BIN) -m tools.local_stack down

status: setup ## Show the embedded stack
	$(PYTHON_BIN) -m tools.local_stack status

dashboard: setup ## Open the local ZenML dashboard
	$(PYTHON_BIN) -m tools.dashboard

lock: ## Resolve requirements.lock anew from pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --all-extras --universal --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

clean: ## Stop the embedded stack and delete .venv, .local and caches
	@if [ -x $(PYTHON_BIN) ]; then $(PYTHON_BIN) -m tools.local_stack down; fi
	@if [ -d .local/zenml/zen_server ]; then $(PYTHON_BIN) -m tools.dashboard --stop; fi
	rm -rf .venv .local .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
