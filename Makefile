# Everything starts here; `make` lists the targets. Needed: Python 3.13 with its venv module, make, git.

ARCHITECTURE ?= x86_64
UV_VERSION := 0.13.9
CHECKOV_VERSION := 3.3.30
ZIZMOR_VERSION := 1.32.0

export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.bootstrap/bin:$(PATH)
export UV_PYTHON_DOWNLOADS := never
export SAM_CLI_TELEMETRY := 0
export ARCHITECTURE
unexport VIRTUAL_ENV
# Where a machine forbids bytecode, each start of a tool compiles all that it imports: half of a test's time.
unexport PYTHONDONTWRITEBYTECODE

CHECKOV := .silvaengine/checkov-$(CHECKOV_VERSION)/bin/checkov

# Several targets at a time, and what each prints in one piece, where make can do that (macOS's cannot).
JOBS ?= 2
side_by_side = +@$(MAKE) --no-print-directory -j $(JOBS) $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# A python3.13 on the PATH may be a version manager's stand-in that refuses to run, so each one is tried.
find_python = for python in python3.13 python3 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do \
	if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; \
	then echo "$$python"; exit; fi; done; \
	echo "Python 3.13 with venv and pip is needed: no python3.13, python3 or pyenv version is one that works" >&2; exit 1

.PHONY: help setup engine peers bench bench-quick valgrind chromium dev
.PHONY: check quick t test coverage security simulation rules upgrade browser e2e pictures readme test-sam-local nightly ci
.PHONY: lint style types imports preflight template evidence locked map wheel audit sbom format build lock clean

help: ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/make \1	\2/' | expand -t 24

setup: .venv/.synced ## Make the virtual environment from the lock

.bootstrap/bin/uv:
	@python=$$($(find_python)) && "$$python" -m venv --clear .bootstrap
	@.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.synced: pyproject.toml uv.lock | .bootstrap/bin/uv
	@uv sync --quiet --frozen --python .bootstrap/bin/python
	@touch $@

engine: .silvaengine/engine/.synced ## Install the local engine into an environment of its own

.silvaengine/engine/.synced: .venv/.synced
	@UV_PROJECT_ENVIRONMENT=.silvaengine/engine uv sync --quiet --frozen --only-group engine --python .bootstrap/bin/python
	@touch $@

peers: .silvaengine/peers/.synced ## Install what the benchmarks compare with

.silvaengine/peers/.synced: .venv/.synced
	@UV_PROJECT_ENVIRONMENT=.silvaengine/peers uv sync --quiet --frozen --compile-bytecode --only-group peers --python .bootstrap/bin/python
	@touch $@

bench: setup peers engine valgrind ## Measure everything again and write benchmarks/RESULTS.md
	@python -m benchmarks

bench-quick: setup peers engine valgrind ## Show that the benchmarks run; nothing is written
	@python -m benchmarks --quick

valgrind: # counts instructions
	@command -v valgrind >/dev/null || (apt-get update -qq && apt-get install -qq -y valgrind) >/dev/null || { echo "valgrind is needed" >&2; exit 1; }

chromium: # runs the browser's tests
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		(apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium-headless-shell) >/dev/null || \
		{ echo "Chromium is needed" >&2; exit 1; }

dev: setup ## Run everything here, and follow changes
	@silvaengine dev

evidence: setup ## Make the table of docs/evidence.md from the newest run of `silvaengine prove`
	@python -m silvaengine_cli.prove.evidence

check: setup ## Check style, types, imports and the quick tests, in less than a minute
	$(side_by_side) quick types imports style

quick: setup # the unit tests that start no process
	@pytest -q -m "not slow and not nightly" tests/unit

t: setup ## Run the quick tests whose names match: make t K=expression
	@pytest -q -m "not slow and not nightly" -k "$(K)" tests/unit

# The longest first.
TESTS := e2e coverage upgrade readme rules simulation browser

test: setup engine chromium ## Run all tests, but for Docker's and what only make nightly does
	$(side_by_side) $(TESTS)

# Measured from the interpreter's first line: this project's own pytest plugin is loaded before any other.
coverage: setup engine ## Run the unit, contract and security tests with coverage
	@coverage erase
	@coverage run $(BRANCHES) -m pytest -n 2 --dist worksteal tests/unit tests/contract tests/security packages
	@coverage combine --quiet
	@coverage json --quiet
	@python tests/coverage_floor.py

security: setup ## Test the rows of the threat model, which make coverage does, too
	@pytest tests/security

simulation: setup ## Put faults at every boundary of ledger and queues, under a virtual clock
	@pytest -n 2 --dist worksteal tests/simulation tests/test_cache_performance.py

rules: setup ## Test the template, the artefacts and this file
	@pytest tests/rules

upgrade: setup engine ## Test this version beside the last release
	@pytest tests/upgrade

browser: setup chromium ## Test the browser's client in Chromium
	@pytest tests/browser

# Two stacks, for most tests wait for one. tests/e2e/order.py says which files come first.
E2E := pytest -n 2 --dist loadfile --no-loadscope-reorder tests/e2e

