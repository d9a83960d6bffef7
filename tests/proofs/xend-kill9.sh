#!/usr/bin/env bash
# "vmm network start" and "stop", killed with SIGKILL at each of their system calls that write (netlink requests, journals, settings), and each of these
# failing: whatever was done is undone, by the command itself or by the next "stop", and links, addresses, routes, rules and settings are as
# before. In a network namespace that is made and removed. Root, strace; out/vmm is needed.
#   tests/proofs/xend-kill9.sh [KIND...]      bridge, veth, route, nat
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

vmm=${VMM:-$root/out/vmm}
[ "$(id -u)" -eq 0 ] || die "root is needed, for a network namespace"
need_packages iproute2 nftables iptables strace
namespace=xend-kill-$$
work=$(mktemp -d)
failed=0
cleanup() {
  local pid
  for pid in $(ip netns pids "$namespace" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
  ip netns delete "$namespace" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 143' TERM INT
host() { ip netns exec "$namespace" "$@"; }

ip netns add "$namespace"
host sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
for command in 'link set lo up' 'link add eth0 type veth peer name wire0' 'link set wire0 up' 'link set eth0 mtu 1400 up' 'addr add 10.1.0.2/24 brd + dev eth0' \
  'addr add 10.1.0.3/24 dev eth0 label eth0:1' 'addr add fd01::2/64 dev eth0' 'route add default via 10.1.0.1' 'route add 10.2.0.0/16 via 10.1.0.9 metric 7 mtu 1300' \
  '-6 route add default via fd01::1 metric 700' 'rule add from 10.1.0.3 lookup 100 pref 1000' 'route add default via 10.1.0.1 table 100'; do
  # shellcheck disable=SC2086
  ip -n "$namespace" $command
done
sleep 3

picture() {
  local what
  for what in link addr 'route show table all' '-6 route show table all' rule; do
    # shellcheck disable=SC2086
    ip -n "$namespace" -d -j $what
    echo
  done | sed 's/"[a-z_]*_timer":[0-9.]*,//g'
  host nft list ruleset
  host sysctl -a 2>/dev/null | grep -E '^net.ipv4.(ip_forward|conf\.(all|default|eth0)\.)|^net.ipv6.conf.eth0' | grep -v secret
}

# break_at HOW N COMMAND...: runs it with its Nth write failing or killing it.
break_at() {
  local how=$1 n=$2
  shift 2
  host timeout 60 strace -f -qq -o /dev/null -e trace=write,pwrite64,rename,renameat,renameat2,unlink,unlinkat -e "inject=write,pwrite64,rename,renameat,renameat2,unlink,unlinkat:$how:when=$n" "$vmm" network "$@" --state "$work/state" >/dev/null 2>"$work/err"
}

picture >"$work/before"
for kind in "${@:-bridge veth route nat}"; do
  for kind in $kind; do
    case $kind in
    veth) start=(bridge --veth) ;;
    nat) start=(nat --no-dhcp) ;;
    *) start=("$kind") ;;
    esac
    for how in signal=SIGKILL error=EPERM; do
      tried=0 broken=0
      for ((n = 1; n < 400; n++)); do
        status=0
        break_at "$how" "$n" start "${start[@]}" || status=$?
        [ "$status" -eq 0 ] || broken=$((broken + 1))
        # Even where the command says that it has failed and taken everything back.
        host "$vmm" network stop "${start[0]}" --state "$work/state" 2>"$work/stop-err" || { failed=1; echo "FAILED  $kind: stop after $how at $n: $(cat "$work/stop-err")"; }
        picture >"$work/after"
        tried=$n
        if ! cmp -s "$work/before" "$work/after"; then
          failed=1
          echo "FAILED  $kind: $how at write $n of start: $(diff "$work/before" "$work/after" | head -c 600)"
          break
        fi
        [ "$status" -ne 0 ] || [ "$how" != signal=SIGKILL ] || break
        [ "$status" -ne 0 ] || [ "$n" -lt "$((broken + 40))" ] || break
      done
      echo "ok      $kind: start with $how at each of $tried writes ($broken ended it), and stop"
      [ "$how" = signal=SIGKILL ] || continue
      for ((n = 1; n < 400; n++)); do
        host "$vmm" network start "${start[@]}" --state "$work/state"
        status=0
        break_at "$how" "$n" stop "${start[0]}" || status=$?
        host "$vmm" network stop "${start[0]}" --state "$work/state" 2>/dev/null || { failed=1; echo "FAILED  $kind: stop again after $how at $n"; }
        picture >"$work/after"
        cmp -s "$work/before" "$work/after" || { failed=1; echo "FAILED  $kind: $how at write $n of stop: $(diff "$work/before" "$work/after" | head -c 600)"; break; }
        [ "$status" -ne 0 ] || break
      done
      echo "ok      $kind: stop with $how at each of $n writes, and stop again"
    done
  done
done
exit $failed
