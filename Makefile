# `make demo` and `make test` each set up all they need, in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench clean

# Trains on free photos that installed packages carry: about five minutes on two cores.
demo: .venv/user
	$(BIN)/python train_main.py --flagfile=flags/sample.flags --run_dir=runs/demo

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Tables for the terminal, and JSON in bench/: about a quarter of an hour on two cores.
bench: .venv/user
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

.venv/user: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev: requirements-dev.txt .venv/user
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv runs bench