e2e: setup engine ## Test deployed stacks on the local engine
	@$(E2E)

pictures: setup engine chromium ## Make the console's pictures of the documentation
	@pytest -m nightly tests/e2e/test_console.py -k pictures

readme: setup ## Follow the README as a newcomer would
	@pytest tests/readme

test-sam-local: setup engine ## Test the HTTP gateway in Docker (Debian, root)
	@tests/sam_local/run.sh

# Tests of a whole stack that pass with an engine as strict as AWS, too.
DOUBLED := announcements answers events jobs operation preflight prove tenant websocket ws_commands

nightly: setup ## Do what is long and rare: no limit of time
	@HYPOTHESIS_PROFILE=nightly pytest --timeout 0 tests/unit tests/security tests/browser
	@pytest -m nightly
	@COVERAGE_CORE=ctrace $(MAKE) coverage BRANCHES=--branch
	@$(E2E) --shuffle "$$(date +%s)"
	@$(E2E) --api-kind http
	@pytest --double $(addprefix tests/e2e/test_,$(addsuffix .py,$(DOUBLED)))
	@python -m tests.simulation.run --calls 1000000
	@$(MAKE) bench

ci: setup engine chromium ## Do all that a change must pass (Debian, root)
	$(side_by_side) e2e coverage test-sam-local lint $(filter-out e2e coverage,$(TESTS)) wheel

lint: style types imports template locked ## Check style, types, imports, the template and the lock

style: setup
	@ruff check .
	@ruff format --check .

types: setup
	@mypy

imports: setup
	@lint-imports --no-logo

preflight: setup ## Check on paper what AWS would refuse of the template, for a table of parameter sets
	@silvaengine preflight

template: setup
	@cfn-lint template.yaml
	@AWS_DEFAULT_REGION=us-east-1 sam validate --lint

locked: setup # that make lock would change nothing
	@uv lock --check --quiet
	@$(export_requirements) | diff shared/requirements.txt - || { echo "shared/requirements.txt is not what uv.lock says: run make lock" >&2; exit 1; }
	@$(export_authorizers) | diff authorizers/jwt-requirements.txt - || { echo "authorizers/jwt-requirements.txt is not what uv.lock says: run make lock" >&2; exit 1; }

map: setup ## Print the code's packages and subpackages, and which of them each imports
	@python packaging/subpackages.py

wheel: setup ## Install the wheel into an empty environment and import from it
	@rm -rf dist/wheel
	@uv build --quiet --wheel --out-dir dist/wheel --python .bootstrap/bin/python
	@uv venv --quiet --python .bootstrap/bin/python dist/wheel/venv
	@uv pip install --quiet --python dist/wheel/venv/bin/python dist/wheel/*.whl
	@cd dist/wheel && venv/bin/python -I -c "from silvaengine_base import Resources; print('the wheel has', Resources)"

audit: setup $(CHECKOV) ## Check what ships, the code and the template for known weaknesses (needs the network)
	@bandit --quiet --recursive --configfile pyproject.toml -ll services shared cli packaging
	@python packaging/audit.py $(CHECKOV)
	@rm -rf dist/application && mkdir -p dist && cd dist && silvaengine new application >/dev/null
	@uvx --quiet --python .bootstrap/bin/python zizmor@$(ZIZMOR_VERSION) --quiet --offline --strict-collection .github dist/application

# Not in uv.lock: it asks for one boto3, older than ours.
$(CHECKOV): .venv/.synced
	@uv venv --quiet --clear --python .bootstrap/bin/python $(@D)/..
	@uv pip install --quiet --python $(@D)/python checkov==$(CHECKOV_VERSION)

sbom: setup ## Write the bill of materials of what ships to dist/sbom.json (CycloneDX)
	@mkdir -p dist
	@uv export --quiet --frozen --no-dev --no-emit-project --extra redis --extra yaml --prune boto3 --prune botocore \
		--format cyclonedx1.5 --preview-features sbom-export --output-file dist/sbom.json >/dev/null

format: setup ## Bring the code into the style
	@ruff check --fix .
	@ruff format .

build: setup ## Make the artefacts (ARCHITECTURE=arm64 for that processor)
	@sam build --cached --parallel

# What Lambda's runtime has (boto3, botocore and what these need) stays out of the layer.
export_requirements = uv export --quiet --frozen --no-dev --no-emit-project --no-header --no-annotate \
	--extra redis --extra yaml --prune boto3 --prune botocore

# What the built-in authorizer of tokens needs; the operator's own requirements stand in authorizers/requirements.txt.
export_authorizers = uv export --quiet --frozen --only-group authorizers --no-emit-project --no-header --no-annotate

lock: .bootstrap/bin/uv ## Bring uv.lock and the layer's requirements up to pyproject.toml
	@uv lock --python .bootstrap/bin/python
	@$(export_requirements) > shared/requirements.txt
	@$(export_authorizers) > authorizers/jwt-requirements.txt

clean: ## Remove everything that these targets made
	@rm -rf .venv .bootstrap .aws-sam .silvaengine dist coverage.json .coverage .coverage.* .*_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
