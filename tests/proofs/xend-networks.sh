#!/usr/bin/env bash
# Two domains in the networks of "vmm network": on a bridge (both arrangements), routed to, and behind NAT with DHCP and names. Each pings the host, the
# other one and somebody outside, and fetches data from them, compared by checksum; the host and outside fetch from a domain. Domains end by destroy
# and by kill -9 of their process. Afterwards links, addresses, routes, rules and settings are as before. All in network namespaces that are
# made and removed. Root; out/vmm and out/guests are needed (examples/build.sh, examples/guests.sh).
#   tests/proofs/xend-networks.sh [MEBIBYTES]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

mebibytes=${1:-100}
vmm=${VMM:-$root/out/vmm}
failed=0

# ---- outside of the host: the namespaces, and then the rest of this script inside one of them
if [ -z "${XEND_INSIDE:-}" ]; then
  [ "$(id -u)" -eq 0 ] || die "root is needed, for network namespaces"
  need_packages iproute2 busybox-static cpio kmod nftables iptables dnsmasq-base iputils-ping jq
  export XEND_WORK XEND_INSIDE=xend-in-$$ XEND_OUTSIDE=xend-out-$$
  XEND_WORK=$(mktemp -d)
  # shellcheck disable=SC2317
  cleanup() {
    local namespace pid
    for namespace in "$XEND_INSIDE" "$XEND_OUTSIDE"; do
      for pid in $(ip netns pids "$namespace" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
      ip netns delete "$namespace" 2>/dev/null || true
    done
    rm -rf "$XEND_WORK"
  }
  trap cleanup EXIT
  trap 'exit 143' TERM INT
  ip netns add "$XEND_INSIDE"
  ip netns add "$XEND_OUTSIDE"
  ip -n "$XEND_OUTSIDE" link set lo up
  ip -n "$XEND_INSIDE" link set lo up
  ip -n "$XEND_INSIDE" link add eth0 type veth peer name wire0 netns "$XEND_OUTSIDE"
  ip -n "$XEND_INSIDE" addr add 10.1.0.2/24 brd + dev eth0
  ip -n "$XEND_INSIDE" addr add fd01::2/64 dev eth0 nodad
  ip -n "$XEND_INSIDE" link set eth0 up
  ip -n "$XEND_OUTSIDE" addr add 10.1.0.1/24 dev wire0
  ip -n "$XEND_OUTSIDE" link set wire0 up
  ip -n "$XEND_INSIDE" route add default via 10.1.0.1
  ip netns exec "$XEND_INSIDE" unshare --mount "$0" "$@"
  exit
fi

# ---- the host: a mount namespace of its own, so that /run/vmm and /etc/resolv.conf are nobody else's
work=$XEND_WORK
mkdir -p /run/vmm
mount -t tmpfs -o mode=755 tmpfs /run/vmm
echo 'nameserver 10.1.0.1' >"$work/resolv.conf"
mount --bind "$work/resolv.conf" "$(readlink -f /etc/resolv.conf)"
outside() { ip netns exec "$XEND_OUTSIDE" "$@"; }

report() {
  if [ "$2" = "$3" ]; then
    printf 'ok      %s\n' "$1"
  else
    printf 'FAILED  %s: %s instead of %s\n' "$1" "$2" "$3"
    failed=1
  fi
}

picture() {
  local what
  for what in link addr 'route show table all' '-6 route show table all' rule; do
    # shellcheck disable=SC2086
    ip -d -j $what
    echo
  done | sed 's/"[a-z_]*_timer":[0-9.]*,//g'
  nft list ruleset
  iptables-save | grep -v '^#' || true
  sysctl -a 2>/dev/null | grep -E '^net.ipv4.(ip_forward|conf\.(all|default|eth0|lo)\.)|^net.ipv6.conf.eth0' | grep -v -E 'secret'
}

# A guest's init: what is to be done stands on the kernel's command line.
make_initrd() {
  local tree=$work/tree version file
  version=$(find "$guests/modules/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | head -n 1)
  mkdir -p "$tree"/{bin,dev,proc,sys,tmp,etc,modules}
  cp "$(command -v busybox)" "$tree/bin/"
  modprobe -d "$guests/modules" -C /dev/null -S "$version" -a --show-depends virtio_pci virtio_net | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$work/modules"
  while read -r file; do
    cp "$file" "$tree/modules/"
    basename "$file" >>"$tree/modules/order"
  done <"$work/modules"
  cat >"$tree/bin/lease" <<'LEASE'
#!/bin/busybox sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev eth0
ip route add default via "$router"
echo "nameserver $dns" >/etc/resolv.conf
LEASE
  cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs -o size=75% tmpfs /tmp
while read -r module; do insmod "/modules/$module"; done </modules/order
value() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }
ip link set lo up; ip link set eth0 up
if [ "$(value addr)" = dhcp ]; then
  udhcpc -i eth0 -n -q -s /bin/lease -t 10 || echo "FAILED lease"
else
  ip addr add "$(value addr)" dev eth0
  case $(value gw) in
  '') ;;
  direct:*) gw=$(value gw); ip route add "${gw#direct:}" dev eth0; ip route add default via "${gw#direct:}" ;;
  *) ip route add default via "$(value gw)" ;;
  esac
