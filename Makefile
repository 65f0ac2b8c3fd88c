# What people do with this tree. `make run` needs Rust, a C compiler and Python; `make test` fetches what else it needs.
.PHONY: help run check unit it test deny msrv soak bench fuzz tools setup
.NOTPARALLEL:
.DEFAULT_GOAL := run

export CARGO_TARGET_DIR ?= $(CURDIR)/target
# Where tests/setup puts what only tests need; the test harness looks here too.
export OSTLER_TEST_ENV ?= $(CARGO_TARGET_DIR)/test-env
export PYTHONDONTWRITEBYTECODE = 1

need = command -v $(1) >/dev/null || { echo "ostler: $(1) is missing: $(2)" >&2; exit 69; }

# The oldest Rust that Cargo.toml declares.
rust := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# The test runner where it is, and what Rust brings elsewhere; both take a part of a test's name.
runner = PATH="$$PATH:$(OSTLER_TEST_ENV)/tools"; if cargo nextest --version >/dev/null 2>&1; \
	then exec cargo nextest run --locked --no-fail-fast $(1); \
	else exec cargo test --locked --no-fail-fast $(1); fi

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf 'make %-8s %s\n' "$$name" "$$what"; done

run: tools ## Builds Ostler and serves the example app: http://localhost:8080 and https://localhost:8443
	cargo build --release --locked -p ostler-cli
	exec "$(CARGO_TARGET_DIR)/release/ostler" serve examples/hello

check: tools ## Format, rules of the tree, lints: what to run before every commit
	cargo fmt --all --check
	cargo run -q --locked -p ostler-xtask -- tidy
	cargo clippy -q --locked --workspace --all-targets -- -D warnings

unit: tools ## The tests of each crate and of the Python child, without real gateways
	cd children/python && python3 -m unittest discover -s tests -t .
	cargo test -q --locked --doc -p ostler-job -p ostler-wire -p ostler-scheduler
	@$(call runner,--workspace --exclude ostler-tests --lib --bins --tests)

it: tools setup ## Tests against real processes whose names contain T: make it T=drain
	cargo build --locked --workspace --bins
	@$(call runner,-p ostler-tests --test it $(T))

# The test runner comes last, so that its summary is what remains on the screen.
test: tools setup check deny ## Everything that must hold
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc -q --locked --workspace --no-deps --document-private-items
	cd children/python && python3 -m unittest discover -s tests -t .
	cargo test -q --locked --doc -p ostler-job -p ostler-wire -p ostler-scheduler
	cargo build --locked --workspace --bins --tests
	@$(call runner,--workspace --lib --bins --tests)

# What is not there is said and fails nothing: neither the program nor its database is needed to work on the tree.
deny: ## Licences, bans, sources and known weaknesses of what we stand on, where cargo-deny is
	@if ! cargo deny --version >/dev/null 2>&1; \
	then echo "cargo-deny is not installed: licences, bans, sources and advisories are not checked"; exit 0; fi; \
	cargo deny --log-level error check bans licenses sources || exit; \
	if cargo deny --log-level off fetch db >/dev/null 2>&1 || ls -d "$${CARGO_HOME:-$$HOME/.cargo}"/advisory-dbs/*/ >/dev/null 2>&1; \
	then exec cargo deny --log-level error check --disable-fetch advisories; \
	else echo "the advisory database is not here and cannot be fetched: advisories are not checked"; fi

msrv: ## Checks with the oldest Rust that Cargo.toml declares; fetches it where rustup can
	@$(call need,rustup,it keeps more than one Rust: https://rustup.rs)
	@rustup run $(rust).0 rustc --version >/dev/null 2>&1 || rustup toolchain install $(rust).0 --profile minimal || \
	{ echo "ostler: Rust $(rust) cannot be fetched: the declared version is not tried" >&2; exit 69; }
	cargo +$(rust).0 check --locked --workspace --target-dir "$(CARGO_TARGET_DIR)/msrv"

# What nobody has tried, after what is tried each time: two minutes of the simulation, ten of cron expressions in all zones, which end earlier
# where all pairs are through, then 200 kills of a gateway whose schedules fire each second, and 200 for each of five histories of jobs. A
# failing seed is told with what repeats it.
soak: tools setup ## Seeds of the simulation that nobody has tried, all crons in all zones, 1,200 kills: half an hour
	cargo build --locked --workspace --bins --tests
	OSTLER_FRESH_SECONDS=$${OSTLER_FRESH_SECONDS:-120} cargo test --locked -p ostler-tests --test sim -- --nocapture nobody_has_tried
	OSTLER_CRON_SECONDS=$${OSTLER_CRON_SECONDS:-600} cargo test --locked --release -p ostler-cron-module --test cross -- --nocapture
	OSTLER_SCHEDULE_KILLS=$${OSTLER_SCHEDULE_KILLS:-200} cargo test --locked -p ostler-tests --test it -- --nocapture schedule_kills::
	OSTLER_SOAK_KILLS=200 exec cargo test --locked -p ostler-tests --test it -- --test-threads 1 --skip schedule_kills:: kills::

bench: tools setup ## Against the peers, in one run; writes what it measured to standard output
	exec tests/bench/run

fuzz: tools ## Runs each fuzz target for a minute; needs cargo-fuzz and a nightly toolchain
	@cargo fuzz --version >/dev/null 2>&1 || { echo "ostler: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 69; }
	for target in frames heads chunks; do \
	cargo +nightly fuzz run --fuzz-dir fuzz $$target -- -max_total_time=60 -max_len=16384 || exit; done

tools:
	@$(call need,cargo,install Rust $(rust) or newer with rustup)
	@$(call need,cc,install the package gcc (Debian$(comma) Ubuntu: build-essential))
	@$(call need,python3,install the package python3$(comma) 3.8 or newer)

setup:
	@tests/setup

comma := ,
