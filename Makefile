# Everything a developer needs; `make` alone lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
VLLM := .venv-vllm
BIN := $(VENV)/bin
SYNCED := $(VENV)/.synced
LOCK := requirements.lock

# MuJoCo reads its renderer from here; Ray asks at each start unless told.
export MUJOCO_GL ?= egl
export RAY_USAGE_STATS_ENABLED ?= 0
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := help
.PHONY: help sync lock fmt check test test-ray test-vllm bench faults wheel ci demo

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

sync: $(SYNCED) ## Make .venv as the lock file says; does nothing when it is up to date

$(SYNCED): pyproject.toml $(LOCK)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): a few minutes the first time."
	$(BIN)/pip install -qq -c $(LOCK) -e '.[sim,train,dev]'
	.ci/opengl
	.ci/browser
	touch $@

lock: ## Pin anew what pyproject.toml asks for (add UPGRADE=--upgrade for newer releases)
	$(BIN)/pip-compile --quiet $(UPGRADE) --strip-extras --extra sim --extra train --extra dev --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file $(LOCK) pyproject.toml
	@# A local version such as +cpu would tie the lock to one build of torch.
	sed -i -e 's/+[a-z0-9.]*$$//' -e '/^#/d' -e '/^$$/d' $(LOCK)

fmt: sync ## Format, and mend what can be mended by itself
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

check: sync ## Lint, layout, layers and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright

test: test-ray ## All tests that need no GPU
	$(BIN)/pytest -m "not ray and not gpu and not vllm"

test-ray: sync ## The tests that start Ray actors
	$(BIN)/pytest -m ray

test-vllm: $(VLLM)/.synced ## The tests that need vLLM, in an environment of their own (1.3 GB)
	OMP_NUM_THREADS=1 $(VLLM)/bin/python -m pytest -m vllm tests/slow_brain/engines

$(VLLM)/.synced: $(SYNCED) requirements-vllm.txt
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	@# What .venv has is borrowed; what is installed here comes before it.
	@for python in $(BIN)/python $(VLLM)/bin/python; do \
		$$python -c 'import site; print(site.getsitepackages()[0])'; done \
		| { read -r lent; read -r own; echo "$$lent" > "$$own/borrowed.pth"; }
	$(VLLM)/bin/pip install -qq --no-deps -r requirements-vllm.txt
	touch $@

bench: sync ## Measure everything, some hours, and fill in docs/performance.md
	$(BIN)/python -m benchmarks

faults: sync ## Break one thing at a time, 1,100 times (some 20 min); go on with FAULTS=--resume
	$(BIN)/python -m agent.faults --page docs/faults.md $(FAULTS)

wheel: sync ## Build the wheel, and try it in an environment that lacks this checkout
	rm -rf build dist
	$(BIN)/python -m build --quiet --wheel
	$(PYTHON) -m venv build/clean
	build/clean/bin/pip install --quiet --no-deps dist/*.whl
	@# The libraries are borrowed: .pth files found through a .pth file are not read, so neither
	@# is the one of the editable install.
	$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' \
		> "$$(build/clean/bin/python -c 'import site; print(site.getsitepackages()[0])')/borrowed.pth"
	cd build/clean && bin/agent --help > /dev/null

ci: ## What continuous integration runs
	$(MAKE) check
	$(MAKE) test-vllm
	@# Last, so that its summary is the last line.
	$(MAKE) test

demo: sync ## A robot with two brains, in under a minute
	$(BIN)/agent demo
