# What each target promises is said in README.md and CONTRIBUTING.md.
CARGO ?= cargo
SCALE ?= quick

.PHONY: build demo prerequisites lint test test-full soak fuzz

build:
	$(CARGO) build --release -p inyeon

demo: build
	./target/release/inyeon demo

# A C compiler is all that the Rust packages need besides Rust; the fuzzer's own library is C++. The suite with other
# people's SDKs installs what they need by itself: Python packages, Node packages, Chromium. The tests of device
# brokers run against Debian's mosquitto; strace shows that what is answered was synced.
prerequisites:
	@command -v cc >/dev/null && command -v c++ >/dev/null || \
	  { command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq gcc g++ libc6-dev; }
	@PATH="$$PATH:/usr/sbin"; { command -v mosquitto && command -v strace; } >/dev/null || \
	  { command -v apt-get >/dev/null && apt-get update -qq && \
	    apt-get install -y -qq --no-install-recommends mosquitto strace; }

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features inyeon/faults -- -D warnings

test: prerequisites lint
	INYEON_TEST_SCALE=$(SCALE) $(CARGO) test --workspace --features inyeon/faults
	tests/clients/run.py --inyeon target/debug/inyeon
	tests/pages/run.py --inyeon target/debug/inyeon
	./fuzz/run.sh 5

test-full: prerequisites lint
	./tools/test-full.sh

soak:
	INYEON_TEST_SCALE=soak $(CARGO) test --release --workspace --features inyeon/faults

fuzz:
	./fuzz/run.sh 60
