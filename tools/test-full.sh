#!/usr/bin/env bash
# Every test at full size and every figure, written to docs/reports/DATE.md. Takes two hours or so on two cores.
# With names of parts (tests intake promising import delivery trial playbooks millions poison fuzz), those alone: they
# are added to the day's report, where there is one.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=" ${*:-tests intake promising import delivery trial playbooks millions poison fuzz} "
wanted() { [[ $parts == *" $1 "* ]]; }
mkdir -p docs/reports
day=$(date -u +%F)
report=docs/reports/$day.md
work=$(mktemp -d "${TMPDIR:-/tmp}/inyeon-full.XXXXXX")
trap 'rm -rf "$work"' EXIT
data=${INYEON_DATA:-../shared/data}

# Peak memory is told by GNU time.
[ -x /usr/bin/time ] || { apt-get update -qq && apt-get install -y -qq time; }

section() { printf '\n## %s\n\n' "$1" >>"$report"; }
block() { printf '```text\n' >>"$report"; cat >>"$report"; printf '```\n' >>"$report"; }

changes=$(git diff --quiet || echo ' with changes')
{
  printf '# Full run of %s\n\n' "$day"
  printf 'Commit %s%s; %s cores, %s; %s. Figures of speed are of this machine at this hour: read the ratios.\n' \
    "$(git rev-parse --short HEAD)" "$changes" "$(nproc)" \
    "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)" "$(rustc --version)"
} >"$work/head"
if [ $# -gt 0 ] && [ -f "$report" ]; then
  { echo; tail -n 1 "$work/head" | sed 's/^Commit/From here on: commit/'; } >>"$report"
else
  mv "$work/head" "$report"
fi

if wanted tests; then
section 'Tests at full size'
INYEON_TEST_SCALE=full cargo test --workspace --features inyeon/faults -- --nocapture >"$work/tests.log" 2>&1 \
  || { tail -n 60 "$work/tests.log"; exit 1; }
# What the tests print of themselves, and their totals.
grep -E '^test result|^R[0-9].*: |killed [0-9]+ times|[0-9]+ (tries|kills|losses of power)|bytes spilled|at the peak' "$work/tests.log" \
  | sort | uniq -c | sed 's/^ *1 //' | block
fi

cargo build --release -p inyeon
inyeon=$PWD/target/release/inyeon

if wanted intake; then
section 'Intake'
(cd "$work" && "$inyeon" benchmark intake --seconds "${BENCH_SECONDS:-60}" 2>/dev/null) | block
fi

if wanted promising; then
section 'Promising'
(cd "$work" && "$inyeon" benchmark promising --seconds "${BENCH_SECONDS:-60}" 2>/dev/null) | block
fi

if wanted import; then
section 'Import'
if [ -d "$data/olist" ]; then
  {
    /usr/bin/env time -f 'olist: %e s, peak %M KiB' "$inyeon" --store "$work/olist" -q import olist "$data/olist"
    /usr/bin/env time -f 'olist again: %e s, peak %M KiB' "$inyeon" --store "$work/olist" -q import olist "$data/olist"
    "$inyeon" --store "$work/olist" report promises
    /usr/bin/env time -f 'online_retail: %e s, peak %M KiB' \
      "$inyeon" --store "$work/retail" -q import csv "$data/online_retail/online_retail.csv.zst" --map maps/online_retail.yaml
  } 2>&1 | block
else
  echo "skipped: no records in $data" | block
fi
fi

if wanted delivery; then
section 'Promises from delivery times'
if [ -d "$data/olist" ]; then
  [ -d "$work/olist" ] || "$inyeon" --store "$work/olist" -q import olist "$data/olist"
  for cutoff in ${CUTOFFS:-2018-01-01 2018-02-01 2018-03-01 2018-04-01}; do
    /usr/bin/env time -f "$cutoff: %e s, peak %M KiB" \
      "$inyeon" --store "$work/olist" promise backtest --cutoff "$cutoff"
    "$inyeon" --store "$work/olist" promise backtest --cutoff "$cutoff" --frozen
  done 2>&1 | block
else
  echo "skipped: no records in $data" | block
fi
rm -rf "$work/olist" "$work/retail"
fi

if wanted trial; then
section 'Operations on trial'
(cd "$work" && "$inyeon" -q trial operations) | block
fi

if wanted playbooks; then
section 'Playbooks'
for one in PB01 PB02 PB03 PB23; do
  # A fleet's year takes minutes of a core.
  case $one in PB02) seeds=${FLEET_SEEDS:-4} ;; *) seeds=${SEEDS:-20} ;; esac
  /usr/bin/env time -f "$one, $seeds seeds: %e s, peak %M KiB" \
    "$inyeon" -q playbook run "$one" --seeds "$seeds" ${PLAIN:+--plain} 2>&1 | block
done
fi

if wanted millions; then
section 'Ten million events'
tools/import-memory.sh "$inyeon" "$work" "${IMPORT_EVENTS:-10000000}" 2>&1 | block
fi

if wanted poison; then
section 'Poison'
# The event on which the fold fails is only in a build with faults.
cargo build --release -p inyeon --features faults
(cd "$work" && "$inyeon" benchmark intake --only poison --seconds "${BENCH_SECONDS:-60}" 2>/dev/null) | block
fi

if wanted fuzz; then
section 'Fuzzing'
if [ -x fuzz/run.sh ]; then fuzz/run.sh "${FUZZ_SECONDS:-60}" 2>&1 | grep -E '^(==|#|stat::)' | tail -n 20 | block; fi
fi
echo "written: $report"
