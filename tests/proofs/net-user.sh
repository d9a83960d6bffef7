#!/usr/bin/env bash
# The network that needs no privilege, with Debian's kernel, in a network namespace that is made and removed; the guest's gateway is its loopback.
# Much data each way with offloads on and off, by checksum, with a reader in the guest that is slow; 1000 connections; DHCP by Debian's dhclient
# and by systemd-networkd in the Debian system; ping and iperf3, in turns with QEMU's user network (slirp, TCG). Root; out/vmm and out/guests are needed.
#   RUNS=3 STEPS='transfers connections dhcp figures' tests/proofs/net-user.sh [MEBIBYTES [SECONDS]]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/net-guest.sh"

mebibytes=${1:-200}
seconds=${2:-5}
runs=${RUNS:-3}
failed=0
need_packages qemu-system-x86 socat
guest_address=10.0.2.15
start_network
make_net_initrd

# report WHAT GOT WANTED
report() {
  if [ "$2" = "$3" ]; then
    printf 'ok      %s: %s\n' "$1" "$3"
  else
    printf 'FAILED  %s: %s instead of %s\n' "$1" "$2" "$3"
    failed=1
  fi
}

# transfer NAME OPTIONS: a guest fetches the data, reads them again slowly (the host must wait), and gives them back.
transfer() {
  local name=$1 options=$2
  # No server here has a limit of time; what reads from the guest says how much it got.
  become_in_namespace socat -u "TCP-LISTEN:7002,reuseaddr" "OPEN:$work/$name.back,creat,trunc" &
  local back=$!
  pids+=("$back")
  start_guest "$name" "wget -q -O /tmp/data http://10.0.2.2:8080/data; echo fast \$(md5sum </tmp/data); echo slow \$(nc 10.0.2.2 7001 </dev/null | (while dd bs=65536 count=64 iflag=fullblock 2>/dev/null >/tmp/piece && [ -s /tmp/piece ]; do cat /tmp/piece; usleep 20000; done) | md5sum); nc 10.0.2.2 7002 </tmp/data; echo sent; sleep 100000" \
    --net "user$options"
  expect_line "$name" sent
  for ((second = 0; second < 10; second++)); do kill -0 "$back" 2>/dev/null || break; sleep 1; done
  end_guest
  report "$name, to the guest" "$(sed -n 's/^fast \([0-9a-f]*\).*/\1/p' "$work/$name.log")" "$sum"
  report "$name, to a slow reader in the guest" "$(sed -n 's/^slow \([0-9a-f]*\).*/\1/p' "$work/$name.log")" "$sum"
  report "$name, from the guest" "$(md5sum <"$work/$name.back" | cut -d ' ' -f 1)" "$sum"
  rm "$work/$name.back"
}

connections() {
  start_guest connections "i=0; n=0; while [ \$i -lt 1000 ]; do i=\$((i+1)); [ \"\$(echo line\$i | nc 10.0.2.2 7003)\" = line\$i ] && n=\$((n+1)); done; echo answered \$n; sleep 100000" --net user
  expect_line connections answered
  end_guest
  report 'connections in a row' "$(sed -n 's/^answered \([0-9]*\).*/\1/p' "$work/connections.log")" 1000
}

# dhcp: the whole Debian, by both of its clients. Interface names are the kernel's (net.ifnames=0).
dhcp() {
  local commands='stty -echo; echo begin; ip link set eth0 down; dhclient -1 -v eth0 2>&1 | grep -o "bound to [0-9.]*"; dhclient -r eth0 2>/dev/null; ip addr flush dev eth0
printf "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n" >/etc/systemd/network/eth0.network
systemctl restart systemd-networkd; i=0; while [ $i -lt 600 ] && ! networkctl status eth0 2>/dev/null | grep -q routable; do sleep 0.2; i=$((i+1)); done
networkctl status eth0 | grep -E "State:|Address:|Gateway:" | tr -s " "; ip route show default; ping -c 1 -W 5 10.0.2.2 | grep received; echo over-$((6*7))'
  (
    for ((second = 0; second < 400; second++)); do grep -q 'debian login:' "$work/dhcp.log" 2>/dev/null && break; sleep 1; done
    printf 'root\n'; sleep 3; printf 'vmm\n'; sleep 5; printf '%s\n' "$commands"
    for ((second = 0; second < 600; second++)); do grep -q '^over-42' "$work/dhcp.log" && break; sleep 1; done
  ) | become_in_namespace "${VMM:-$root/out/vmm}" run --accel software --memory 512M --vcpus 2 --kernel "$guests/vmlinux" --initrd "$guests/debian.initrd.img" \
    --append 'console=ttyS0 root=/dev/vda rw quiet net.ifnames=0' --disk "path=$guests/debian.qcow2,format=qcow2,snapshot=on" --net user >"$work/dhcp.log" 2>"$work/dhcp.err" &
  guest=$!
  expect_line dhcp over-42
  end_guest
  report "Debian's dhclient" "$(grep -o 'bound to [0-9.]*' "$work/dhcp.log" | tail -n 1)" 'bound to 10.0.2.15'
  report "systemd-networkd" "$(grep -c 'State: routable' "$work/dhcp.log") $(grep -o 'Address: 10[0-9.]*' "$work/dhcp.log" | tail -n 1)" '1 Address: 10.0.2.15'
  report 'ping after it' "$(grep -c '1 received' "$work/dhcp.log")" 1
}

measure() {
  serve_iperf
  if [ "$1" = qemu ]; then
    start_qemu qemu "$(iperf_commands 10.0.2.2 "$seconds")" -netdev user,id=n -device virtio-net-pci,netdev=n
  else
    start_guest vmm "$(iperf_commands 10.0.2.2 "$seconds")" --net user
  fi
  expect_line "$1" serving
  end_guest
  take_figures "$1" "$1"
}

head -c "$((mebibytes << 20))" /dev/urandom >"$work/data"
sum=$(md5sum <"$work/data" | cut -d ' ' -f 1)
become_in_namespace busybox httpd -f -p 8080 -h "$work" &
pids+=($!)
become_in_namespace socat -U "TCP-LISTEN:7001,reuseaddr,fork" "OPEN:$work/data,rdonly" &
pids+=($!)
become_in_namespace socat "TCP-LISTEN:7003,reuseaddr,fork" EXEC:cat &
pids+=($!)

does() { case " ${STEPS:-transfers connections dhcp figures} " in *" $1 "*) ;; *) return 1 ;; esac; }

if does transfers; then
  transfer offload ''
  transfer plain ,offload=off
fi
if does connections; then connections; fi
if does dhcp; then dhcp; fi
if does figures; then
  for ((run = 0; run < runs; run++)); do
    if ((run % 2 == 0)); then measure vmm && measure qemu; else measure qemu && measure vmm; fi
  done
  compare vmm qemu
fi
exit $failed
