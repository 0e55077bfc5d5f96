# Two commands do everything: `make demo` and `make test`. Both make their own virtual environment.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIMITS := bench/windrow_bench.abi3.so
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The sections of bench/accuracy/README.md: each is made by the script of its name.
ACCURACY := streets levels missing frequent peers nab skab severity naming machines ecommerce

.PHONY: toolchain demo test test-faults test-long lint rust-test bench bench-check accuracy $(ACCURACY:%=accuracy-%) wheel wheel-aarch64 test-aarch64 bench-aarch64 lock clean tools

demo: $(VENV)/.built
	$(BIN)/windrow demo

test: $(VENV)/.built tools lint rust-test
	$(BIN)/python -m mypy.stubtest windrow._windrow --mypy-config-file pyproject.toml --allowlist tests/stubtest_allowlist.txt
	$(BIN)/python -m pytest

lint: $(VENV)/.built
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p windrow-core --all-targets --locked --features shuttle -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

rust-test:
	cargo test -p windrow-core --locked
	cargo test -p windrow-core --locked --features loom --lib models
	cargo test -p windrow-core --locked --features shuttle --lib models

# The same, for longer: more preemptions, more random schedules, more generated input.
test-long: $(VENV)/.built tools
	LOOM_MAX_PREEMPTIONS=4 cargo test --release -p windrow-core --locked --features loom --lib models
	SHUTTLE_RUNS=200000 cargo test --release -p windrow-core --locked --features shuttle --lib models
	HYPOTHESIS_PROFILE=slow WINDROW_STRESS=50 WINDROW_FUZZ=20000 $(BIN)/python -m pytest

# Kills, floods and full disks at their full size.
test-faults: $(VENV)/.built tools
	WINDROW_KILLS=200 WINDROW_FAULTS=full $(BIN)/python -m pytest -s tests/test_faults.py tests/test_faults_kill.py

# The peers beside us, in one run; the table and the chart go to bench/results.
bench: $(VENV)/.built $(LIMITS)
	@scripts/install_tools.sh bench
	$(BIN)/python -m pytest bench --save

# The same, failing where a floor isn't reached or a kernel has grown.
bench-check: $(VENV)/.built $(LIMITS)
	@scripts/install_tools.sh bench
	$(BIN)/python -m pytest bench --check

# Accuracy on public data (WINDROW_DATA), section by section into bench/accuracy/README.md.
accuracy: $(ACCURACY:%=accuracy-%)

$(ACCURACY:%=accuracy-%): accuracy-%: $(VENV)/.built
	$(BIN)/python bench/accuracy/$*.py

# What the benches hold us against in Rust; never in the wheel.
$(LIMITS): bench/native/Cargo.toml bench/native/src/lib.rs Cargo.lock | toolchain
	PYO3_BUILD_EXTENSION_MODULE=1 cargo build --release --locked --package windrow-bench
	@cp target/release/libwindrow_bench.so $@

wheel: $(VENV)/.ready
	$(BIN)/maturin build --release --locked --out dist
	@ls -l dist

# On x86-64 Debian 12, without hardware: built for aarch64, tested under emulation.
wheel-aarch64: | toolchain
	@scripts/aarch64.sh wheel

test-aarch64: | toolchain
	@scripts/aarch64.sh test

# Instructions a row on aarch64, beside those of x86-64; the table goes to bench/results.
bench-aarch64: | toolchain
	@scripts/aarch64.sh count --save

# The extension as shipped, in release mode, importable from the checkout.
$(VENV)/.built: $(VENV)/.ready $(RUST) | toolchain
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --reinstall \
	  --config-settings build-args=--locked --editable .
	@touch $@

toolchain:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.88 or newer, for example by rustup (https://rustup.rs)"; exit 1; }

$(VENV)/.ready: requirements.lock pyproject.toml | toolchain
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: set PYTHON to a newer one"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	@touch $@

# What the tests need beside Python and Rust: a browser for the report, a broker for MQTT.
tools:
	@scripts/install_tools.sh

lock: pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-annotate --no-header --no-emit-index-url \
	  --all-extras --group dev pyproject.toml requirements.in -o requirements.lock

clean:
	rm -rf $(VENV) target dist demo
