# SPDX-License-Identifier: Apache-2.0
# make demo   train, export, verify; ends with a results table
# make test   lint, types, C tests, Python tests
# make .venv  the environment alone

PYTHON ?= python3
BIN := .venv/bin
C_FILES = $(shell find firmware ctests -name "*.[ch]")
JOBS ?= 2

.PHONY: demo test lint ctests pytest clean

demo: .venv
	$(BIN)/halfbyte demo

test: lint ctests pytest

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)

ctests: .venv
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHON="$(CURDIR)/$(BIN)/python" sh ctests/run.sh

pytest: .venv
	$(BIN)/pytest -n $(JOBS)

.venv: .venv/made

.venv/made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,firmware,dev]'
	touch $@

clean:
	rm -rf .venv build runs
