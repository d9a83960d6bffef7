#!/bin/sh
# KVM exit round trip: our run loop (NativeAOT) against the shortest loop in C, taken in turns. Thread CPU time; medians.
# Use: tests/benchmarks/kvm-exit.sh [ROUNDS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
rounds=${1:-9}
[ -w /dev/kvm ] || { echo "kvm-exit: /dev/kvm cannot be used here" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -o "$work/c" "$here/kvm-exit/kvm-exit.c"
dotnet publish "$here/kvm-exit/KvmExit.csproj" -c Release -v q --nologo -o "$work/cs" >"$work/publish.log" 2>&1 || { cat "$work/publish.log" >&2; exit 1; }
i=0
while [ "$i" -lt "$rounds" ]; do
  "$work/c" >>"$work/c.txt"
  "$work/cs/kvm-exit" >>"$work/cs.txt"
  i=$((i + 1))
done
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
c=$(median "$work/c.txt")
cs=$(median "$work/cs.txt")
awk -v c="$c" -v cs="$cs" -v n="$rounds" 'BEGIN { printf "KVM exit round trip, median of %d runs: C %d ns, C# %d ns, ratio %.3f\n", n, c, cs, cs / c }'
