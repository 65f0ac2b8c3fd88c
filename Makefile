# What people do with this tree. `make run` needs Rust, a C compiler and Python; `make test` fetches what else it needs.
.PHONY: run test soak bench fuzz tools setup
.NOTPARALLEL:

export CARGO_TARGET_DIR ?= $(CURDIR)/target
# Where tests/setup puts what only tests need; the test harness looks here too.
export OSTLER_TEST_ENV ?= $(CARGO_TARGET_DIR)/test-env
export PYTHONDONTWRITEBYTECODE = 1

need = command -v $(1) >/dev/null || { echo "ostler: $(1) is missing: $(2)" >&2; exit 69; }

# Builds Ostler and serves the example app: http://localhost:8080 and https://localhost:8443.
run: tools
	cargo build --release --locked -p ostler-cli
	exec "$(CARGO_TARGET_DIR)/release/ostler" serve examples/hello

# Everything that must hold. The test runner comes last, so that its summary is what remains on the screen.
test: tools setup
	cargo fmt --all --check
	cargo run -q --locked -p ostler-xtask -- tidy
	cargo clippy -q --locked --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --log-level error check bans licenses sources; \
	else echo "cargo-deny is not installed: licences, bans and sources are not checked"; fi
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc -q --locked --workspace --no-deps --document-private-items
	cd children/python && python3 -m unittest discover -s tests -t .
	cargo test -q --locked --doc -p ostler-job -p ostler-wire -p ostler-scheduler
	cargo build --locked --workspace --bins --tests
	@PATH="$$PATH:$(OSTLER_TEST_ENV)/tools"; if cargo nextest --version >/dev/null 2>&1; \
	then exec cargo nextest run --locked --workspace --no-fail-fast; \
	else exec cargo test --locked --workspace --no-fail-fast --lib --bins --tests; fi

# A thousand kills, 200 for each of five histories: some minutes.
soak: tools setup
	cargo build --locked --workspace --bins --tests
	OSTLER_SOAK_KILLS=200 exec cargo test --locked -p ostler-tests --test it -- --test-threads 1 kills::

# Against the peers, in one run; writes what it measured to standard output.
bench: tools setup
	exec tests/bench/run

# Runs the fuzz target for a minute; needs cargo-fuzz and a nightly toolchain.
fuzz: tools
	@cargo fuzz --version >/dev/null 2>&1 || { echo "ostler: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 69; }
	cargo +nightly fuzz run --fuzz-dir fuzz frames -- -max_total_time=60 -max_len=8192

tools:
	@$(call need,cargo,install Rust 1.89 or newer with rustup)
	@$(call need,cc,install the package gcc (Debian$(comma) Ubuntu: build-essential))
	@$(call need,python3,install the package python3$(comma) 3.8 or newer)

setup:
	@tests/setup

comma := ,
