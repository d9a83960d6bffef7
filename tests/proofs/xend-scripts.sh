#!/usr/bin/env bash
# Xen's own hook scripts, unmodified from Debian's xen-utils-common, as script= of a domain's vif: vif-bridge, vif-route and vif-nat set the interface up
# and take it down, and what goes wrong is said in their words. In a network namespace that is made and removed. Root; out/vmm and
# out/guests are needed.
#   tests/proofs/xend-scripts.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

vmm=${VMM:-$root/out/vmm}
failed=0
if [ -z "${XEND_INSIDE:-}" ]; then
  [ "$(id -u)" -eq 0 ] || die "root is needed, for a network namespace"
  need_packages iproute2 nftables iptables net-tools dpkg
  export XEND_INSIDE=xend-scripts-$$ XEND_WORK
  XEND_WORK=$(mktemp -d)
  # shellcheck disable=SC2317
  cleanup() {
    local pid
    for pid in $(ip netns pids "$XEND_INSIDE" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
    ip netns delete "$XEND_INSIDE" 2>/dev/null || true
    rm -rf "$XEND_WORK"
  }
  trap cleanup EXIT
  trap 'exit 143' TERM INT
  (cd "$XEND_WORK" && apt-get download -qq xen-utils-common 2>/dev/null && dpkg -x xen-utils-common_*.deb xen) || die "xen-utils-common cannot be fetched"
  ip netns add "$XEND_INSIDE"
  ip netns exec "$XEND_INSIDE" unshare --mount "$0"
  exit
fi

# A mount namespace of its own: the scripts' log and lock folders, and vmm's, are nobody else's.
work=$XEND_WORK
scripts=$work/xen/etc/xen/scripts
mkdir -p /run/vmm
mount -t tmpfs -o mode=755 tmpfs /run/vmm
mount -t tmpfs tmpfs /var/log
mkdir /var/log/xen
ip link set lo up
ip link add eth0 type veth peer name wire0
ip link set wire0 up
ip addr add 10.1.0.2/24 dev eth0
ip link set eth0 up
ip route add default via 10.1.0.1

# domain VIF: makes one whose guest waits; its id is left in $id.
domain() {
  printf 'name = "x"\ntype = "pvh"\nkernel = "%s"\nmemory = 64\nvif = [ "%s" ]\n' "$guests/vmlinux" "$1" >"$work/x.cfg"
  "$vmm" create -q -p "$work/x.cfg" >/dev/null 2>"$work/err" || return
  id=$("$vmm" domid x)
}

# check WHAT TEXT COMMAND...: the command says the text.
check() {
  local what=$1 text=$2 got
  shift 2
  got=$("$@" 2>&1) || true
  if grep -q -e "$text" <<<"$got"; then
    printf 'ok      %s\n' "$what"
  else
    printf 'FAILED  %s: no "%s" in: %s\n' "$what" "$text" "$got"
    failed=1
  fi
}

"$vmm" network start
domain "script=$scripts/vif-bridge,bridge=xenbr0,mac=00:16:3e:00:00:01" || { cat "$work/err"; die "vif-bridge failed"; }
check 'vif-bridge: in the bridge' 'master xenbr0' ip link show "vif$id.0"
check 'vif-bridge: address of a port' 'fe:ff:ff:ff:ff:ff' ip link show "vif$id.0"
"$vmm" destroy x
check 'vif-bridge: gone' 'does not exist' ip link show "vif$id.0"
domain "script=$scripts/vif-bridge,bridge=xenbr0,vifname=web" || { cat "$work/err"; die "vif-bridge with vifname failed"; }
check 'vif-bridge: vifname' 'master xenbr0' ip link show web
"$vmm" destroy x
domain "script=$scripts/vif-bridge,bridge=nothing" && die "a missing bridge is no error"
check 'vif-bridge: its own words' 'Could not find bridge device nothing' cat "$work/err"
domain "script=$scripts/vif-route,ip=10.1.0.77,gatewaydev=xenbr0" || { cat "$work/err"; die "vif-route failed"; }
check 'vif-route: route to the guest' "10.1.0.77 dev vif$id.0 scope link src 10.1.0.2 metric 2" ip route
check 'vif-route: ARP for the guest' '= 1' sysctl "net/ipv4/conf/vif$id.0/proxy_arp"
"$vmm" destroy x
domain "script=$scripts/vif-nat" || { cat "$work/err"; die "vif-nat failed"; }
check 'vif-nat: address by the ids' "10.0.$id.1 dev vif$id.0 scope link src 10.0.$id.128" ip route
"$vmm" destroy x
"$vmm" network stop
check 'nothing is left' '^0$' sh -c "ip link | grep -c -E 'vif|xenbr|web' || true"
exit $failed
