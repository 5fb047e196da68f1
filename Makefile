# cibridge: `make demo` shows it at work, `make test` runs everything that CI runs.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
MVN     ?= mvn

MUSL := x86_64-unknown-linux-musl
GNU  := x86_64-unknown-linux-gnu

# The musl standard library: rustup's, or a sysroot folder that MUSL_SYSROOT names (a rustup layout made elsewhere).
MUSL_SYSROOT ?=
# Nothing unwinds in the release profile (see src/unwinder.rs), and relative relocations have a short form (musl 1.2.4
# and newer reads it, Rust's own since 1.93): a fifth less file.
MUSL_FLAGS := -C force-unwind-tables=no -C link-arg=-Wl,-T,.cargo/no-unwind-tables.ld -C link-arg=-Wl,--no-eh-frame-hdr \
  -C link-arg=-Wl,-z,pack-relative-relocs
export CFLAGS_x86_64_unknown_linux_musl := -fno-asynchronous-unwind-tables -fno-unwind-tables
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS := $(MUSL_FLAGS) $(if $(MUSL_SYSROOT),--sysroot $(MUSL_SYSROOT))
ifneq ($(MUSL_SYSROOT),)
HAVE_MUSL := 1
else
HAVE_MUSL := $(shell ls "$$(rustc --print target-libdir --target $(MUSL) 2>/dev/null)"/libstd-*.rlib >/dev/null 2>&1 && echo 1)
endif
# The fallback is a static glibc binary, which reads names from files and DNS only (see src/main.rs).
TARGET ?= $(if $(HAVE_MUSL),$(MUSL),$(GNU))
export CC_x86_64_unknown_linux_musl ?= $(shell command -v musl-gcc || echo cc)

# Set for the release alone: what runs while building (proc macros) cannot be linked statically to glibc.
RELEASE := $(if $(filter $(GNU),$(TARGET)),CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static") \
  $(CARGO) build --locked --release --target $(TARGET)

# Bytes that the musl binary may have: it is copied to many agents.
LIMIT := 2200000

BIN := target/$(TARGET)/release/cibridge
SIM := target/$(TARGET)/release/cibridge-simulator

.PHONY: help build static simulator test test-rust test-library lint bench demo install clean tools-rust tools-library

help: ## List the rules
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: tools-rust ## Build the static binary
	$(RELEASE) -p cibridge
	@$(MAKE) -s static

static:
	@! readelf -lW $(BIN) | grep -q INTERP || { echo "$(BIN) asks for an interpreter: it is not static" >&2; exit 1; }
	@! readelf -dW $(BIN) | grep -q NEEDED || { echo "$(BIN) needs shared libraries: it is not static" >&2; exit 1; }
	@size=$$(stat -c %s $(BIN)); echo "$(BIN): static, $$size bytes"; \
	  [ "$(TARGET)" != $(MUSL) ] || [ $$size -le $(LIMIT) ] || { echo "$(BIN) is larger than $(LIMIT) bytes" >&2; exit 1; }

simulator: tools-rust
	$(RELEASE) -p cibridge-simulator

test: test-rust test-library ## Run everything that CI runs

test-rust: build ## Test the built binary against the simulator
	CIBRIDGE_TEST_BIN=$(abspath $(BIN)) $(CARGO) test --locked --workspace

test-library: build simulator tools-library ## Test the Jenkins library with the built binary
	CIBRIDGE_BIN=$(abspath $(BIN)) CIBRIDGE_SIMULATOR_BIN=$(abspath $(SIM)) $(MVN) -B -q -f jenkins-lib/pom.xml verify

lint: tools-rust ## Check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

demo: build simulator ## Start a build on the embedded simulator, follow it, fetch its artifacts
	@CIBRIDGE=$(BIN) SIMULATOR=$(SIM) sh tests/demo.sh

bench: build simulator ## Compare with the `sh` + `curl` block
	@CIBRIDGE=$(BIN) SIMULATOR=$(SIM) sh tests/bench.sh

install: build ## Install into $(DESTDIR)$(PREFIX)/bin
	install -Dm755 $(BIN) $(DESTDIR)$(PREFIX)/bin/cibridge

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf jenkins-lib/target

tools-rust:
	@command -v $(CARGO) >/dev/null || { echo "missing: cargo (Rust 1.93 or newer), https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "missing: a C compiler (cc), e.g. apt-get install gcc" >&2; exit 1; }
	@command -v readelf >/dev/null || { echo "missing: readelf, e.g. apt-get install binutils" >&2; exit 1; }
	@[ -n "$(HAVE_MUSL)" ] || echo "note: no musl standard library (rustup target add $(MUSL)); building a static glibc binary" >&2

tools-library:
	@command -v java >/dev/null || { echo "missing: java 17, e.g. apt-get install openjdk-17-jdk-headless" >&2; exit 1; }
	@command -v $(MVN) >/dev/null || { echo "missing: mvn, e.g. apt-get install maven" >&2; exit 1; }
