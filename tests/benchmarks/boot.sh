#!/usr/bin/env bash
# Figures of a Debian boot: out/vmm on the software CPU against QEMU's TCG, same kernel and initrd, medians of 5 (RUNS=n changes that).
# Not part of the tests: the machine should have nothing else to do.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

runs=${RUNS:-5}
patience=${PATIENCE:-300}
append='console=ttyS0'
loop='i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo loop-$((6*7))-done'
[ -x "$root/out/vmm" ] && [ -s "$guests/vmlinux" ] || die "run examples/build.sh and examples/guests.sh first"
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 is needed (Debian: qemu-system-x86)"

ours=("$root/out/vmm" run --accel software --kernel "$guests/vmlinux" --initrd "$guests/initrd.img" --append "$append" --stats)
# QEMU boots an ELF kernel by its PVH entry.
theirs=(qemu-system-x86_64 -accel tcg -m 512 -nographic -no-reboot -net none -kernel "$guests/vmlinux" -initrd "$guests/initrd.img" -append "$append")

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# boot NAME COMMAND...: boots once to the shell, runs the loop, powers off; appends milliseconds to $tmp/NAME.{boot,loop} and, after
# the boot, the resident set less guest RAM in KiB to $tmp/NAME.rss.
boot() {
  local name=$1 start line pid
  shift
  start=$(now_ms)
  coproc guest { exec timeout "$patience" "$@" 2>"$tmp/$name.errors"; }
  pid=$guest_PID
  exec 3<&"${guest[0]}" 4>&"${guest[1]}"
  wait_for 'This is a busybox shell'
  echo $(($(now_ms) - start)) >>"$tmp/$name.boot"
  sleep 2
  rss "$pid" >>"$tmp/$name.rss"
  start=$(now_ms)
  printf '%s\n' "$loop" >&4
  wait_for 'loop-42-done'
  echo $(($(now_ms) - start)) >>"$tmp/$name.loop"
  printf 'poweroff -f\n' >&4
  while IFS= read -r -t "$patience" -u 3 line; do :; done
  wait "$pid" || true
  sed -n 's/.*, \([0-9]*\) instructions$/\1/p' "$tmp/$name.errors" >>"$tmp/$name.instructions"
}

wait_for() {
  local line
  while IFS= read -r -t "$patience" -u 3 line; do [[ $line == *"$1"* ]] && return; done
  die "'$1' did not come"
}

# rss PID: resident KiB of the child of timeout, without its guest RAM (a mapping of a memfd, or the largest one for QEMU).
rss() {
  local child
  child=$(pgrep -P "$1" | head -n 1)
  awk '/^[0-9a-f]+-/ { ram = /guest-ram/ } /^Rss:/ { if (ram) guest += $2; else { other += $2; if ($2 > most) most = $2 } }
       END { print guest ? other : other - most }' "/proc/${child:-$1}/smaps"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for _ in $(seq "$runs"); do
  boot vmm "${ours[@]}"
  boot qemu "${theirs[@]}"
done

# Start: a kernel that powers off with its first instructions, so nearly all CPU time is ours.
"$root/tests/benchmarks/poweroff-kernel.sh" "$tmp/poweroff"
for _ in $(seq 21); do
  { TIMEFORMAT='%U %S'; time "$root/out/vmm" run --accel software --kernel "$tmp/poweroff" --serial null 2>/dev/null; } 2>&1 | awk '{ print ($1 + $2) * 1000 }' >>"$tmp/start"
done

report() { printf '%-58s %10s %10s %8s\n' "$@"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
a=$(median <"$tmp/vmm.boot") b=$(median <"$tmp/qemu.boot")
c=$(median <"$tmp/vmm.loop") d=$(median <"$tmp/qemu.loop")
report "medians of $runs" vmm "qemu tcg" ratio
report "process start to the shell's first line, ms" "$a" "$b" "$(ratio "$a" "$b")"
report "shell loop of 200,000 iterations, ms" "$c" "$d" "$(ratio "$c" "$d")"
report "memory beside guest RAM after the boot, KiB RSS" "$(median <"$tmp/vmm.rss")" "$(median <"$tmp/qemu.rss")" ""
total=$(median <"$tmp/vmm.instructions")
report "guest instructions, boot and loop together, millions" "$((total / 1000000))" "" ""
report "the same, million each second" "$(awk -v n="$total" -v ms=$((a + c)) 'BEGIN { printf "%.0f", n / ms / 1000 }')" "" ""
report "CPU time of start, first instruction and power-off, ms" "$(median <"$tmp/start")" "" ""
