# The doors for people who work on shub or try it out. `make help` lists the targets: a target is in
# the list by its `##` comment.

# The Python that makes the environment; afterwards the environment's own is used.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ── the environment ──

SERVE_REQUIREMENTS := requirements.txt requirements-quickstart.txt
# python-ldap is compiled: where its headers are not, the tests of it are left out.
LDAP_REQUIREMENTS := $(if $(wildcard /usr/include/ldap.h),requirements-ldap.txt)
DEV_REQUIREMENTS := $(SERVE_REQUIREMENTS) requirements-saml.txt $(LDAP_REQUIREMENTS) requirements-dev.txt

# A stamp holds the checksum of the files that were installed: git gives files new times, not new
# words. Of the environment's Python too, since one whose Python is gone has to be made again.
checksum = $$($(BIN)/python -c 'import hashlib, sys; \
	print(hashlib.sha256(b"".join(open(name, "rb").read() for name in sys.argv[1:])).hexdigest())' $(1))

# $(call install,STAMP,FILES)
define install
	@set -e; \
	sum="$(call checksum,$(2))"; \
	if [ "$$(cat $(VENV)/$(1).stamp 2>/dev/null)" != "$$sum" ]; then \
		echo "Installing the pinned packages of $(2)."; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
			--require-hashes $(patsubst %,-r %,$(2)) \
			|| { echo "The packages could not be installed; pip says why above." >&2; exit 1; }; \
		echo "$$sum" > $(VENV)/$(1).stamp; \
	fi
endef

.PHONY: python
python:
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
	command -v $(PYTHON) >/dev/null 2>&1 \
		|| { echo "python3 is missing: install Python 3.11 or newer, or name one by PYTHON=..." >&2; exit 1; }; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$$($(PYTHON) --version) is too old: name a Python 3.11 or newer by PYTHON=..." >&2; exit 1; }; \
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make environments: install its venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }; \
	echo "Making $(VENV)."; \
	$(PYTHON) -m venv --clear $(VENV); }

.PHONY: venv
venv: python ## make or update .venv with what a server needs
	$(call install,serve,$(SERVE_REQUIREMENTS))

.PHONY: venv-dev
venv-dev: python ## the same, and what tests and checks need
	$(call install,dev,$(DEV_REQUIREMENTS))

# ── running ──

.PHONY: serve
serve: venv ## run a whole registry here; options in ARGS="--bind ...", see ARGS=--help
	@exec $(BIN)/python manage.py quickstart $(ARGS)

# Apptainer signs some of the images: the one on the path, or the one that the tests use.
.PHONY: demo
demo: venv ## run a registry with a demonstration site on it, in .demo; options as for serve
	@signer="$${APPTAINER:-$$(command -v apptainer || ls .cache/clients/apptainer/apptainer 2>/dev/null)}"; \
	APPTAINER="$$signer" exec $(BIN)/python manage.py quickstart --data-dir .demo --demo $(ARGS)

# ── for those who change the code ──

# What `check` needs of the site: as it would be behind TLS, with keys that are no secret.
CHECK_SITE := SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
	PUBLIC_URL=https://registry.example.org MINIO_EXTERNAL_SERVER=store.example.org MINIO_EXTERNAL_SSL=true \
	MINIO_ACCESS_KEY=for-the-check MINIO_SECRET_KEY=for-the-check \
	MINIO_UPLOAD_ACCESS_KEY=for-uploads MINIO_UPLOAD_SECRET_KEY=for-uploads \
	DATABASE_URL=postgresql://shub@127.0.0.1:1/shub \
	SECURE_HSTS_SECONDS=31536000 TRUSTED_PROXIES=10.0.0.1

