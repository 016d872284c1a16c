# Each of these sets up all it needs, in .venv, with the versions that constraints/ locks.
PYTHON ?= python3
BIN := .venv/bin
# The network of the web page: a name of shipped weights, or a .keras file.
WEB_MODEL ?= mobile
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
INSTALL := python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-newest lint bench weights lock web web-serve test-web bench-web clean

# Trains on free photos that installed packages carry: about five minutes on two cores.
demo: .venv/all
	$(BIN)/python train_main.py --flagfile=sample --run_dir=runs/demo

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The same with the newest versions that pyproject.toml allows.
test-newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/$(INSTALL) -e '.[dev]'
	.venv-newest/bin/python -m pytest -n 2 --dist loadfile

# mypy reads the types of what is installed, so all of it is.
lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tables for the terminal, and JSON in bench/: about a quarter of an hour on two cores.
bench: .venv/all
	rm -rf bench
	mkdir bench
	$(BIN)/python -m benchmarks.export --output_dir=bench/artefacts --json=bench/export.json
	$(BIN)/python -m benchmarks.inference --artefacts=bench/artefacts --json=bench/inference.json
	$(BIN)/python -m benchmarks.startup --artefacts=bench/artefacts --rounds=2 \
		--json=bench/startup.json
	$(BIN)/python -m benchmarks.photo_sizes --json=bench/photo_sizes.json
	$(BIN)/python -m benchmarks.training --presets=base --json=bench/training_base.json
	$(BIN)/python -m benchmarks.training --presets=mobile --batch_size=32 \
		--json=bench/training_mobile.json
	$(BIN)/python -m benchmarks.input_pipeline --json=bench/input_pipeline.json
	$(BIN)/python -m benchmarks.memory --json=bench/memory.json

# The .tflite files of the shipped networks, after their .keras files have changed.
weights: .venv/all
	for name in mobile base; do \
		$(BIN)/python export_main.py --model=drgn_tf/weights/$$name.keras --output_dir=build/weights \
			--formats=tflite --tflite_sizes= --threads=0 --overwrite && \
		cp build/weights/tflite/$${name}_dynamic_tiled_float32.tflite \
			drgn_tf/weights/$$name.tflite || exit 1; \
	done

# The web page, in web/dist: docs/web.md.
web: .venv/all web/node_modules/.package-lock.json
	$(BIN)/python web/export.py --model=$(WEB_MODEL)
	cd web && npm run --silent build

web-serve: web
	cd web && npm run --silent serve

# Needs Chromium (Debian's package chromium; others: CHROMIUM=path).
test-web: web
	$(BIN)/python web/test/vectors.py --model=$(WEB_MODEL)
	cd web && PYTHON=../$(BIN)/python npm test --silent

bench-web: web
	cd web && PYTHON=../$(BIN)/python npm run --silent measure

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --silent
	touch $@

# The newest versions that pyproject.toml allows, as constraints for this version of Python;
# give each supported one in turn: make lock PYTHON=python3.12
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/$(INSTALL) --dry-run --ignore-installed --report .venv-lock/report.json '.[dev]'
	$(PYTHON) constraints/write.py .venv-lock/report.json constraints/python-$(VERSION).txt
	rm -r .venv-lock

.venv/all: pyproject.toml constraints/python-$(VERSION).txt
	$(PYTHON) -m venv .venv
	$(BIN)/$(INSTALL) -c constraints/python-$(VERSION).txt -e '.[all]'
	touch $@

.venv/dev: .venv/all
	$(BIN)/$(INSTALL) -c constraints/python-$(VERSION).txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-newest .venv-lock runs bench build
	rm -rf web/node_modules web/dist web/public/network web/test/vectors
