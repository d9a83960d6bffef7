#!/usr/bin/env bash
# A disk served by a process of its own (--device-model on) against one served in the guest's process: the same kernel and program
# (blockio), in turn, medians of 3 (RUNS=n changes that). SECONDS_EACH, DEPTH and FORMATS can be set, too. Then what the two processes
# hold beside guest RAM. Not part of the tests: the machine should have nothing else to do.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

runs=${RUNS:-3} seconds=${SECONDS_EACH:-3} depth=${DEPTH:-32} formats=${FORMATS:-raw qcow2} patience=${PATIENCE:-300} vmm=${VMM:-$root/out/vmm}
[ -x "$vmm" ] && [ -s "$guests/vmlinux" ] || die "run examples/build.sh and examples/guests.sh first"
need_packages qemu-utils procps
tmp=$(mktemp -d "$root/out/device-model-bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
"$root/tests/proofs/blockio/build.sh" "$tmp"

names=('4 KiB random read, operations/s' '4 KiB random write, operations/s' '1 MiB sequential read, MB/s' '1 MiB sequential write, MB/s' '4 KiB random read, depth 1, operations/s')
work="bench /dev/vda read random 4096 $depth $seconds;bench /dev/vda write random 4096 $depth $seconds"
work+=";bench /dev/vda read sequential 1048576 4 $seconds;bench /dev/vda write sequential 1048576 4 $seconds;bench /dev/vda read random 4096 1 $seconds"

# held PID: kB that a process holds, without guest RAM; shared pages in equal parts. By kinds of mappings.
held() {
  awk '/^[0-9a-f]+-[0-9a-f]+ / { name = $6 } /^Pss:/ { if (name !~ /^\/memfd:/ || name ~ /inflight/) {
      kind = name ~ /vmm/ ? "executable" : name ~ /^\// ? "libraries" : name ~ /stack/ ? "stack" : "heap"; sum[kind] += $2; all += $2 } }
    END { printf "%d", all; for (kind in sum) printf " %s=%d", kind, sum[kind]; print "" }' "/proc/$1/smaps"
}

# measure NAME FORMAT OPTIONS...: one boot; appends each figure to $tmp/NAME.FORMAT.N
measure() {
  local name=$1 format=$2 n=0 line timer guest child
  shift 2
  timeout "$patience" "$vmm" run --accel software --memory 256M --kernel "$guests/vmlinux" --initrd "$tmp/initrd.img" \
    --append "console=ttyS0 quiet blockio:$work" "$@" </dev/null >"$tmp/output" 2>"$tmp/errors" &
  timer=$!
  until grep -q 'random 4096 1 ' <(grep '^==' "$tmp/output") || ! kill -0 "$timer" 2>/dev/null; do sleep 0.2; done
  guest=$(pgrep -P "$timer" || true)
  child=$([ -z "$guest" ] || pgrep -P "$guest" -f device-model || true)
  [ -z "$guest" ] || held "$guest" >"$tmp/$name.memory" || true
  [ -z "$child" ] || held "$child" >"$tmp/$name.child" || true
  wait "$timer" || true
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
    measure inside "$format" --disk "path=$image,format=$format"
    measure apart "$format" --device-model on --disk "path=$image,format=$format"
  done
  rm "$image"
done

printf '%-48s %12s %12s %8s\n' "medians of $runs, depth $depth" 'in process' 'device model' ratio
for format in $formats; do
  for n in "${!names[@]}"; do
    a=$(median <"$tmp/inside.$format.$n") b=$(median <"$tmp/apart.$format.$n")
    printf '%-48s %12s %12s %8s\n' "$format: ${names[n]}" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", b / a }')"
  done
done
say "held beside guest RAM, kB: one process $(cat "$tmp/inside.memory"); the guest's process $(cat "$tmp/apart.memory"); its device model $(cat "$tmp/apart.child")"
