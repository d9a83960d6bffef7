#!/usr/bin/env bash
# Kills the process that serves a guest's disk at random moments, 100 times (KILLS=n changes that), while Debian's kernel writes, zeroes,
# discards, flushes and verifies every byte it reads. The guest must find no mistake, and the image must hold what it must in the end.
# VMM=FILE tries another executable; FORMAT=qcow2 another image. Our own guests have packed rings; FRONT=qemu puts QEMU (TCG) in front, whose
# rings are split.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

kills=${KILLS:-100} vmm=${VMM:-$root/out/vmm} format=${FORMAT:-raw} options=${OPTIONS:-} ops=${OPS:-4000} patience=${PATIENCE:-600} front=${FRONT:-vmm}
[ -x "$vmm" ] && [ -s "$guests/vmlinux" ] || die "run examples/build.sh and examples/guests.sh first"
need_packages qemu-utils procps $([ "$front" = vmm ] || echo qemu-system-x86)
tmp=$(mktemp -d "$root/out/device-model-kill.XXXXXX")
trap 'for pid in ${guest:-} ${served:-}; do kill -9 "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
"$root/tests/proofs/blockio/build.sh" "$tmp"
size=64M done=0 round=0 operations=0

# The process to kill: the child of the guest's process that is its device model, or the one that was started here.
model() { [ "$front" = vmm ] && { pgrep -P "$guest" -f device-model || true; } || echo "$served"; }

serve() {
  "$vmm" device-model --socket "$tmp/socket" --disk "path=$tmp/disk,format=$format,queues=2$options" 2>>"$tmp/errors" &
  served=$!
  for _ in $(seq 200); do [ -S "$tmp/socket" ] && return; sleep 0.05; done
}

run_guest() {
  append="console=ttyS0 quiet blockio:verify /dev/vda $seed $ops 32 4 1"
  if [ "$front" = vmm ]; then
    exec timeout "$patience" "$vmm" run --accel software --vcpus 2 --memory 256M --kernel "$guests/vmlinux" --initrd "$tmp/initrd.img" \
      --append "$append" --device-model on --disk "path=$tmp/disk,format=$format,queues=2$options"
  fi
  exec timeout "$patience" qemu-system-x86_64 -accel tcg -m 256M -object memory-backend-memfd,id=m,size=256M,share=on -machine q35,memory-backend=m -smp 2 \
    -kernel "$guests/vmlinuz" -initrd "$tmp/initrd.img" -append "$append" -chardev "socket,id=c,path=$tmp/socket,reconnect=1" \
    -device vhost-user-blk-pci,chardev=c,num-queues=2 -nographic -nic none -no-reboot
}

while [ "$done" -lt "$kills" ]; do
  round=$((round + 1))
  seed=$((RANDOM + 1))
  rm -f "$tmp/disk" "$tmp/expected"
  qemu-img create -q -f "$format" "$tmp/disk" "$size"
  [ "$front" = vmm ] || serve
  run_guest </dev/null >"$tmp/output" 2>>"$tmp/errors" &
  timer=$!
  sleep 0.3
  guest=$(pgrep -P "$timer")
  until grep -q '== verify' "$tmp/output" || ! kill -0 "$timer" 2>/dev/null; do sleep 0.2; done
  while kill -0 "$timer" 2>/dev/null && [ "$done" -lt "$kills" ]; do
    # QEMU looks for a new one every second.
    [ "$front" = vmm ] || sleep 1
    sleep "0.$((RANDOM % 9 + 1))"
    grep -q 'blockio: ver\|FAILED' "$tmp/output" && break
    pid=$(model)
    [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && done=$((done + 1))
    if [ "$front" != vmm ]; then
      wait "$pid" 2>/dev/null || true
      rm -f "$tmp/socket"
      serve
    fi
  done
  wait "$timer" || true
  guest=
  if [ -n "${served:-}" ]; then
    kill "$served" && wait "$served" || true
    served=
  fi
  grep -q 'blockio: verified' "$tmp/output" || { tail -n 30 "$tmp/output" "$tmp/errors" >&2; die "round $round: the guest found a mistake, or did not end"; }
  truncate -s "$size" "$tmp/expected"
  "$tmp/blockio" expect "$tmp/expected" "$seed"
  qemu-img compare -q -f raw -F "$format" "$tmp/expected" "$tmp/disk" || die "round $round: the image holds something else"
  operations=$((operations + ops))
  say "round $round: $done kills, $operations operations verified"
done
say "$format, $front in front: the device model was killed $done times under $operations verified operations: nothing lost, nothing doubled"
