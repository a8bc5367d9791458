# Two commands matter: `make demo` and `make test`. Both set up .venv once and re-run without installing again.
# Bytecode is wanted: importing pulumi_aws takes 7 s without it and 2 s with it.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types layers nightly lock clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*##/\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) tools/setup_venv.py .venv
	@touch $@

setup: $(STAMP)  ## create .venv from requirements.lock (with hashes)

demo: $(STAMP)   ## the whole story on this machine: provision, encrypt, back up, rotate, attack, restore
	@$(BIN)/strongroom demo

test: $(STAMP)   ## lint, types, layering and the test suite
	@$(BIN)/python -m tools.check

lint: $(STAMP)   ## ruff only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy only
	$(BIN)/mypy

layers: $(STAMP) ## import directions only
	$(BIN)/lint-imports

nightly: $(STAMP) ## the long harnesses: 10^6 inputs, 10,000 corruptions
	STRONGROOM_NIGHTLY=1 $(BIN)/pytest -q -m "nightly or not nightly"

lock: $(STAMP)   ## resolve requirements.lock anew
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --all-extras --upgrade pyproject.toml -o requirements.lock

clean:           ## stop the laptop cloud and remove everything it made
	-@test -x $(BIN)/strongroom && $(BIN)/strongroom cloud reset --yes
	rm -rf .venv .strongroom
