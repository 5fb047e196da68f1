# cibridge: `make demo` shows it at work, `make test` runs all tests.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
MVN     ?= mvn
# The targets that are released; TARGET=… chooses one for `make dist` and `make test-dist`, and the one of `make build`.
RELEASED     := x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu
DIST_TARGETS := $(or $(TARGET),$(RELEASED))
TARGET       ?= x86_64-unknown-linux-musl

# The largest binary that `make build` accepts, in bytes: it is copied to many agents.
LIMIT := 4450000

# What Cargo.toml says, so that it is said once.
VERSION     := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
RUST_OLDEST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# Where cargo builds; CARGO_TARGET_DIR moves it.
OUT := $(or $(CARGO_TARGET_DIR),target)
BIN := $(OUT)/$(TARGET)/release/cibridge
SIM := $(OUT)/$(TARGET)/release/cibridge-simulator

# The tests wait more than they compute, so more of them run than there are cores.
export RUST_TEST_THREADS ?= 8

.PHONY: help play pictures build simulator test matrix load fuzz test-rust test-library pages test-debug lint bench demo install uninstall dist test-dist \
  test-targets test-reproducible release-check \
  check-macos dist-packages dist-tools clean target tools-rust tools-library

help: ## List the rules
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

build: tools-rust target ## Build the static binary that is shipped
	$(CARGO) build --locked --release --target $(TARGET) -p cibridge
	@! readelf -lW $(BIN) | grep -q INTERP || { echo "$(BIN): not static, it names an interpreter" >&2; exit 1; }
	@! readelf -dW $(BIN) | grep -q NEEDED || { echo "$(BIN): not static, it needs shared libraries" >&2; exit 1; }
	@size=$$(stat -c %s $(BIN)); echo "$(BIN): static, $$size bytes"; \
	  [ $$size -le $(LIMIT) ] || { echo "$(BIN): larger than $(LIMIT) bytes" >&2; exit 1; }

simulator: tools-rust target ## Build the simulator of both services
	$(CARGO) build --locked --release --target $(TARGET) -p cibridge-simulator

test: test-library test-rust ## Test the built binary and the Jenkins library
	@echo "all tests passed"

test-rust: build ## Test the built binary against the simulator
	CIBRIDGE_TEST_BIN=$(abspath $(BIN)) $(CARGO) test --locked --workspace --all-targets

test-library: build simulator tools-library ## Test the Jenkins library with the built binary
	CIBRIDGE_BIN=$(abspath $(BIN)) CIBRIDGE_SIMULATOR_BIN=$(abspath $(SIM)) $(MVN) -B -q -f jenkins-lib/pom.xml verify

pages: tools-library ## Write the library's help pages, argument list and GDSL file from jenkins-lib/steps.groovy
	$(MVN) -B -q -f jenkins-lib/pom.xml verify -Dtest=PagesSpec -Dpages=write

test-debug: tools-rust ## Test a debug build against the simulator: quicker than test-rust
	$(CARGO) test --locked --workspace --all-targets

matrix: build ## Run the built binary against every fault, signal, echo and hostile text; writes tests/*-matrix.md
	CIBRIDGE_TEST_BIN=$(abspath $(BIN)) $(CARGO) test --locked --test cibridge -- --ignored --nocapture --test-threads 1 the_whole_

load: build ## Let 200 processes wait at once for ten minutes; writes tests/load.md
	CIBRIDGE_TEST_BIN=$(abspath $(BIN)) $(CARGO) test --locked --test cibridge -- --ignored --nocapture two_hundred_waits

fuzz: tools-rust ## Run libFuzzer on the tests of every decoder, SECONDS each (600); ONLY=… chooses tests
	sh tests/fuzz.sh $(or $(SECONDS),600) $(ONLY)

lint: tools-rust ## Check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@! command -v python3 >/dev/null || python3 -B -m unittest discover -q -s tests/bench

demo: build simulator ## Start a build on the simulator, watch it, download its artifacts
	@CIBRIDGE=$(BIN) SIMULATOR=$(SIM) sh tests/demo.sh

