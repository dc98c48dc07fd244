# make demo    a virtual factory on this machine
# make test    everything that must hold before a change lands
# Both make their own virtual environment on the first run and reuse it afterwards.
# make install    on a real box, as root: the program, its configuration, its systemd service
# make uninstall    takes program and service away again; configuration and what it has learned stay

PYTHON ?= python3
VENV ?= .venv
# cpu, or gpu on a box with an NVIDIA card (faiss-cpu and faiss-gpu cannot stand together)
DEVICE ?= cpu
DEMO_ARGS ?=
# How many tests run at a time; each has one thread.
TESTS_AT_ONCE ?= 2
# Where `make install` puts things; DESTDIR goes before all of them, for packagers.
PREFIX ?= /opt/asdstream
SYSCONF ?= /etc/asdstream
UNITS ?= /etc/systemd/system

BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
DEBIAN_PACKAGES := mosquitto mosquitto-clients libportaudio2 chromium

.PHONY: demo test test-all check format system-packages install uninstall clean help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "asdstream needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamp is made last, so an install that was interrupted is taken up again.
$(STAMPS)/demo: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(DEVICE),dashboard,demo]'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(DEVICE),dashboard,demo,train,dev]'
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

# A file's tests share what is costly to make, so they stay together. Fault tests fork daemons, which a worker of many
# tests does not bear, and mostly wait: they run beside the others in a process of their own. Those marked `alone` play
# sound in real time, or tell how quick something is: they have the machine to themselves.
# What has been compiled is kept, whatever the caller's PYTHONDONTWRITEBYTECODE: a hundred processes start here, and
# three of them read every test. What a test wrote goes with it, while it is at hand; of old runs it takes far longer.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -o tmp_path_retention_policy=failed
SIDE_BY_SIDE := -n $(TESTS_AT_ONCE) --dist loadfile --ignore tests/faults
FAULTS_LOG := $(VENV)/faults.log

test: system-packages check
	@$(PYTEST) tests/faults -m "not slow" > $(FAULTS_LOG) 2>&1 & faults=$$!; \
		$(PYTEST) $(SIDE_BY_SIDE) -m "not slow and not alone"; others=$$?; \
		wait $$faults; faults=$$?; cat $(FAULTS_LOG); [ $$others = 0 ] && [ $$faults = 0 ]
	$(PYTEST) --ignore tests/faults -m "not slow and alone"

test-all: PYTEST += --hypothesis-profile default
test-all: system-packages check
	$(PYTEST) $(SIDE_BY_SIDE) -m "not alone" --timeout 3600
	$(PYTEST) tests/faults --timeout 3600 -m "slow or not slow"
	$(PYTEST) --ignore tests/faults -m alone --timeout 3600

format: $(STAMPS)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The unit names /opt/asdstream and /etc/asdstream; other places are written into it.
install:
	@[ "$$(id -u)" = 0 ] || [ -n "$(DESTDIR)" ] || { echo "make install writes to $(PREFIX), $(SYSCONF) and $(UNITS): run it as root"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "asdstream needs Python 3.11 or newer"; exit 1; }
	$(PYTHON) -m venv $(DESTDIR)$(PREFIX)/venv
	$(DESTDIR)$(PREFIX)/venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[$(DEVICE),dashboard]'
	install -d -m 0755 $(DESTDIR)$(PREFIX) $(DESTDIR)$(SYSCONF) $(DESTDIR)$(UNITS)
	install -d -m 0700 $(DESTDIR)$(SYSCONF)/credentials
	install -m 0644 README.md $(DESTDIR)$(PREFIX)/
	@[ -e $(DESTDIR)$(SYSCONF)/asdstream.toml ] || install -m 0644 conf/asdstream.toml $(DESTDIR)$(SYSCONF)/
	install -m 0644 conf/asdstream.schema.json $(DESTDIR)$(SYSCONF)/
	for unit in asdstream asdstream-dashboard; do \
		sed -e 's#/opt/asdstream#$(PREFIX)#g' -e 's#/etc/asdstream#$(SYSCONF)#g' systemd/$$unit.service > $(DESTDIR)$(UNITS)/$$unit.service.new && \
		chmod 0644 $(DESTDIR)$(UNITS)/$$unit.service.new && \
		mv $(DESTDIR)$(UNITS)/$$unit.service.new $(DESTDIR)$(UNITS)/$$unit.service || exit 1; done
	@if [ "$(DEVICE)" = gpu ]; then install -D -m 0644 systemd/asdstream.service.d/gpu.conf $(DESTDIR)$(UNITS)/asdstream.service.d/gpu.conf; fi
	@[ -n "$(DESTDIR)" ] || systemctl daemon-reload
	@echo "Installed. Next: describe what it listens to in $(SYSCONF)/asdstream.toml, put secrets into $(SYSCONF)/credentials,"
	@echo "check with $(PREFIX)/venv/bin/asdstream check -c $(SYSCONF)/asdstream.toml, then: systemctl enable --now asdstream"
	@echo "The page with all machines, on port 8300 of this box: systemctl enable --now asdstream-dashboard"

uninstall:
	@[ "$$(id -u)" = 0 ] || [ -n "$(DESTDIR)" ] || { echo "make uninstall removes $(PREFIX) and the service: run it as root"; exit 1; }
	@[ -n "$(DESTDIR)" ] || systemctl disable --now asdstream asdstream-dashboard 2> /dev/null || true
	rm -rf $(DESTDIR)$(PREFIX) $(DESTDIR)$(UNITS)/asdstream.service $(DESTDIR)$(UNITS)/asdstream-dashboard.service $(DESTDIR)$(UNITS)/asdstream.service.d
	@[ -n "$(DESTDIR)" ] || systemctl daemon-reload
	@echo "Removed. $(SYSCONF) and what it has learned in /var/lib/asdstream are still there, and the dashboard's history in /var/lib/asdstream-dashboard; delete them by hand if they are not wanted."

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
