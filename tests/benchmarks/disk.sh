#!/usr/bin/env bash
# Figures of a virtio disk: out/vmm on the software CPU against QEMU's TCG, the same kernel, initial RAM disk, image and program (blockio:
# Linux AIO past the guest's page cache), medians of 3 (RUNS=n changes that). SECONDS_EACH, DEPTH and FORMATS can be set, too.
# Not part of the tests: the machine should have nothing else to do.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

runs=${RUNS:-3} seconds=${SECONDS_EACH:-3} depth=${DEPTH:-32} formats=${FORMATS:-raw qcow2}
patience=${PATIENCE:-300}
[ -x "$root/out/vmm" ] && [ -s "$guests/vmlinux" ] || die "run examples/build.sh and examples/guests.sh first"
need_packages qemu-system-x86 qemu-utils
tmp=$(mktemp -d "$root/out/disk-bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
"$root/tests/proofs/blockio/build.sh" "$tmp"
first=(); chrt -f 5 true 2>/dev/null && first=(chrt -f 5)

names=('4 KiB random read, operations/s' '4 KiB random write, operations/s' '1 MiB sequential read, MB/s' '1 MiB sequential write, MB/s' '4 KiB random read, depth 1, operations/s')
work="bench /dev/vda read random 4096 $depth $seconds;bench /dev/vda write random 4096 $depth $seconds"
work+=";bench /dev/vda read sequential 1048576 4 $seconds;bench /dev/vda write sequential 1048576 4 $seconds;bench /dev/vda read random 4096 1 $seconds"

# measure NAME FORMAT COMMAND...: one boot; appends each figure to $tmp/NAME.FORMAT.N
measure() {
  local name=$1 format=$2 n=0 line
  shift 2
  "${first[@]}" timeout "$patience" "$@" </dev/null >"$tmp/output" 2>"$tmp/errors" || true
  grep -q 'blockio: over' "$tmp/output" || { tail -n 20 "$tmp/output" "$tmp/errors" >&2; die "$name did not come to its end"; }
  while read -r line; do
    case $n in
      2 | 3) awk '{ printf "%.0f\n", $4 / 1e6 }' <<<"$line" ;;
      *) awk '{ print $2 }' <<<"$line" ;;
    esac >>"$tmp/$name.$format.$n"
    n=$((n + 1))
  done < <(tr -d '\r' <"$tmp/output" | grep 'operations/s')
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

for format in $formats; do
  image=$tmp/disk.$format
  head -c 512M /dev/urandom >"$tmp/content"
  qemu-img convert -f raw -O "$format" "$tmp/content" "$image"
  rm "$tmp/content"
  for _ in $(seq "$runs"); do
    measure vmm "$format" "$root/out/vmm" run --accel software --memory 256M --kernel "$guests/vmlinux" --initrd "$tmp/initrd.img" \
      --append "console=ttyS0 quiet blockio:$work" --disk "path=$image,format=$format,aio=${AIO:-auto}"
    measure qemu "$format" qemu-system-x86_64 -accel tcg -m 256 -nographic -no-reboot -net none -kernel "$guests/vmlinux" -initrd "$tmp/initrd.img" \
      -append "console=ttyS0 quiet blockio:$work" -drive "file=$image,format=$format,if=virtio,cache=writeback,discard=unmap"
  done
  rm "$image"
done

printf '%-52s %12s %12s %8s\n' "medians of $runs, depth $depth" vmm 'qemu tcg' ratio
for format in $formats; do
  for n in "${!names[@]}"; do
    a=$(median <"$tmp/vmm.$format.$n") b=$(median <"$tmp/qemu.$format.$n")
    printf '%-52s %12s %12s %8s\n' "$format: ${names[n]}" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')"
  done
done
