.DEFAULT_GOAL := help
.PHONY: help demo up test test-chapa crash browser fuzz contract simulate bench check lint clean

SEEDS ?= 0:200

# A caller's Python settings must not reach into .venv.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE DJANGO_SETTINGS_MODULE
# Amharic is printed whatever the locale.
export PYTHONUTF8 := 1

# .venv holds absolute paths, and packages as they were locked: it is made anew after a move or a
# change of the locks. The development lock contains the local one.
KEY := $(shell { pwd -P; cat requirements-local.txt requirements-dev.txt; } | cksum | tr ' ' -)
LOCAL := .venv/.installed-local-$(KEY)
DEV := .venv/.installed-dev-$(KEY)

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 20

demo: $(LOCAL)  ## Book, pay and confirm one stay from nothing; show the timeline and the mail.
	@.venv/bin/python -m workers.devstack demo

up: $(LOCAL)  ## Run everything on this machine until Ctrl-C.
	@.venv/bin/python -m workers.devstack up

test: $(DEV)  ## Run the tests. ARGS="-k refund" passes on to pytest.
	@.venv/bin/python -m pytest -n auto --dist loadfile $(ARGS)

test-chapa: $(LOCAL)  ## Compare the real Chapa with docs/chapa.md. CHAPA_SECRET_KEY=CHASECK_TEST-...
	@.venv/bin/python -m payments.chapa.conformance

crash browser fuzz contract: $(DEV)
	@.venv/bin/python -m pytest -m $@ $(ARGS)

simulate: $(DEV)  ## Live through seeded histories of trouble. SEEDS=0:20000, or one of them.
	@.venv/bin/python -m pytest -m simulation workers/tests/simulation -n auto --seeds $(SEEDS) $(ARGS)

bench: $(DEV)  ## Measure. ARGS="engines --figure drain" names one script, and its options.
	@.venv/bin/python -m workers.bench $(ARGS)

check: $(DEV)  ## Run what CI runs: linters, types, contracts, tests.
	@.ci/run

lint: check

clean:  ## Remove .venv and .local with all local data.
	@[ ! -e .local/lock ] || [ ! -x .venv/bin/python ] || .venv/bin/python -I workers/devstack/lock.py .local
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(LOCAL):
	@$(find-python); "$$python" -I workers/devstack/install.py requirements-local.txt $(LOCAL)

$(DEV):
	@$(find-python); "$$python" -I workers/devstack/install.py requirements-dev.txt $(LOCAL) $(DEV)

.PHONY: .venv-local .venv-dev
.venv-local: $(LOCAL)
.venv-dev: $(DEV)

ifneq ($(shell [ -x .venv/bin/python ] || echo gone),)
# Gone, or a link to a Python that is gone.
.PHONY: $(LOCAL) $(DEV)
endif

# Tried, not only looked for: a version manager's python3.13 may be there and not run.
define find-python
for python in $(PYTHON) python3.13 python3.12 python3.11 python3 none; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
		2>/dev/null && break; \
done; \
if [ "$$python" = none ]; then \
	echo "Guzo needs Python 3.11 or newer with its venv and ensurepip modules, and found none." >&2; \
	echo "Debian, Ubuntu: apt install python3-venv. Or name one: make demo PYTHON=/path/to/python" >&2; \
	exit 1; \
fi
endef
