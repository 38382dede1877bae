# Two commands do everything: `make bench` and `make test`. Neither needs a GPU, downloaded weights or
# SIMPLER.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run-installed
DEV := $(VENV)/.dev-installed
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
export MUJOCO_GL ?= egl

.PHONY: bench test test-slow lint types wheel clean

bench: $(RUN)
	$(BIN)/vla-bench doctor
	$(BIN)/vla-bench eval -m policy=scripted,scripted_noisy,diffusion_mini_widowx,openvla_mini_widowx,uniform_random env=widowx_simpler_tabletop 'output=results/bench/widowx/$${hydra:runtime.choices.policy}'
	$(BIN)/vla-bench eval -m policy=scripted,scripted_noisy,diffusion_mini_google_robot,openvla_mini_google_robot,uniform_random env=google_robot_simpler_tabletop 'output=results/bench/google_robot/$${hydra:runtime.choices.policy}'
	$(BIN)/vla-bench report results/bench/*/*

# A file's tests stay in one process, and so its fixtures are made once.
test: $(DEV)
	$(BIN)/python -m pytest -n auto --dist loadfile

test-slow: $(DEV)
	$(BIN)/python -m pytest -m slow

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy does not follow pyproject's package-dir, so it is shown a tree of links that does.
types: $(DEV)
	rm -rf build/types && mkdir -p build/types/vla_bench
	ln -s $(CURDIR)/vla_bench/* $(CURDIR)/policies $(CURDIR)/envs $(CURDIR)/conf $(CURDIR)/results/published build/types/vla_bench/
	MYPYPATH=build/types $(BIN)/mypy -p vla_bench
	MYPYPATH=build/types $(BIN)/mypy tests benchmarks

wheel: $(DEV)
	$(BIN)/python -m build --wheel

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) '.[diffusion]'
	touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) '.[dev]'
	touch $@

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache
