# The two commands of the README: `make demo` and `make test`. All install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check slow bench examples docs docs-serve qgis dist audit clean reproduce

# The main job on a synthetic pair; ends with a line that says where to look.
demo: $(VENV)/demo
	$(BIN)/metriccd demo -o demo --overwrite

# What CI runs: style, types and all tests but the slow ones; a thread for each process. Few tests
# that take long wait for others; in the order of their rooms they do not come last.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 \
	--dist loadfile --no-loadscope-reorder
test: check
	$(PYTEST) -m "not slow"

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

slow: $(VENV)/dev
	$(PYTEST) -m slow

# Time and memory on scenes of up to 10,980 × 10,980 pixels; not a test. 2 GB of scratch, half an hour.
bench: $(VENV)/demo
	$(BIN)/python benchmarks/scenes.py -o docs/performance.json

# The paper's tables beside ours in OUT/reproduction.md, from the data sets in DIR; goes on where it
# was. Says how long it will take first: days on a CPU, so give it a GPU.
DIR ?= data
OUT ?= found
reproduce: $(VENV)/demo
	$(BIN)/python benchmarks/reproduce.py $(DIR) -o $(OUT)

# Runs the notebooks in examples/ and keeps what came out in them; a test runs them, too.
examples: $(VENV)/dev
	cd examples && ../$(BIN)/jupyter execute --inplace two-files.ipynb stac-zones.ipynb

# The documentation site, in site/: every link is checked, and no page may load from elsewhere.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean --quiet
	@echo "open site/index.html; make docs-serve has the search, too"

# The same while you write, on http://127.0.0.1:8000.
docs-serve: $(VENV)/docs
	$(BIN)/mkdocs serve

# The plugin for QGIS, as a zip in dist/. Its tests need QGIS: apt-get install qgis
qgis:
	$(PYTHON) qgis/pack.py dist

# What PyPI gets, in dist/: built, and its page checked. docs/release.md
dist: $(VENV)/dev
	rm -f dist/*.whl dist/*.tar.gz
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

# Known vulnerabilities of what requirements.lock pins; needs network. docs/security.md
audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit
	$(VENV)/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

$(VENV)/demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/dev: $(VENV)/demo
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/docs: $(VENV)/demo
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) demo dist site .pytest_cache .mypy_cache .ruff_cache