.PHONY: check
check: venv-dev ## look for faults without running anything: style, types, imports, migrations, docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy shub
	$(BIN)/lint-imports --no-logo
	$(BIN)/djlint shub/web/templates shub/operations/templates --check --lint --quiet
	@$(CHECK_SITE) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@$(CHECK_SITE) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(call describe,--fail-on-warn --validate) | diff -u docs/reference/openapi.yaml - \
		|| { echo "docs/reference/openapi.yaml is not what the views say: run make openapi." >&2; exit 1; }
	$(BIN)/pytest -q -p no:cacheprovider tests/unit/test_docs.py tests/unit/test_migrations.py
	@$(BUILD_DOCS)

BUILD_DOCS = $(BIN)/sphinx-build -q -W --keep-going -n -j auto -b html docs build/docs

.PHONY: docs
docs: venv-dev ## make pages of the documentation, build/docs/index.html; a link that leads nowhere fails
	@$(BUILD_DOCS)
	@echo "build/docs/index.html"

.PHONY: settings
settings: venv-dev ## write docs/reference/settings.md anew from the comments in shub/settings
	@$(BIN)/python -m tests.docs.settings_reference

.PHONY: commands
commands: venv-dev ## write docs/reference/commands.md anew from the commands' own words
	@$(BIN)/python -m tests.docs.commands_reference

.PHONY: untried
untried: venv-dev ## write onto the pages which commands no test runs, by docs/untried.toml
	@$(BIN)/python -m tests.docs.untried

describe = $(CHECK_SITE) $(BIN)/python -W ignore::RuntimeWarning manage.py spectacular $(1)

.PHONY: openapi
openapi: venv-dev ## write the API's description, docs/reference/openapi.yaml, anew from the views
	@$(call describe,--file docs/reference/openapi.yaml)

.PHONY: test
test: venv-dev clients ## run all tests: real Postgres, real stores, real clients; more by ARGS="-k ..."
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	@PYTEST=$(BIN)/pytest tests/side_by_side.sh
endif

.PHONY: clients
clients: venv-dev ## get the real clients that the tests drive (a CLI in PATH or APPTAINER= is used instead)
	@$(BIN)/python tests/clients/obtain.py || [ -z "$$CI" ]

.PHONY: lock
lock: venv-dev ## compile requirements*.in into the pinned files
	@for name in requirements requirements-quickstart requirements-ldap requirements-saml requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-header --no-emit-index-url $$name.in -o $$name.txt; \
	done

.PHONY: audit
audit: venv-dev ## look for known holes in the pinned packages; says so where no advisory can be had
	@$(BIN)/python .ci/audit.py || [ $$? -eq 75 ]

.PHONY: sbom
sbom: venv-dev ## write what is in the image into sbom.json (CycloneDX); without an engine, what is in the locks
	@$(BIN)/python .ci/sbom.py sbom.json

.PHONY: faults
faults: venv-dev clients ## kill, freeze and cut under load until 1,000 kills; ARGS="--minutes 5 --seed 7" (short forms are in test)
	$(BIN)/python -m tests.faults.rounds $(ARGS)

.PHONY: moments
moments: venv-dev clients ## kill each process at each moment of a push, and at each act that no test of the short form has
	$(BIN)/pytest tests/faults tests/crash_points -m faults $(ARGS)

.PHONY: deployment
deployment: venv-dev clients ## deploy by docker compose, push, upgrade, and take it down; skipped without an engine
	$(BIN)/pytest tests/deployment -m deployment $(ARGS)

.PHONY: fuzz
fuzz: venv-dev ## 100,000 random and mutated requests against a live registry (the short form is in test)
	$(BIN)/pytest tests/fuzz -m fuzz $(ARGS)
	DESCRIPTION_EXAMPLES=500 $(BIN)/pytest tests/fuzz/test_description.py $(ARGS)

.PHONY: pages
pages: venv-dev ## judge every page in a browser, light and dark, three widths (the short form is in test)
	$(BIN)/pytest tests/browser -m "pages or not pages" $(ARGS)

.PHONY: screenshots
screenshots: venv-dev ## take a picture of every page into .screenshots/; some by ARGS="container sign-in"
	$(BIN)/python -m tests.browser.screenshots $(ARGS)
