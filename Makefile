# Logkeep: `make run` to use it, `make test` to work on it, `make help` for the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PIP_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: help
help: ## this list
	@bold=; plain=; if [ -t 1 ]; then bold=$$'\e[1;36m'; plain=$$'\e[0m'; fi; \
	awk -F ':.*## ' -v bold="$$bold" -v plain="$$plain" \
		'/^[a-z-]+:.*## / { printf "  %smake %-13s%s %s\n", bold, $$1, plain, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: setup ## install what is missing, then start Logkeep on loopback with ./data (ARGS="--api …" adds flags)
	@exec $(BIN)/logkeep serve $(ARGS)

.PHONY: setup
setup: .venv/installed-run viewer ## install the locked dependencies and the package into .venv

.PHONY: test
test: ## install everything the tests need, then check and run all tests
	@$(MAKE) --jobs=2 --output-sync setup-dev
	@scripts/install_servers.sh
	@$(MAKE) check
	@scripts/run_tests.sh

.PHONY: check
check: setup-dev ## lint, format, types and import rules, of the viewer too
	@$(MAKE) --jobs=2 --output-sync check-python check-viewer

.PHONY: check-python check-viewer
check-python:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
check-viewer:
	@scripts/check_viewer.sh

.PHONY: fix
fix: setup-dev ## mend what lint and format can mend by themselves
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: demo
demo: setup ## start Logkeep, feed it real (or generated) logs, print links worth opening
	@exec $(BIN)/logkeep demo $(ARGS)

.PHONY: bench
bench: setup-dev ## measure speed, disk and memory on this machine; results in bench/results
	@$(BIN)/python -m bench

.PHONY: docs
docs: setup-dev ## write the generated pages of docs/reference again
	@$(BIN)/python scripts/generate_reference.py

.PHONY: screenshots
screenshots: setup-dev ## pictures of every page of the viewer into docs/images
	@$(BIN)/python scripts/screenshots.py

.PHONY: viewer-types
viewer-types: setup-dev ## write the viewer's types again from the API's description
	@$(BIN)/python scripts/generate_viewer_types.py

.PHONY: wheel
wheel: setup-dev ## build the wheel into dist/
	@rm -rf dist && $(BIN)/python -m hatchling build -t wheel

.PHONY: lock
lock: setup-dev ## choose versions again and write both lock files
	@PATH="$(PWD)/$(BIN):$$PATH"; $(PIP_COMPILE) --upgrade --group build pyproject.toml -o requirements.lock; \
	$(PIP_COMPILE) --upgrade -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock

.PHONY: clean
clean: ## remove everything that was built or installed here; data/ stays
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache viewer/node_modules

# A stamp is newer than the locks it was installed from, so a second run is instant and a changed lock installs again.
.PHONY: setup-dev
setup-dev: .venv/installed-dev viewer

.venv/installed-run: requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh requirements.lock

.venv/installed-dev: requirements-dev.lock requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh requirements-dev.lock

.PHONY: viewer
viewer: ## build the viewer where there is Node to build it with
	@scripts/build_viewer.sh
