# make demo     the main job, end to end, on this machine
# make serve    the site with its Redis and a local agent, until Ctrl-C (PORT=8000, DATA=var/site)
# make test     the suite without the slow tests; make test-all runs everything
# make test-gpu the tests that need a CUDA GPU and its runtimes (pip install -e .[gpu])
# make fuzz     made-up input at every parser of ours, for three minutes (ARGS="--seconds 600 onnx")
# make bench-engine   what the engine reaches, into docs/benchmarks (hours; adds what is missing)
# make bench-measurement  what measurements are worth (a quiet night; ARGS="--minutes 60" for a part)
# make bench-devices  one activation everywhere, on every target that is available here
# make bench-load     the site with a million entries, uploads and a long queue (half an hour)
# make images   the images of devices for ONNX Runtime, OpenVINO and Ethos-U; make images-all every one
# make lint     ruff, mypy, import-linter

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PORT ?= 0
DATA ?= var/site
ARGS ?=

export YOLO_OFFLINE := true
export PYTHONUNBUFFERED := 1

.PHONY: help setup demo serve test test-slow test-all test-gpu bench-engine bench-load bench-measurement bench-devices
.PHONY: images images-all fuzz lint format clean

help:
	@sed -n 's/^# //p' Makefile

setup:
	@test -n "$(PYTHON)" || { echo "setup: no Python: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) tools/setup.py

demo: setup
	@exec $(BIN)/python -m webapp.demo $(ARGS)

serve: setup
	@exec $(BIN)/python -m webapp.demo.serve --port $(PORT) --data $(DATA) $(ARGS)

test: setup
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: setup
	@$(BIN)/python -m pytest -m slow $(ARGS)

test-all: setup
	@$(BIN)/python -m pytest $(ARGS)

test-gpu: setup
	@$(BIN)/python -m pytest -m gpu -rs tests/devices $(ARGS)

bench-engine: setup
	@exec $(BIN)/python -m tests.benchmarks.engine $(ARGS)

bench-measurement: setup
	@exec $(BIN)/python -m tests.benchmarks.measurement $(ARGS)

bench-devices: setup
	@exec $(BIN)/python -m tests.benchmarks.devices $(ARGS)

bench-load: setup
	@exec $(BIN)/python -m tests.benchmarks.load $(ARGS)

images: setup
	@$(BIN)/python -m tools.images $(ARGS)

images-all: setup
	@$(BIN)/python -m tools.images --all $(ARGS)

fuzz: setup
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff check --fix-only . ; $(BIN)/ruff format .

clean:
	rm -rf var .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
