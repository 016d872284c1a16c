# Each of these sets up all it needs, in .venv, with the versions that constraints/ locks and the
# hashes of their files.
PYTHON ?= python3
SUPPORTED := 3.11 3.12 3.13
BIN := .venv/bin
# The network of the web page and of the Android sample: a name of shipped weights, or a .keras file.
WEB_MODEL ?= mobile
ANDROID_MODEL ?= mobile
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
INSTALL := python -m pip install --quiet --disable-pip-version-check
LOCKED := constraints/python-$(VERSION).txt
COMPILE := pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate \
	--constraint constraints/bounds.txt

.PHONY: demo test test-long test-formats test-newest lint docs fuzz bench weights web web-serve test-web \
	bench-web android android-assets android-vectors test-android lock audit kills clean

# Of all targets together.
FUZZ_SECONDS ?= 600

# Trains on free photos that installed packages carry: about five minutes on two cores.
demo: .venv/all
	$(BIN)/python train_main.py --flagfile=sample --run_dir=runs/demo

TEST := python -m pytest -n 2 --dist loadfile

test: .venv/all
	$(BIN)/$(TEST) -m 'not long'

# The others, which take programs through kills and restarts, whole exports and what the docs tell.
test-long: .venv/all
	$(BIN)/$(TEST) -m long

# Photos that other programs write, and what these find in results. Needs Debian's packages
# imagemagick, libheif-examples, libavif-bin, libimage-exiftool-perl, liblcms2-utils and
# libgs-common.
test-formats: .venv/all
	$(BIN)/python -m pytest tests/images/with_programs.py tests/inference/with_ffmpeg.py

# All of them with the newest versions that pyproject.toml allows.
test-newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/$(INSTALL) -e '.[dev]'
	.venv-newest/bin/$(TEST)

# mypy reads the types of what is installed, so all of it is.
lint: .venv/all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a site, in build/site.
docs: .venv/all
	$(BIN)/python docs/site/build.py

# Every reader of files from strangers. Corpora, and what was found, stay in build/fuzz.
fuzz: .venv/fuzz
	$(BIN)/python -m tests.fuzz --seconds=$(FUZZ_SECONDS) --folder=build/fuzz

# Tables for the terminal, and JSON in bench/: about a quarter of an hour on two cores.
bench: .venv/all
	rm -rf bench
	mkdir bench
	$(BIN)/python -m benchmarks.export --output_dir=bench/artefacts --json=bench/export.json
	$(BIN)/python -m benchmarks.inference --artefacts=bench/artefacts --json=bench/inference.json
	$(BIN)/python -m benchmarks.peers --json=bench/peers.json
	$(BIN)/python -m benchmarks.startup --artefacts=bench/artefacts --rounds=2 \
		--json=bench/startup.json
	$(BIN)/python -m benchmarks.photo_sizes --json=bench/photo_sizes.json
	$(BIN)/python -m benchmarks.folder --json=bench/folder.json
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

# Kills and disturbs the programs at random moments, for ten minutes; docs/reliability.md.
kills: .venv/all
	$(BIN)/python -m tests.kills

# The web page, in web/dist: docs/web.md.
web: .venv/all web/node_modules/.package-lock.json
	$(BIN)/python web/export.py --model=$(WEB_MODEL)
	cd web && npm run --silent build

web-serve: web
	cd web && npm run --silent serve

# Needs Chromium (Debian's package chromium; others: CHROMIUM=path).
test-web: web
	$(BIN)/python web/test/vectors.py --model=$(WEB_MODEL)
	$(BIN)/python export_main.py --model=$(WEB_MODEL) --name=mobile --formats=tflite,onnx,ort \
		--threads=0 --output_dir=web/test/vectors/exported
	cd web && PYTHON=../$(BIN)/python npm test --silent

bench-web: web
	cd web && PYTHON=../$(BIN)/python npm run --silent measure

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --silent
	touch $@

ANDROID := examples/android
ANDROID_ASSET := $(ANDROID)/app/src/main/assets/network.tflite

# The Android sample, as a package for phones: docs/android.md.
android:
	@if [ ! -d "$${ANDROID_HOME:-$$ANDROID_SDK_ROOT}" ] && [ ! -e $(ANDROID)/local.properties ]; then \
		echo 'error: no Android SDK; set ANDROID_HOME to its folder.' >&2; exit 1; \
	fi
	@if [ ! -x $(ANDROID)/gradlew ] && ! command -v gradle > /dev/null; then \
		echo 'error: no Gradle; install it, or open $(ANDROID) in Android Studio.' >&2; exit 1; \
	fi
	$(MAKE) android-assets
	cd $(ANDROID) && if [ -x gradlew ]; then ./gradlew assembleDebug; else gradle assembleDebug; fi

# The network, where Gradle expects it.
android-assets: .venv/all
	$(BIN)/python web/export.py --model=$(ANDROID_MODEL) --file=$(ANDROID_ASSET)

# What the tests of the sample compare with.
android-vectors: android-assets
	$(BIN)/python $(ANDROID)/vectors.py --model=$(ANDROID_MODEL)

# Needs a JDK, JUnit 4 and Android's org.json (Debian's packages openjdk-17-jdk-headless, junit4 and
# libandroid-json-java).
test-android: android-vectors $(ANDROID)/node_modules/.package-lock.json
	$(ANDROID)/test.sh

$(ANDROID)/node_modules/.package-lock.json: $(ANDROID)/package.json $(ANDROID)/package-lock.json
	cd $(ANDROID) && npm ci --silent
	touch $@

# The newest versions that pyproject.toml allows, with the hashes of their files; for Linux.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/$(INSTALL) uv
	for version in $(SUPPORTED); do \
		.venv-lock/bin/uv $(COMPILE) --python-version $$version --extra dev \
			--output-file constraints/python-$$version.txt pyproject.toml && \
		echo 'atheris>=3,<4' | .venv-lock/bin/uv $(COMPILE) --python-version $$version \
			--output-file constraints/fuzz-$$version.txt - || exit 1; \
	done
	rm -r .venv-lock

# Known vulnerabilities of the locked versions; says so where no database can be reached.
audit:
	$(PYTHON) -m venv --clear .venv-audit
	.venv-audit/bin/$(INSTALL) pip-audit
	for version in $(SUPPORTED); do \
		.venv-audit/bin/python constraints/audit.py constraints/python-$$version.txt || exit 1; \
	done
	rm -r .venv-audit

# All that is locked; nothing else is fetched: the project itself has no hash.
.venv/all: pyproject.toml $(LOCKED)
	$(PYTHON) -m venv .venv
	$(BIN)/$(INSTALL) --require-hashes -r $(LOCKED)
	$(BIN)/$(INSTALL) --no-deps --no-build-isolation -e .
	touch $@

# Where atheris has no wheel, inputs are changed without knowing what they reach.
.venv/fuzz: .venv/all constraints/fuzz-$(VERSION).txt
	$(BIN)/$(INSTALL) --require-hashes -r constraints/fuzz-$(VERSION).txt || \
		echo 'no atheris for this machine: fuzzing without coverage'
	touch $@

clean:
	rm -rf .venv .venv-newest .venv-lock .venv-audit runs bench build
	rm -rf web/node_modules web/dist web/public/network web/test/vectors
	rm -rf $(ANDROID)/node_modules $(ANDROID)/build $(ANDROID)/*/build $(ANDROID)/app/src/main/assets \
		$(ANDROID)/core/src/test/vectors
