# Two commands do everything: `make run` and `make test`. Both set up .venv from requirements.lock first, if needed.
# Written for POSIX sh and GNU make 3.81, which macOS still ships.

# The environment's folder. If empty (make run VENV=), the active environment is used, for example conda's.
VENV = .venv
# How many cores `make run` gives Snakemake; a --profile in ARGS sets its own number.
JOBS = 4
# Additional arguments for the target's program: make run ARGS="--profile slurm -n", make test ARGS="-k config".
ARGS =

WITH = $(if $(VENV),. "$(if $(filter /%,$(VENV)),,./)$(VENV)/bin/activate" &&)
QUIET = $(if $(ARGS),,--quiet rules host reason)
CORES = $(if $(findstring --profile,$(ARGS)),,-j$(JOBS))

.PHONY: help run test setup lint format lock clean-env
.DEFAULT_GOAL := help

help:
	@echo 'make run        set up .venv and run the default experiment (snakemake -j4); add options with ARGS="…"'
	@echo 'make test       set up .venv and run the tests; add options with ARGS="-k config"'
	@echo 'make setup      only set up .venv from requirements.lock'
	@echo 'make lint       ruff, mypy, snakefmt, snakemake --lint'
	@echo 'make format     let ruff and snakefmt rewrite the sources'
	@echo 'make lock       resolve pyproject.toml into requirements.lock again (needs uv)'
	@echo 'make clean-env  remove .venv'
	@echo
	@echo 'VENV=folder     use another environment folder; VENV= (empty) uses the active environment'
	@echo 'PYTHON=path     build it with this Python 3.12; JOBS=8 uses more cores'

run: setup
	@$(WITH) snakemake $(CORES) $(QUIET) $(ARGS)

test: setup
	@$(WITH) python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

setup:
	@sh setup/install.sh "$(VENV)"

lint: setup
	@$(WITH) ruff check .
	@$(WITH) ruff format --check .
	@$(WITH) mypy
	@$(WITH) snakefmt --check --compact-diff Snakefile workflow
	@$(WITH) snakemake --lint --snakefile Snakefile
	@$(WITH) snakemake --lint --snakefile workflow/Snakefile

format: setup
	@$(WITH) ruff check --fix-only --quiet .
	@$(WITH) ruff format .
	@$(WITH) snakefmt Snakefile workflow

# Universal: one lock for Linux and macOS. Existing pins are kept unless pyproject.toml rules them out; to renew
# all of them, remove the file first.
lock:
	@uv pip compile --no-config --universal --python-version 3.12 --extra dev --generate-hashes --no-strip-extras \
		--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--quiet pyproject.toml --output-file requirements.lock

# Remove only what `make setup` created: another folder may hold anything.
clean-env:
	@if [ -f "$(VENV)/.daf-stamp" ] || [ -f "$(VENV)/.daf-installing" ]; then rm -rf "$(VENV)"; \
	elif [ -n "$(VENV)" ] && [ -e "$(VENV)" ]; then echo "$(VENV) was not created by make setup and is left alone" >&2; exit 2; fi
