#!/usr/bin/env bash
# Ours and QEMU (TCG) with the same kernel and initial RAM disk, over TAP devices in one bridge, one after the other: ping, and iperf3 from and to
# the guest. Root; out/vmm and out/guests are needed.
#   tests/benchmarks/net.sh [SECONDS]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/../proofs/net-guest.sh"

seconds=${1:-10}
need_packages qemu-system-x86
start_network
make_net_initrd

measure() {
  local commands="ping -q -c 100 -i 0.05 10.9.0.1; iperf3 -c 10.9.0.1 -p 5201 -t $seconds -f m; iperf3 -c 10.9.0.1 -p 5202 -t $seconds -R -f m; echo serving; sleep 100000"
  in_namespace iperf3 -s -1 -p 5201 >/dev/null &
  in_namespace iperf3 -s -1 -p 5202 >/dev/null &
  if [ "$1" = qemu ]; then
    in_namespace qemu-system-x86_64 -accel tcg -m 1G -display none -serial "file:$work/qemu.log" -kernel "$guests/vmlinuz" -initrd "$work/initrd.img" \
      -netdev tap,id=n,ifname=net-tap1,script=no,downscript=no -device virtio-net-pci,netdev=n \
      -append "console=ttyS0 quiet run=${commands// /^}" 2>"$work/qemu.err" </dev/null &
    guest=$!
  else
    start_guest ours "$commands" --net tap,ifname=net-tap0,bridge=br0
  fi
  expect_line "$1" serving
  end_guest
  printf '%s\n' "$1"
  grep -E 'round-trip|sender|receiver' "$work/$1.log"
}

ip -n "$namespace" tuntap add net-tap1 mode tap
ip -n "$namespace" link set net-tap1 master br0 up
measure ours
measure qemu
