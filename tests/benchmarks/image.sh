#!/usr/bin/env bash
# Figures of `vmm image` against qemu-img in the same run: converting a half-filled 4 GiB disk (raw to qcow2 and back) and checking the
# qcow2 image. Medians of 5 (RUNS=n), runs of both in turn, files in the page cache; SIZE_MIB=n changes the disk, FOLDER=path its place.
# Real-time priority, if that is allowed, keeps other work on the machine out of the figures. Not part of the tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

runs=${RUNS:-5}
size=${SIZE_MIB:-4096}
vmm=${VMM:-$root/out/vmm}
[ -x "$vmm" ] || die "run examples/build.sh first"
command -v qemu-img >/dev/null || die "qemu-img is needed (Debian: qemu-utils)"
tmp=$(mktemp -d "${FOLDER:-${TMPDIR:-/tmp}}/vmm-image.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
urgent=()
chrt -f 5 true 2>/dev/null && urgent=(chrt -f 5)

# Random bytes and holes in turn, in pieces of 1 to 16 MiB.
say "making a disk of $size MiB, half of it filled"
truncate -s "${size}M" "$tmp/disk.raw"
at=0 piece=1
while [ "$at" -lt "$size" ]; do
  dd if=/dev/urandom of="$tmp/disk.raw" bs=1M count="$piece" seek="$at" conv=notrunc status=none
  at=$((at + 2 * piece)) piece=$((piece % 16 + 1))
done
truncate -s "${size}M" "$tmp/disk.raw"

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# timed NAME COMMAND...: appends milliseconds to $tmp/NAME.
timed() {
  local name=$1 start
  shift
  start=$(date +%s%N)
  "${urgent[@]}" "$@" >/dev/null
  echo $((($(date +%s%N) - start) / 1000000)) >>"$tmp/$name"
}

# both NAME OURS THEIRS: one run of each, the words of their commands split at blanks; who begins changes.
both() {
  local name=$1
  rm -f "$tmp"/new.*
  # shellcheck disable=SC2086
  if [ $((turn % 2)) -eq 0 ]; then
    timed "$name.ours" "$vmm" image $2
    timed "$name.theirs" qemu-img $3
  else
    timed "$name.theirs" qemu-img $3
    timed "$name.ours" "$vmm" image $2
  fi
}

"$vmm" image convert -f raw -O qcow2 "$tmp/disk.raw" "$tmp/disk.qcow2"
for turn in $(seq "$runs"); do
  both raw-qcow2 "convert -f raw -O qcow2 $tmp/disk.raw $tmp/new.ours" "convert -f raw -O qcow2 $tmp/disk.raw $tmp/new.theirs"
  both qcow2-raw "convert -f qcow2 -O raw $tmp/disk.qcow2 $tmp/new.ours" "convert -f qcow2 -O raw $tmp/disk.qcow2 $tmp/new.theirs"
  cmp "$tmp/disk.raw" "$tmp/new.ours" || die "the content came back changed"
  both check "check -f qcow2 $tmp/disk.qcow2" "check -f qcow2 $tmp/disk.qcow2"
done

printf '%-12s %10s %10s %6s   (limit)\n' '' 'vmm' 'qemu-img' ratio
for row in raw-qcow2:1.0 qcow2-raw:1.0 check:1.5; do
  name=${row%:*}
  ours=$(median <"$tmp/$name.ours") theirs=$(median <"$tmp/$name.theirs")
  printf '%-12s %7s ms %7s ms %6s   (%s)\n' "$name" "$ours" "$theirs" "$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.2f", a / (b ? b : 1) }')" "${row#*:}"
done
