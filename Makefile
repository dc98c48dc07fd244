# make demo    a virtual factory on this machine
# make test    everything that must hold before a change lands
# Both make their own virtual environment on the first run and reuse it afterwards.

PYTHON ?= python3
VENV ?= .venv
# cpu, or gpu on a box with an NVIDIA card (faiss-cpu and faiss-gpu cannot stand together)
DEVICE ?= cpu
DEMO_ARGS ?=

BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
DEBIAN_PACKAGES := mosquitto mosquitto-clients libportaudio2

.PHONY: demo test test-all check format system-packages bench clean help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "asdstream needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamp is made last, so an install that was interrupted is taken up again.
$(STAMPS)/demo: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(DEVICE),demo]'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(DEVICE),demo,train,dev]'
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/demo

demo: $(STAMPS)/demo
	$(BIN)/asdstream demo $(DEMO_ARGS)

# Mosquitto is the broker of the tests, PortAudio the way to a sound card.
system-packages:
	@missing=""; for package in $(DEBIAN_PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo"; else \
		echo "The tests need these Debian packages, and this user may not install them:$$missing"; \
		echo "Ask an administrator to run: apt-get install$$missing"; exit 1; fi; \
	echo "Installing Debian packages:$$missing"; \
	$$as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq --no-install-recommends $$missing > /dev/null

check: $(STAMPS)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: system-packages check
	$(BIN)/pytest

test-all: system-packages check
	$(BIN)/pytest -m "slow or not slow" --timeout 3600

format: $(STAMPS)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
