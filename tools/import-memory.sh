#!/usr/bin/env bash
# Imports N events and prints how much memory that takes as it goes: the line should be flat.
# usage: import-memory.sh INYEON WORKDIR EVENTS
set -euo pipefail
inyeon=$1 work=$2 events=$3
cat >"$work/events.yaml" <<'Y'
source: memory-test
rows:
  - name: views
    events:
      - event: browse.product_viewed
        key: "view:{id}"
        at: at
        user_id: user
        properties:
          product_id: product
Y
awk -v n="$events" 'BEGIN {
  print "id,at,user,product"
  for (i = 0; i < n; i++) {
    s = i % 86400; d = int(i / 86400)
    printf "e%d,2025-%02d-%02dT%02d:%02d:%02dZ,u%d,p%d\n", i, 1 + int(d / 28) % 12, 1 + d % 28, \
      int(s / 3600), int(s / 60) % 60, s % 60, (i * 7919) % 100000, i % 500
  }
}' >"$work/events.csv"
"$inyeon" --store "$work/memory" -q import csv "$work/events.csv" --map "$work/events.yaml" --json >"$work/import.json" &
pid=$!
begun=$(date +%s)
echo 'seconds  resident MiB  store MiB'
while kill -0 "$pid" 2>/dev/null; do
  rss=$(awk '/VmRSS/ {printf "%.0f", $2 / 1024}' "/proc/$pid/status" 2>/dev/null || true)
  [ -n "$rss" ] && printf '%7d  %12s  %9s\n' "$(($(date +%s) - begun))" "$rss" "$(du -sm "$work/memory" 2>/dev/null | cut -f1)"
  sleep "${INTERVAL:-15}"
done
wait "$pid"
grep -E '"(applied|events|bad_rows)"' "$work/import.json"
echo "seconds in all: $(($(date +%s) - begun))"
rm -rf "$work/memory" "$work/events.csv"
