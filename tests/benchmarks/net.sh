#!/usr/bin/env bash
# Ours and QEMU (TCG) with the same kernel and initial RAM disk, over TAP devices in one bridge, in turns: ping, and iperf3 from and to the guest.
# Medians and their ratio. Root; out/vmm and out/guests are needed.
#   RUNS=3 tests/benchmarks/net.sh [SECONDS]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/../proofs/net-guest.sh"

seconds=${1:-5}
runs=${RUNS:-3}
need_packages qemu-system-x86
start_network
make_net_initrd
ip -n "$namespace" tuntap add net-tap1 mode tap
ip -n "$namespace" link set net-tap1 master br0 up

measure() {
  serve_iperf
  if [ "$1" = qemu ]; then
    start_qemu qemu "$(iperf_commands 10.9.0.1 "$seconds")" -netdev tap,id=n,ifname=net-tap1,script=no,downscript=no -device virtio-net-pci,netdev=n
  else
    start_guest vmm "$(iperf_commands 10.9.0.1 "$seconds")" --net tap,ifname=net-tap0,bridge=br0
  fi
  expect_line "$1" serving
  end_guest
  take_figures "$1" "$1"
}

for ((run = 0; run < runs; run++)); do
  if ((run % 2 == 0)); then measure vmm && measure qemu; else measure qemu && measure vmm; fi
done
compare vmm qemu
