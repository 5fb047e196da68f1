# cibridge: `make demo` shows it at work, `make test` runs all tests.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
MVN     ?= mvn
TARGET  ?= x86_64-unknown-linux-musl

# The largest binary that `make build` accepts, in bytes: it is copied to many agents.
LIMIT := 3200000

# What Cargo.toml says, so that it is said once.
VERSION     := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
RUST_OLDEST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# Where cargo builds; CARGO_TARGET_DIR moves it.
OUT := $(or $(CARGO_TARGET_DIR),target)
BIN := $(OUT)/$(TARGET)/release/cibridge
SIM := $(OUT)/$(TARGET)/release/cibridge-simulator

# The tests wait more than they compute, so more of them run than there are cores.
export RUST_TEST_THREADS ?= 8

.PHONY: help build simulator test test-rust test-library test-debug lint bench demo install clean target tools-rust tools-library

help: ## List the rules
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: tools-rust target ## Build the static binary that is shipped
	$(CARGO) build --locked --release --target $(TARGET) -p cibridge
	@! readelf -lW $(BIN) | grep -q INTERP || { echo "$(BIN): not static, it names an interpreter" >&2; exit 1; }
	@! readelf -dW $(BIN) | grep -q NEEDED || { echo "$(BIN): not static, it needs shared libraries" >&2; exit 1; }
	@size=$$(stat -c %s $(BIN)); echo "$(BIN): static, $$size bytes"; \
	  [ $$size -le $(LIMIT) ] || { echo "$(BIN): larger than $(LIMIT) bytes" >&2; exit 1; }

simulator: tools-rust target
	$(CARGO) build --locked --release --target $(TARGET) -p cibridge-simulator

test: test-library test-rust ## Test the built binary and the Jenkins library

test-rust: build ## Test the built binary against the simulator
	CIBRIDGE_TEST_BIN=$(abspath $(BIN)) $(CARGO) test --locked --workspace --all-targets

test-library: build simulator tools-library ## Test the Jenkins library with the built binary
	CIBRIDGE_BIN=$(abspath $(BIN)) CIBRIDGE_SIMULATOR_BIN=$(abspath $(SIM)) $(MVN) -B -q -f jenkins-lib/pom.xml verify

test-debug: tools-rust ## Test a debug build against the simulator: quicker than test-rust
	$(CARGO) test --locked --workspace --all-targets

lint: tools-rust ## Check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

demo: build simulator ## Start a build on the simulator, watch it, download its artifacts
	@CIBRIDGE=$(BIN) SIMULATOR=$(SIM) sh tests/demo.sh

bench: build simulator ## Compare with the `sh` + `curl` block
	@CIBRIDGE=$(BIN) SIMULATOR=$(SIM) sh tests/bench.sh

install: build ## Install into $(DESTDIR)$(PREFIX)/bin
	install -Dm755 $(BIN) $(DESTDIR)$(PREFIX)/bin/cibridge

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf jenkins-lib/target

# Adds the standard library of TARGET to the Rust in use, where rustup manages it.
target:
	@ls "$$(rustc --print target-libdir --target $(TARGET))"/libstd-*.rlib >/dev/null 2>&1 || \
	  { command -v rustup >/dev/null && rustup target add $(TARGET); } || \
	  { echo "missing: the Rust standard library for $(TARGET), e.g. rustup target add $(TARGET)" >&2; exit 1; }

tools-rust:
	@command -v $(CARGO) >/dev/null || { echo "missing: cargo (Rust $(RUST_OLDEST) or newer), https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "missing: a C compiler (cc), e.g. apt-get install gcc" >&2; exit 1; }
	@command -v readelf >/dev/null || { echo "missing: readelf, e.g. apt-get install binutils" >&2; exit 1; }

tools-library:
	@command -v java >/dev/null || { echo "missing: java 17, e.g. apt-get install openjdk-17-jdk-headless" >&2; exit 1; }
	@command -v $(MVN) >/dev/null || { echo "missing: mvn, e.g. apt-get install maven" >&2; exit 1; }
