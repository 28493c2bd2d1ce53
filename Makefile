# Two commands do everything: `make run` and `make test`. Both set up .venv from requirements.lock first, if needed.
# Written for POSIX sh and GNU make 3.81, which macOS still ships.

# The environment's folder. If empty (make run VENV=), the active environment is used, for example conda's.
VENV = .venv
# How many cores `make run` gives Snakemake; empty: all that it may use, or what a --profile in ARGS says.
JOBS =
# Additional arguments for the target's program: make run ARGS="--profile slurm -n", make test ARGS="-k config".
ARGS =

WITH = $(if $(VENV),. "$(if $(filter /%,$(VENV)),,./)$(VENV)/bin/activate" &&)
CORES = $(if $(JOBS),-j$(JOBS))

.PHONY: help run test fuzz coverage imports setup lint audit format docs site serve lock clean-env
.DEFAULT_GOAL := help

help:
	@echo 'make run        set up .venv and run the default experiment with Snakemake, on all cores; more with ARGS="…"'
	@echo 'make test       set up .venv and run the tests; more with ARGS="-k config"'
	@echo 'make fuzz       try 20,000 damaged inputs of every kind of file; another number with ARGS="--inputs 1000"'
	@echo 'make coverage   run the quick unit tests and print how much of daf/ they reach, the least covered files first'
	@echo 'make imports    print the levels of the import graph of daf/, or a cycle in it'
	@echo 'make setup      only set up .venv from requirements.lock'
	@echo 'make lint       ruff, mypy, bandit, snakefmt, snakemake --lint'
	@echo 'make audit      look up known vulnerabilities of the pinned packages (needs a connection)'
	@echo 'make format     let ruff and snakefmt rewrite the sources'
	@echo 'make docs       write the documentation that is generated from the sources'
	@echo 'make site       build the documentation into site/'
	@echo 'make serve      show the documentation on this machine, and follow your changes'
	@echo 'make lock       update requirements.lock from pyproject.toml (needs uv)'
	@echo 'make clean-env  remove .venv'
	@echo
	@echo 'VENV=folder     use another environment folder; VENV= (empty) uses the active environment'
	@echo 'PYTHON=path     build it with this Python 3.12; JOBS=2 uses fewer cores'

run: setup
	@$(WITH) python -m daf.workflow.start $(CORES) $(ARGS)

test: setup
	@$(WITH) python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: setup
	@$(WITH) python -m tests.fuzz $(ARGS)

coverage: setup
	@$(WITH) python -m pytest --numprocesses 2 --dist loadfile -m "not slow and not long" --cov=daf --cov-report= \
		tests/unit $(ARGS)
	@$(WITH) python -m coverage report --sort=cover --skip-covered | head -n 22
	@$(WITH) python -m coverage report --format=total | sed 's/^/all of daf: /; s/$$/ %/'

imports: setup
	@$(WITH) python -m tests.project.imports

setup:
	@sh setup/install.sh "$(VENV)"

lint: setup
	@$(WITH) ruff check .
	@$(WITH) ruff format --check .
	@$(WITH) mypy
	@$(WITH) bandit --quiet --configfile pyproject.toml --recursive daf scripts setup
	@$(WITH) snakefmt --check --compact-diff Snakefile workflow
	@$(WITH) snakemake --lint --snakefile Snakefile
	@$(WITH) snakemake --lint --snakefile workflow/Snakefile

audit: setup
	@$(WITH) python setup/audit.py

format: setup
	@$(WITH) ruff check --fix-only --quiet .
	@$(WITH) ruff format .
	@$(WITH) snakefmt Snakefile workflow

docs: setup
	@$(WITH) python -m daf.config.docs
	@$(WITH) python -m daf.workflow.rulegraph
	@$(WITH) python -m docs.generator

# Material's notice about a later MkDocs is not about this version.
site serve: export NO_MKDOCS_2_WARNING = true

site: setup
	@$(WITH) python -m mkdocs build --clean $(ARGS)
	@echo 'open site/index.html'

serve: setup
	@$(WITH) python -m mkdocs serve $(ARGS)

# Universal: one lock for Linux and macOS. The pins that are there stay unless pyproject.toml forbids them; to
# renew all, remove the file first.
lock:
	@uv pip compile --no-config --universal --python-version 3.12 --extra dev --extra signing --generate-hashes --no-strip-extras \
		--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--quiet pyproject.toml --output-file requirements.lock

# Remove only what `make setup` created: another folder may hold anything.
clean-env:
	@if [ -f "$(VENV)/.daf-stamp" ] || [ -f "$(VENV)/.daf-installing" ]; then rm -rf "$(VENV)"; \
	elif [ -n "$(VENV)" ] && [ -e "$(VENV)" ]; then echo "$(VENV) was not created by make setup and is left alone" >&2; exit 2; fi
