# Everything works on a fresh clone with only Python (3.11 or newer), git and make.
# Name another Python with `make PYTHON=/path/to/python3.13 ...`.

PYTHON ?= python3
PYTEST_ARGS ?=
PYTEST := .venv/bin/python -m pytest -n 2

export PYTHON
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV

# A home that is missing or not ours to write must not stop uv from caching what it downloads.
ifneq ($(shell test -n "$$HOME" && test -w "$$HOME" && echo yes),yes)
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv-cache
endif

# Where the machine keeps certificates, trust those, as git does: there may be a proxy with its own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= true
endif

# A machine without Node gets one for the web page, from where the other packages come.
NODE := $(if $(shell command -v node),,--group page)

# $(call sync,OPTIONS): make .venv hold what the lock says, with the machine's own Python; the page is built by ui-build.
sync = uv=$$(.ci/bootstrap) && HATCH_BUILD_NO_HOOKS=true "$$uv" sync --quiet --locked --inexact \
	--python "$(PYTHON)" $(1) $(NODE)

.PHONY: help demo test test-slow test-served test-served-sqlite test-served-postgresql lint lint-style lint-types \
	lint-rooms lint-page format ui ui-build screenshots bench clean sync sync-demo
.DEFAULT_GOAL := help

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: sync-demo  ## run the nightly orders pipeline: it fails at step 17 and is picked up there
	@.venv/bin/python examples/nightly_orders/demo.py

test: sync  ## run the tests that are quick enough for every change
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: sync  ## run the other tests: kills, chaos, fresh installs
	$(PYTEST) -m slow $(PYTEST_ARGS)

# The engine must not be able to tell what its backend is.
SERVED := tests/behaviour tests/engine tests/guarantees tests/caching tests/transactions tests/artifacts \
	tests/variables tests/runtime tests/logging tests/flows tests/test_context.py tests/test_triggers.py

test-served: test-served-sqlite test-served-postgresql  ## run the engine's tests with a server that records, on SQLite and on PostgreSQL

test-served-sqlite test-served-postgresql: test-served-%: sync
	TEST_RECORDS=server-$* $(PYTEST) -m "not slow and not embedded" $(SERVED) $(PYTEST_ARGS)

lint: lint-style lint-types lint-rooms lint-page  ## check style, formatting, types and who imports whom

lint-style: sync
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

lint-types: sync
	.venv/bin/basedpyright

lint-rooms: sync
	PYTHONPATH=.ci .venv/bin/lint-imports --no-cache

# The types of the API come from this very code. Where npm's registry is not reached, there is nothing to check with.
lint-page: sync
	@.venv/bin/python ui/api_types.py
	@.venv/bin/python ui/check.py

ui-build: sync  ## build the web page into the package, for a server of this clone
	.venv/bin/python ui/build.py

ui: sync  ## serve the web page with hot reload, against a server on port 4200 (or DALSEGNO_UI_SERVER)
	.venv/bin/python ui/api_types.py
	.venv/bin/python ui/develop.py

screenshots: ui-build  ## take pictures of all pages, of real runs, into build/screenshots
	.venv/bin/python ui/screenshots.py

format: sync  ## rewrite the sources in the house's format
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: sync  ## measure against the budgets and against peers; needs a quiet machine
	.venv/bin/python bench/run.py

clean:  ## remove everything that make and the tools made
	rm -rf src/dalsegno/server/static ui/node_modules ui/dist ui/.building ui/src/api/schema.d.ts
	rm -rf .venv .cache bench/.cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

sync:  ## make .venv hold all that development needs
	@$(call sync,)

sync-demo:
	@$(call sync,--no-default-groups --group demo)
