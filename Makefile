# Everything that one does with Telltale. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
stack = $(PYTHON) deploy/native/stack.py
venv = .venv/bin

# Docker is used where an engine and its compose plugin both answer; RUNTIME=native or RUNTIME=docker decides otherwise.
RUNTIME ?= $(shell docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 && echo docker || echo native)

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  RUNTIME=native|docker decides where 'up' runs; PORT_OFFSET=100 moves every port of a native stack."

.PHONY: up
up: ## install what is missing and start everything; safe to repeat
ifeq ($(RUNTIME),docker)
	@test -f .env || cp .env.example .env
	docker compose up --build --detach --wait
	@$(stack) --port-offset 0 addresses
else
	@$(stack) up $(if $(PORT_OFFSET),--port-offset $(PORT_OFFSET))
endif

.PHONY: down
down: ## stop everything; data and secrets stay
ifeq ($(RUNTIME),docker)
	docker compose down
endif
	@$(stack) down

.PHONY: status
status: ## a row per process: health, memory, port
ifeq ($(RUNTIME),docker)
	docker compose ps --all
else
	@$(stack) status
endif

.PHONY: logs
logs: ## follow all logs, or those of NAMES="writer query"
ifeq ($(RUNTIME),docker)
	docker compose logs --follow --tail 40 $(NAMES)
else
	@$(stack) logs $(NAMES)
endif

.PHONY: rebuild
rebuild: ## make rollups again from the records, for ARGS="--source press-3 --from 2026-11-01" or for all
ifeq ($(RUNTIME),docker)
	docker compose exec writer python -m telltale_writer.rebuild $(ARGS)
else
	@$(stack) rebuild -- $(ARGS)
endif

.PHONY: admin
admin: ## make EMAIL=… an administrator; the password of a new account is asked for
ifeq ($(RUNTIME),docker)
	docker compose exec auth python -m telltale_auth.create_admin $(EMAIL)
else
	@$(stack) admin $(EMAIL)
endif

.PHONY: backup
backup: ## write every database, as it is at one moment, into FILE=… or one named by the time
	@$(stack) --runtime $(RUNTIME) backup $(if $(FILE),"$(FILE)")

.PHONY: restore
restore: ## bring the backup FILE=… into this stack; REPLACE=yes: also where it holds data, which goes
	@$(stack) --runtime $(RUNTIME) $(if $(filter yes,$(REPLACE)),--replace) restore $(if $(FILE),"$(FILE)")

.PHONY: test
test: development lint check-installable audit ## lint, types, import rules and every test, against real servers of its own
	@$(venv)/python deploy/native/run_tests.py

.PHONY: lint
lint: development ## ruff, mypy (strict) and the import rules
	$(venv)/ruff check
	$(venv)/ruff format --check
	$(venv)/mypy
	$(venv)/lint-imports

.PHONY: format
format: development ## rewrite the code as ruff wants it
	$(venv)/ruff check --fix
	$(venv)/ruff format

.PHONY: check-installable
check-installable: development ## prove that each service can be installed and imported alone
	@$(venv)/python deploy/native/check_installable.py

.PHONY: audit
audit: development ## ask whether a pinned dependency has a known vulnerability, where the advisory service is reached
	@$(venv)/python deploy/native/audit_dependencies.py

.PHONY: bench-ingest
bench-ingest: development ## queue to committed beside LOAD DATA, and what of it the rollups cost
	$(venv)/python tests/benchmarks/ingest.py --upkeep $(ARGS)

.PHONY: bench-import
bench-import: development ## CSV import of ROWS=1000000 rows: rate, memory, and what it leaves to ingest
	$(venv)/python tests/benchmarks/imports.py --rows $(or $(ROWS),1000000) $(ARGUMENTS)

.PHONY: bench-export
bench-export: development ## Excel, CSV and Parquet of SIZES="100000 1000000 3000000" records, beside XlsxWriter alone
	$(venv)/python tests/benchmarks/exports.py --sizes $(or $(SIZES),100000 1000000 3000000) $(ARGUMENTS)

.PHONY: bench-detection
bench-detection: development ## what the detector finds, misses and costs; on NAB where ../shared has it
	$(venv)/python tests/benchmarks/detection.py

.PHONY: bench-analytics
bench-analytics: development ## analytics beside raw rows and DuckDB; RECORDS="10000000 100000000": and the growth
	$(venv)/python tests/benchmarks/analytics.py --records $(or $(RECORDS),10000000) $(ARGUMENTS)

.PHONY: bench-fanout
bench-fanout: development ## the gateway's fan-out to 1,000 sockets beside nginx nchan, raw send() and FastAPI
	$(venv)/python tests/benchmarks/fanout.py $(ARGUMENTS)

.PHONY: bench-identity
bench-identity: development ## tokens, sign-ins and revocations: rates, a flood, and how soon a lost right is lost
	$(venv)/python tests/benchmarks/identity.py

.PHONY: prove
prove: development ## break a stack of its own in every way there is, count what is lost or repeated: SCHEDULES=25, MINUTES=60 or SEEDS="7 8", RATE=2000, OUTAGE=10
	$(venv)/python -m tests.prove $(if $(SCHEDULES),--schedules $(SCHEDULES)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(OUTAGE),--outage $(OUTAGE)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(RATE),--rate $(RATE)) $(ARGUMENTS)

.PHONY: soak
soak: development ## ten times the default load for MINUTES=60: whether memory, descriptors or latency of any process grow
	$(venv)/python -m tests.prove.soak $(if $(MINUTES),--minutes $(MINUTES)) $(ARGUMENTS)

.PHONY: bench-live
bench-live: development ## the live page with 12 busy series for MINUTES=30: frame rate, heap, sockets, script runs
	$(venv)/python tests/benchmarks/live_page.py --minutes $(or $(MINUTES),30)

.PHONY: fuzz
fuzz: development ## every operation of every service as everyone, 100 calls each (EXAMPLES=…)
	TELLTALE_SCHEMA_EXAMPLES=$(or $(EXAMPLES),100) $(venv)/python -m pytest tests/test_schemas.py

.PHONY: bad-inputs
bad-inputs: development ## COUNT=100000 bad inputs over every endpoint: answers, memory, and what good requests notice
	TELLTALE_BAD_INPUTS=$(or $(COUNT),100000) $(venv)/python -m pytest -s tests/test_bad_inputs.py

.PHONY: constraints
constraints: ## resolve all dependencies into constraints.txt (UPGRADE=--upgrade: to the newest)
	@$(venv)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --no-header --no-annotate --no-emit-package telltale-shared --no-emit-package telltale-writer \
	  --group dev --group build --all-extras shared/pyproject.toml services/*/pyproject.toml ui/pyproject.toml \
	  --output-file constraints.txt

.PHONY: development
development:
	@$(stack) install --group dev
