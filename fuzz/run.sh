#!/usr/bin/env bash
# Runs every fuzz target for SECONDS (5 by default). Needs a stable toolchain and a C++ compiler, nothing else: the
# flags are those of `cargo fuzz run --sanitizer none`, which works here too. What made a target fail is kept in
# fuzz/artifacts; `fuzz/target/…/TARGET FILE` shows it again.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-5}
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
# With a target named, what runs while building is built without the flags.
cargo build --release --bins --target "$host"
# Every stored form that was ever written is a seed; the byte before it tells the target which one it is.
mkdir -p corpus/record_format
for file in ../crates/model/tests/golden/*/*.bin; do
  name=$(basename "$file" .bin)
  case $name in
    intake-*) kind='\000' ;; entry-*) kind='\001' ;; outcomes-*) kind='\002' ;; event-*) kind='\003' ;;
    rejected-*) kind='\004' ;; command-*) kind='\005' ;; *) kind='\006' ;;
  esac
  { printf "$kind"; cat "$file"; } >"corpus/record_format/$name"
done
for target in segment_parse record_format csv_map; do
  mkdir -p "corpus/$target" "artifacts/$target"
  [ ! -d "seeds/$target" ] || cp "seeds/$target/"* "corpus/$target/"
  echo "== $target, $seconds s"
  log=$(mktemp)
  if ! "target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="artifacts/$target/" -dict="seeds/$target.dict" -print_final_stats=1 "corpus/$target" >"$log" 2>&1; then
    tail -40 "$log"
    rm -f "$log"
    echo "$target failed; see fuzz/artifacts/$target" >&2
    exit 1
  fi
  grep -E 'stat::number_of_executed_units|stat::peak_rss_mb|DONE' "$log"
  rm -f "$log"
done
rm -rf /dev/shm/inyeon-fuzz-* "${TMPDIR:-/tmp}"/inyeon-fuzz-*