play: build simulator ## A shell in which `cibridge` talks to the simulator
	@CIBRIDGE=$(BIN) SIMULATOR=$(SIM) sh tests/play.sh

# Python and Chromium are not among the tools of a build; the pictures of Jenkins need a Jenkins: jenkins-lib/images/jenkins.py.
pictures: build simulator ## Make the terminal casts again, and with JENKINS_URL=… the pictures of Jenkins
	@command -v python3 >/dev/null || { echo "missing: python3, e.g. apt-get install python3 python3-venv" >&2; exit 1; }
	python3 -m venv $(OUT)/pictures
	$(OUT)/pictures/bin/pip install -q -r jenkins-lib/images/requirements.txt
	CIBRIDGE=$(BIN) SIMULATOR=$(SIM) $(OUT)/pictures/bin/python -B jenkins-lib/images/casts.py
	@[ -z "$(JENKINS_URL)" ] || SIMULATOR=$(SIM) $(OUT)/pictures/bin/python -B jenkins-lib/images/jenkins.py

bench: build simulator ## Compare with what people use instead; QUICK=1 in a minute, WRITE=1 for the README
	@command -v python3 >/dev/null || { echo "missing: python3, e.g. apt-get install python3 python3-venv" >&2; exit 1; }
	python3 -B -m unittest discover -q -s tests/bench
	python3 -B tests/bench --cibridge $(BIN) --simulator $(SIM) $(if $(QUICK),--quick) $(if $(WRITE),--write)

install: build ## Install into $(DESTDIR)$(PREFIX)/bin
	install -Dm755 $(BIN) $(DESTDIR)$(PREFIX)/bin/cibridge

uninstall: ## Remove what `make install` installed
	rm -f $(DESTDIR)$(PREFIX)/bin/cibridge

dist: tools-rust ## Build and pack the release in target/packages: all targets, or TARGET=…
	rm -rf target/packages
	@for target in $(DIST_TARGETS); do \
	  $(MAKE) -s target TARGET=$$target && LIMIT=$(LIMIT) sh .ci/release/dist.sh $$target target/packages || exit 1; \
	done
	sh .ci/release/index.sh target/packages

test-dist: ## Test what `make dist` made: install into empty roots, run under qemu-user and wine
	sh tests/dist/run.sh target/packages $(DIST_TARGETS)

test-targets: tools-rust ## Test the binaries for Linux on arm64 (under qemu-user) and for Windows (under wine)
	@for target in $(filter-out x86_64-unknown-linux-musl,$(DIST_TARGETS)); do \
	  $(MAKE) -s target TARGET=$$target && $(CARGO) build --locked --release --target $$target -p cibridge && \
	    sh tests/dist/core.sh $$target $(OUT)/$$target/release/cibridge$$(case $$target in *windows*) echo .exe ;; esac) || exit 1; \
	done

test-reproducible: ## Build the packages of TARGET in two folders and compare them
	sh tests/dist/reproducible.sh $(TARGET)

release-check: ## Check that TAG=vX.Y.Z, versions, changelog and the files in target/packages belong together
	sh .ci/release/release-check.sh "$(TAG)" target/packages $(RELEASED)

check-macos: ## Check that the code compiles for macOS, as far as that can be seen elsewhere
	@# The C parts of ring need the SDK of macOS; nothing is linked, so they may stay empty.
	@for target in x86_64-apple-darwin aarch64-apple-darwin; do \
	  $(MAKE) -s target TARGET=$$target && CC=true AR=true SDKROOT=/ $(CARGO) check --locked -p cibridge --target $$target || exit 1; \
	done

dist-packages: ## Install the Debian packages that `make dist` and `make test-dist` need
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends binutils buildah gcc gcc-aarch64-linux-gnu gcc-mingw-w64-x86-64 git zip unzip \
	  cpio qemu-user-static rpm wine wine64

dist-tools: ## Install the tools from crates.io that `make dist` needs
	$(CARGO) install --locked cargo-cyclonedx@0.5.9
	$(CARGO) install --locked cargo-deb@3.8.0
	$(CARGO) install --locked cargo-generate-rpm@0.21.1

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
