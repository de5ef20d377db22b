PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help serve wheel test test-all test-faults test-ray soak corpus smoke lint lock bench bench-peers bench-ray \
  bench-ray-data docs clean no-npm

help:
	@echo "make serve   install, train the sample model if there is none, serve on http://127.0.0.1:5000 (PORT=... for another)"
	@echo "make wheel   build the package, to install it elsewhere: dist/*.whl"
	@echo "make test    install and run the tests of every part: a few minutes"
	@echo "make test-all   all tests, as CI does"
	@echo "make test-faults   only those that make things go wrong"
	@echo "make test-ray   those that start clusters of Ray, on machines of their own, and Dask and Spark: half an hour"
	@echo "make soak    the long forms of some tests: minutes each"
	@echo "make corpus  serve models of nine libraries, and compare every answer with the estimator's own: an hour"
	@echo "make smoke   the README's commands with exactly the versions in requirements.lock, in a venv of their own"
	@echo "make lint    ruff, mypy and import-linter"
	@echo "make bench   every contestant side by side; writes docs/benchmarks.md (needs wrk)"
	@echo "make bench-ray   what Ray costs and gives; make bench-ray-data: the same for files"
	@echo "make lock    write requirements.lock: the newest versions that pyproject.toml allows, with their hashes"
	@echo "make docs    write the generated pages of docs/ anew"
	@echo "make clean   remove what these commands made"

$(VENV)/engine: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev: $(VENV)/engine
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# The official JSON-Schema-Test-Suite, which ships in jsonschema's source distribution.
SUITE := build/jsonschema-4.26.0
$(SUITE): | $(VENV)/dev
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
	  --dest build jsonschema==4.26.0
	tar -xzf $@.tar.gz -C build

# The language server that editors run, for tests/spec/test_editors.py; it wants Node.js 18 or newer.
YAML_SERVER := build/yaml-language-server-1.25.0
NPM := $(shell command -v npm)

$(YAML_SERVER)/node_modules/.package-lock.json:
	npm install --loglevel error --no-audit --no-fund --ignore-scripts --prefix $(YAML_SERVER) $(subst server-,server@,$(notdir $(YAML_SERVER)))

no-npm:
	@echo "npm is not here: the tests of editor support are skipped. To run them, install Node.js 18 or newer with npm."

build/model.pkl: | $(VENV)/engine
	$(BIN)/python train.py

serve: $(VENV)/engine build/model.pkl
	$(BIN)/python -m engine serve $(if $(PORT),-p $(PORT))

# In a folder of its own, so that no file that was removed from the source is left in it.
wheel: $(VENV)/engine
	rm -rf build/wheel dist
	mkdir -p build/wheel
	cp -R engine pyproject.toml README.md LICENSE build/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist build/wheel

bench: $(VENV)/dev build/model.pkl
	$(BIN)/python benchmarks/run.py

# Each of the other servers in an environment of its own.
build/peers/%: benchmarks/peers/%.txt
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<

PEERS := bentoml boosting fastapi litserve mlflow mlserver ray

bench-peers: $(VENV)/dev build/model.pkl $(PEERS:%=build/peers/%)
	$(BIN)/python benchmarks/run.py --peers

# Tests start hundreds of processes, each of which would compile the whole source again.
unexport PYTHONDONTWRITEBYTECODE

# Many tests wait, so two cores run three processes. OpenMP gets one thread in each, because its threads spin while they
# wait for each other.
PROCESSES := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)))
PYTEST := $(BIN)/python -m pytest --reruns 1 -raR
SIDE_BY_SIDE := OMP_NUM_THREADS=1 $(PYTEST) -n $(PROCESSES) --dist worksteal
NEEDED := $(VENV)/dev build/model.pkl $(SUITE) $(if $(NPM),$(YAML_SERVER)/node_modules/.package-lock.json,no-npm)

test: $(NEEDED)
	$(SIDE_BY_SIDE) -m 'not exhaustive and not alone and not soak and not cluster'

test-all: $(NEEDED)
	$(SIDE_BY_SIDE) -m 'not alone and not soak and not cluster'
	$(PYTEST) -m 'alone and not soak and not cluster'

test-faults: $(VENV)/dev $(SUITE)
	$(SIDE_BY_SIDE) -m 'not alone and not soak' tests/faults
	$(PYTEST) -m 'alone and not soak' tests/faults

soak: $(VENV)/dev $(SUITE)
	$(BIN)/python -m pytest -m soak
	ENGINE_EXAMPLES=4000 $(BIN)/python -m pytest tests/test_properties.py tests/spec/test_spec.py

# Ray, and what scales with it, in an environment of its own.
build/ray/installed: pyproject.toml
	test -x build/ray/bin/python || $(PYTHON) -m venv build/ray
	build/ray/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[ray,pandas,parquet]' 'dask[dataframe]' 'moto[server]' pyspark
	touch $@

bench-ray: $(VENV)/dev build/model.pkl build/ray/installed
	$(BIN)/python benchmarks/clusters/ray_serving.py

test-ray: $(VENV)/dev build/model.pkl build/ray/installed
	$(PYTEST) -m cluster tests/cluster

# In an environment of its own, build/corpus/env; it goes on where it was interrupted.
corpus:
	$(PYTHON) tests/corpus/run.py

bench-ray-data: $(VENV)/dev build/model.pkl build/ray/installed
	$(BIN)/python benchmarks/clusters/ray_data.py --write

# Nothing is installed here that requirements.lock does not name with its hash, the build backend included.
build/smoke/installed: requirements.lock pyproject.toml
	test -x build/smoke/bin/python || $(PYTHON) -m venv build/smoke
	build/smoke/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: \
	  --require-hashes --requirement requirements.lock
	build/smoke/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

smoke: build/smoke/installed
	build/smoke/bin/python -m pytest tests/test_docs.py -k 'every_command and README'

# uv resolves for all systems and all versions of Python from 3.11 on at once; pip's own tools do so only for this one.
build/uv/bin/uv:
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv

lock: build/uv/bin/uv
	build/uv/bin/uv pip compile pyproject.toml --extra smoke --universal --python-version 3.11 --generate-hashes \
	  --upgrade --quiet --custom-compile-command 'make lock' --output-file requirements.lock

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache  # its cache remembers modules that have moved

docs: $(VENV)/dev
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
