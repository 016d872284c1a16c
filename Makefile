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

bench: .venv/user
	$(BIN)/python -m benchmarks.training

.venv/user: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev: requirements-dev.txt .venv/user
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv runs
