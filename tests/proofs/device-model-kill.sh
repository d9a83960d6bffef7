#!/usr/bin/env bash
# Kills the process that serves a guest's disk at random moments, 100 times (KILLS=n changes that), while Debian's kernel writes, zeroes,
# discards, flushes and verifies every byte it reads. The guest must find no mistake, and the image must hold what it must in the end.
# VMM=FILE tries another executable; FORMAT=qcow2 another image.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

kills=${KILLS:-100} vmm=${VMM:-$root/out/vmm} format=${FORMAT:-raw} options=${OPTIONS:-} ops=${OPS:-4000} patience=${PATIENCE:-600}
[ -x "$vmm" ] && [ -s "$guests/vmlinux" ] || die "run examples/build.sh and examples/guests.sh first"
need_packages qemu-utils procps
tmp=$(mktemp -d "$root/out/device-model-kill.XXXXXX")
trap '[ -z "${guest:-}" ] || kill -9 "$guest" 2>/dev/null || true; rm -rf "$tmp"' EXIT
"$root/tests/proofs/blockio/build.sh" "$tmp"
size=64M done=0 round=0 operations=0

# The child of the guest's process that is its device model.
model() { pgrep -P "$guest" -f device-model || true; }

while [ "$done" -lt "$kills" ]; do
  round=$((round + 1))
  seed=$((RANDOM + 1))
  rm -f "$tmp/disk" "$tmp/expected"
  qemu-img create -q -f "$format" "$tmp/disk" "$size"
  timeout "$patience" "$vmm" run --accel software --vcpus 2 --memory 256M --kernel "$guests/vmlinux" --initrd "$tmp/initrd.img" \
    --append "console=ttyS0 quiet blockio:verify /dev/vda $seed $ops 32 4 1" \
    --device-model on --disk "path=$tmp/disk,format=$format,queues=2$options" </dev/null >"$tmp/output" 2>"$tmp/errors" &
  timer=$!
  sleep 0.3
  guest=$(pgrep -P "$timer")
  until grep -q '^== verify' "$tmp/output" || ! kill -0 "$timer" 2>/dev/null; do sleep 0.2; done
  while kill -0 "$timer" 2>/dev/null && [ "$done" -lt "$kills" ]; do
    sleep "0.$((RANDOM % 9 + 1))"
    grep -q 'blockio: ver\|FAILED' "$tmp/output" && break
    pid=$(model)
    [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && done=$((done + 1))
  done
  wait "$timer" || true
  guest=
  grep -q 'blockio: verified' "$tmp/output" || { tail -n 30 "$tmp/output" "$tmp/errors" >&2; die "round $round: the guest found a mistake, or did not end"; }
  truncate -s "$size" "$tmp/expected"
  "$tmp/blockio" expect "$tmp/expected" "$seed"
  qemu-img compare -q -f raw -F "$format" "$tmp/expected" "$tmp/disk" || die "round $round: the image holds something else"
  operations=$((operations + ops))
  say "round $round: $done kills, $operations operations verified"
done
say "the device model was killed $done times under $operations verified operations: nothing lost, nothing doubled"
