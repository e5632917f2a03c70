# One word for each thing a person does here. PYTHON is the interpreter that `.venv` is made from.
PYTHON ?= python3
BIN := .venv/bin
WORKPLACE := .demo

.PHONY: demo test test-hard check bench clean

# `make demo`: install, search, promote, ask; about 10 minutes on 2 cores. Everything it makes lies in .venv and .demo.
demo: .venv/installed
	mkdir -p $(WORKPLACE)
	cd $(WORKPLACE) && rm -rf studies mlflow.db mlartifacts
	cd $(WORKPLACE) && ../$(BIN)/hpo run ../search_spaces/lwlrd.yaml
	cd $(WORKPLACE) && ../$(BIN)/hpo promote lwlrd
	cd $(WORKPLACE) && printf 'text\n"Compute the rolling mean of a column."\n"Fit a support vector machine."\n"Open a database session."\n' > sentences.csv
	cd $(WORKPLACE) && ../$(BIN)/hpo predict docstrings-minilm sentences.csv && cat sentences.csv.predictions.csv

test: .venv/installed
	$(BIN)/pytest -m "not hard"

# kills, servers, browser
test-hard: .venv/installed
	$(BIN)/pytest -m hard

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python benchmarks/training_core.py
	$(BIN)/python benchmarks/imbalance.py
	cd $(WORKPLACE) && ../$(BIN)/python ../benchmarks/main_job.py

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[demo,test]'
	touch $@

clean:
	rm -rf .venv $(WORKPLACE)
