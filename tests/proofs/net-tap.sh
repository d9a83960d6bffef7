#!/usr/bin/env bash
# The network device with Debian's kernel, over a TAP device in a bridge, in a network namespace that is made and removed: ping, 200 MiB each way
# with offloads on and off and with MTU 1500 and 9000, compared by checksum, and iperf3 in both directions. Root; out/vmm and out/guests are needed.
#   tests/proofs/net-tap.sh [MEBIBYTES]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/net-guest.sh"

mebibytes=${1:-200}
failed=0
start_network
make_net_initrd
head -c "$((mebibytes << 20))" /dev/urandom >"$work/data"
sum=$(md5sum <"$work/data")
become_in_namespace busybox httpd -f -p 8080 -h "$work" &
pids+=($!)

# transfer NAME MTU OPTIONS: a guest fetches the data, then gives them back.
transfer() {
  local name=$1 mtu=$2 options=$3 up='' try
  shift 3
  ip -n "$namespace" link set br0 mtu "$mtu"
  start_guest "$name" "wget -q -O /tmp/data http://10.9.0.1:8080/data; md5sum </tmp/data; httpd -p 8080 -h /tmp; echo serving; sleep 100000" \
    --net "tap,ifname=net-tap0,bridge=br0$options" "$@"
  expect_line "$name" serving
  for try in 1 2 3; do
    up=$(in_namespace busybox wget -q -O - http://10.9.0.2:8080/data | md5sum) && break
    sleep "$try"
  done
  end_guest
  report "$name, to the guest" "$(grep -c "${sum%% *}" "$work/$name.log")" 1
  report "$name, from the guest" "$up" "$sum"
}

# report WHAT GOT WANTED
report() {
  if [ "$2" = "$3" ]; then
    printf 'ok      %s: %s MiB the same\n' "$1" "$mebibytes"
  else
    printf 'FAILED  %s: %s instead of %s\n' "$1" "$2" "$3"
    failed=1
  fi
}

transfer offload-1500 1500 ''
transfer plain-1500 1500 ,offload=off
transfer offload-9000 9000 ''
transfer plain-9000 9000 ,offload=off
transfer queues 1500 ,queues=2 --vcpus 2

become_in_namespace iperf3 -s -1 -p 5201 >"$work/server1" &
become_in_namespace iperf3 -s -1 -p 5202 >"$work/server2" &
start_guest iperf "ping -q -c 100 -i 0.05 10.9.0.1; iperf3 -c 10.9.0.1 -p 5201 -t 10 -f m; iperf3 -c 10.9.0.1 -p 5202 -t 10 -R -f m; echo serving; sleep 100000" \
  --net tap,ifname=net-tap0,bridge=br0
expect_line iperf serving
end_guest
grep -E 'round-trip|sender|receiver' "$work/iperf.log"
exit $failed