fi
dd if=/dev/urandom of=/tmp/data bs=1M count="$(value mib)" 2>/dev/null; [ "$(wc -c </tmp/data)" -eq $(($(value mib) << 20)) ] || echo "FAILED data"
md5sum </tmp/data | cut -c1-32 >/tmp/sum; httpd -p 80 -h /tmp
echo "ready $(ip -4 -o addr show eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')"
for name in $(value names | tr ',' ' '); do
  nslookup "$name" >/tmp/answer 2>&1 || true
  grep -q "^Address.* 10.1.0.1$" /tmp/answer && echo "named $name" || { echo "FAILED name $name"; cat /tmp/answer; }
done
for peer in $(value fetch | tr ',' ' '); do
  ping -q -c 3 -W 20 "$peer" >/tmp/ping && echo "pinged $peer" || { echo "FAILED ping $peer"; cat /tmp/ping; }
  wanted=$(wget -q -O - "http://$peer/sum")
  begin=$(cut -d. -f1 /proc/uptime)
  got=$(wget -q -O - "http://$peer/data" | md5sum | cut -c1-32)
  [ "$wanted" = "$got" ] && echo "fetched $peer $(($(cut -d. -f1 /proc/uptime) - begin)) s" || echo "FAILED fetch $peer"
done
echo "done"
while :; do sleep 1000; done
INIT
  chmod 755 "$tree/init" "$tree/bin/lease"
  (cd "$tree" && find . | cpio --quiet -o -H newc --owner=0:0) >"$work/initrd.img"
}

# domain NAME VIF WORDS: makes one; its id is left in $id.
domain() {
  cat >"$work/$1.cfg" <<CFG
name = "$1"
type = "pvh"
kernel = "$guests/vmlinux"
ramdisk = "$work/initrd.img"
extra = "console=ttyS0 quiet mib=$mebibytes $3"
memory = $((256 + 2 * mebibytes))
vif = [ '$2' ]
CFG
  "$vmm" create -q "$work/$1.cfg" >/dev/null 2>"$work/$1.err" || { cat "$work/$1.err" >&2; die "domain $1 cannot be created"; }
  id=$("$vmm" domid "$1")
}

# expect ID TEXT: waits for a line of the domain's console.
expect() {
  local second
  for ((second = 0; second < ${VMM_CHECK_SECONDS:-900}; second++)); do
    grep -q "^$2" "/run/vmm/$1/console.log" 2>/dev/null && return
    [ -d "/run/vmm/$1" ] || break
    sleep 1
  done
  tail -n 40 "/run/vmm/$1/console.log" "/run/vmm/$1/log" >&2 || true
  die "domain $1 did not say '$2'"
}

# fetch FROM COMMAND...: somebody fetches a domain's data.
fetch() {
  local from=$1 wanted got
  shift
  wanted=$("$@" busybox wget -q -O - "http://$from/sum") || true
  got=$("$@" busybox wget -q -O - "http://$from/data" | md5sum | cut -c1-32) || true
  [ -n "$wanted" ] && [ "$wanted" = "$got" ] && echo same || echo different
}

