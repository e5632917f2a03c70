# One word for each thing a person does here. PYTHON is the interpreter that `.venv` is made from.
PYTHON ?= python3
BIN := .venv/bin
WORKPLACE := .demo

.PHONY: demo test test-hard check bench bench-quick chaos clean

# `make demo`: install, search, promote, ask; about 10 minutes on 2 cores. Everything it makes lies in .venv and .demo.
demo: .venv/installed
	mkdir -p $(WORKPLACE)
	cd $(WORKPLACE) && rm -rf studies mlflow.db mlartifacts
	cd $(WORKPLACE) && ../$(BIN)/hpo run ../search_spaces/lwlrd.yaml
	cd $(WORKPLACE) && ../$(BIN)/hpo promote lwlrd
	cd $(WORKPLACE) && printf 'text\n"Compute the rolling mean of a column."\n"Fit a support vector machine."\n"Open a database session."\n' > sentences.csv
	cd $(WORKPLACE) && ../$(BIN)/hpo predict docstrings-minilm sentences.csv && cat sentences.csv.predictions.csv

# both on two processes, a file of tests in one of them
test: .venv/installed
	$(BIN)/pytest -m "not hard" --numprocesses 2 --dist loadfile

# kills, servers, browser
test-hard: .venv/installed
	$(BIN)/pytest -m hard --numprocesses 2 --dist loadfile

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python benchmarks/training_core.py
	$(BIN)/python benchmarks/ledger.py
	$(BIN)/python benchmarks/tracking.py
	$(BIN)/python benchmarks/imbalance.py
	$(BIN)/python benchmarks/data_preparation.py
	$(BIN)/python benchmarks/data_sharing.py
	$(BIN)/python benchmarks/image_cache.py
	$(BIN)/python benchmarks/deciding.py
	$(BIN)/python benchmarks/proposing.py
	$(BIN)/python benchmarks/fused.py
	$(BIN)/python benchmarks/crashes.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/worker_growth.py
	$(BIN)/python benchmarks/checkpoint_costs.py
	$(BIN)/python benchmarks/fixed_cost.py
	$(BIN)/python benchmarks/whole_study.py --part cold
	$(BIN)/python benchmarks/whole_study.py
	$(BIN)/python benchmarks/whole_study.py --part early
	cd $(WORKPLACE) && ../$(BIN)/python ../benchmarks/main_job.py

# a small study beside its peers, and what a trial costs: under 5 minutes
bench-quick: .venv/installed
	$(BIN)/python benchmarks/checkpoint_costs.py --quick
	$(BIN)/python benchmarks/fixed_cost.py --quick
	$(BIN)/python benchmarks/whole_study.py --quick

# everything broken at length, some hours; then some of it on plain Ray Tune too
chaos: .venv/installed
	$(BIN)/python benchmarks/chaos.py
	$(BIN)/python benchmarks/chaos_peers.py

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[demo,test]'
	touch $@

clean:
	rm -rf .venv $(WORKPLACE)
