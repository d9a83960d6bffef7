#!/usr/bin/env bash
# What it costs to create a domain: processor time of `vmm create` and of the domain's process up to the guest's first instruction (the domain
# is created paused), and the time that passes. Medians of RUNS (20) runs, with a tiny kernel and with Debian's. VMM= names the executable.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

vmm=${VMM:-$root/out/vmm} runs=${RUNS:-20}
[ -x "$vmm" ] || die "run examples/build.sh first"
[ -s "$guests/vmlinux" ] || die "run examples/guests.sh first"
work=$(mktemp -d)
export VMM_RUN_DIR=$work/run
trap 'rm -rf "$work"' EXIT

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.1f", v[int((NR + 1) / 2)] }'; }

measure() {
  local name=$1 config=$2 i pid
  printf 'name = "bench"\nmemory = 256\nvmm_accel = "software"\n%s\n' "$config" >"$work/bench.cfg"
  : >"$work/starter" >"$work/domain" >"$work/wall"
  for i in $(seq "$runs"); do
    TIMEFORMAT='%U %S %R'
    { time "$vmm" create -q -p "$work/bench.cfg"; } 2>"$work/time"
    awk '{ print ($1 + $2) * 1000 }' "$work/time" >>"$work/starter"
    awk '{ print $3 * 1000 }' "$work/time" >>"$work/wall"
    pid=$(sed -n 's/.*"processId": \([0-9]*\).*/\1/p' "$VMM_RUN_DIR"/*/domain.json)
    awk '{ s += $1 } END { print s / 1e6 }' /proc/"$pid"/task/*/schedstat >>"$work/domain"
    "$vmm" destroy bench
  done
  printf '%-8s create %s ms CPU, domain %s ms CPU, %s ms pass\n' "$name" "$(median <"$work/starter")" "$(median <"$work/domain")" "$(median <"$work/wall")"
}

measure debian "kernel = \"$guests/vmlinux\"
ramdisk = \"$guests/initrd.img\""
measure bzimage "kernel = \"$guests/vmlinuz\""