# mode NAME FIRST-VIF SECOND-VIF FIRST-WORDS SECOND-WORDS FIRST-ADDRESS SECOND-ADDRESS HOST OUTSIDE-IN START...
mode() {
  local name=$1 vif1=$2 vif2=$3 words1=$4 words2=$5 a=$6 b=$7 host=$8 inward=$9 first second lines
  shift 9
  say "$name"
  # Who remembers a domain of the mode before would send to it for a while.
  outside ip neigh flush all
  picture >"$work/before"
  "$vmm" network start "$@"
  "$vmm" network start "$@" 2>/dev/null
  report "$name: status" "$("$vmm" network status >/dev/null && echo whole)" whole
  domain second "$vif2" "$words2"
  second=$id
  expect "$second" "ready $b"
  domain first "$vif1" "$words1 fetch=$host,10.1.0.1,$b"
  first=$id
  expect "$first" done
  tr -d '\r' <"/run/vmm/$first/console.log" >"$work/console"
  grep -E '^(FAILED|fetched|named)' "$work/console" | sed "s/^/        $name: /" || true
  lines=$(grep -c -E '^(pinged|fetched)' "$work/console" || true)
  report "$name: a domain with the host, outside and the other" "$lines $(grep -c FAILED "$work/console" || true)" "6 0"
  report "$name: the host from a domain" "$(fetch "$a")" same
  report "$name: outside from a domain" "$(fetch "$b" outside)" "$([ "$inward" = yes ] && echo same || echo different)"
  report "$name: interface" "$(ip -o link show "vif$first.0" 2>/dev/null | grep -o 'fe:ff:ff:ff:ff:ff' | head -n 1)" fe:ff:ff:ff:ff:ff
  "$vmm" destroy first
  kill -9 "$("$vmm" list -l second | jq '.[0].processId')"
  for _ in $(seq 50); do [ -n "$(ip -o link 2>/dev/null | grep -E 'vif[0-9]+\.[0-9]')" ] || break; sleep 0.1; done
  # A dying process lets go of its interface and of its locks in any order: whoever looks after that cleans up.
  for _ in $(seq 20); do
    "$vmm" list >/dev/null
    [ -n "$(find /run/vmm/network/vifs -name '*.json')" ] || break
    sleep 0.1
  done
  report "$name: interfaces after destroy and kill -9" "$(ip -o link 2>/dev/null | grep -c -E 'vif[1-9]' || true) $(nft list tables | grep -c vif || true) $(find /run/vmm/network/vifs -name '*.json' | wc -l)" "0 0 0"
  "$vmm" network stop "$1"
  "$vmm" network stop "$1" 2>/dev/null
  picture >"$work/after"
  report "$name: links, addresses, routes, rules and settings as before" "$(diff "$work/before" "$work/after" | head -c 2000)" ""
}

sleep 3 # until the addresses are good
make_initrd
mkdir "$work/www"
head -c "$((mebibytes << 20))" /dev/urandom >"$work/www/data"
md5sum <"$work/www/data" | cut -c1-32 >"$work/www/sum"
busybox httpd -p 80 -h "$work/www"
outside busybox httpd -p 80 -h "$work/www"
outside dnsmasq --no-daemon --no-resolv --no-hosts --port=53 --listen-address=10.1.0.1 --bind-interfaces --address=/guests.example/10.1.0.1 >"$work/dnsmasq.log" 2>&1 &

only=${XEND_ONLY:-bridge veth route nat}
for kind in $only; do
  case $kind in
  bridge)
    mode bridge 'bridge=xenbr0,mac=00:16:3e:00:00:11' 'bridge=xenbr0,mac=00:16:3e:00:00:12,ip=10.1.0.12' addr=10.1.0.11/24 addr=10.1.0.12/24 10.1.0.11 10.1.0.12 10.1.0.2 yes bridge
    ;;
  veth)
    mode veth '' 'ip=10.1.0.12' addr=10.1.0.11/24 addr=10.1.0.12/24 10.1.0.11 10.1.0.12 10.1.0.2 yes bridge --veth
    ;;
  route)
    mode route 'ip=10.1.0.11,script=vif-route' 'ip=10.1.0.12' 'addr=10.1.0.11/32 gw=direct:10.1.0.2' 'addr=10.1.0.12/32 gw=direct:10.1.0.2' 10.1.0.11 10.1.0.12 10.1.0.2 yes route
    ;;
  nat)
    mode nat '' 'bridge=virbr0,ip=192.168.122.100' 'addr=dhcp names=www.guests.example' addr=dhcp 192.168.122.2 192.168.122.100 192.168.122.1 no nat
    ;;
  esac
done
exit $failed
