# Shared by the scripts about networks; sourced, not run. A namespace with a bridge at 10.9.0.1, a guest at 10.9.0.2 (or at guest_address).
# shellcheck shell=bash disable=SC2154

namespace=net-proof-$$
work=$(mktemp -d)
pids=()
guest=

in_namespace() { ip netns exec "$namespace" "$@"; }

# For what goes on in the background: $! is then the program itself.
become_in_namespace() { exec ip netns exec "$namespace" "$@"; }

stop_network() {
  [ -z "$guest" ] || kill "$guest" 2>/dev/null || true
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  ip netns delete "$namespace" 2>/dev/null || true
  [ -n "${KEEP:-}" ] || rm -rf "$work"
}

start_network() {
  [ "$(id -u)" -eq 0 ] || die "root is needed, for a network namespace"
  need_packages iproute2 iperf3 busybox-static cpio kmod
  trap stop_network EXIT
  ip netns add "$namespace"
  ip -n "$namespace" link set lo up
  ip -n "$namespace" link add br0 type bridge
  ip -n "$namespace" link set br0 up
  ip -n "$namespace" addr add 10.9.0.1/24 dev br0
}

# make_net_initrd: busybox, iperf3 with its libraries, and the driver; runs what /proc/cmdline says behind "run=", where ^ stands for a space.
make_net_initrd() {
  local tree=$work/tree version file
  version=$(find "$guests/modules/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | head -n 1)
  mkdir -p "$tree"/{bin,dev,proc,sys,tmp,modules}
  cp "$(command -v busybox)" "$(command -v iperf3)" "$tree/bin/"
  for file in $(ldd "$(command -v iperf3)" | grep -o '/[^ ]*'); do install -D "$file" "$tree/$file"; done
  modprobe -d "$guests/modules" -C /dev/null -S "$version" -a --show-depends virtio_pci virtio_net | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$work/modules"
  while read -r file; do
    cp "$file" "$tree/modules/"
    basename "$file" >>"$tree/modules/order"
  done <"$work/modules"
  cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev; mount -t tmpfs -o size=75% tmpfs /tmp
while read -r module; do insmod "/modules/$module"; done </modules/order
ip link set lo up
[ ! -e /sys/class/net/eth0/mtu ] || ip link set eth0 up
ip addr add ADDRESS/24 dev eth0
sh -c "$(sed 's/.*run=//' /proc/cmdline | tr '^' ' ')"
poweroff -f
INIT
  sed -i "s/ADDRESS/${guest_address:-10.9.0.2}/" "$tree/init"
  chmod 755 "$tree/init"
  (cd "$tree" && find . | cpio --quiet -o -H newc --owner=0:0) >"$work/initrd.img"
}

# start_guest NAME COMMANDS OPTION...: output goes to $work/NAME.log.
start_guest() {
  local name=$1 commands=${2// /^}
  shift 2
  rm -f "$work/$name.log"
  become_in_namespace "${VMM:-$root/out/vmm}" run --accel software --memory 1G --kernel "$guests/vmlinux" --initrd "$work/initrd.img" --serial "file:$work/$name.log" \
    --append "console=ttyS0 quiet ${APPEND:-} run=$commands" "$@" 2>"$work/$name.err" </dev/null &
  guest=$!
}

# start_qemu NAME COMMANDS OPTION...: the same with QEMU's TCG.
start_qemu() {
  local name=$1 commands=${2// /^}
  shift 2
  rm -f "$work/$name.log"
  become_in_namespace qemu-system-x86_64 -accel tcg -m 1G -display none -serial "file:$work/$name.log" -kernel "$guests/vmlinuz" -initrd "$work/initrd.img" \
    -append "console=ttyS0 quiet ${APPEND:-} run=$commands" "$@" 2>"$work/$name.err" </dev/null &
  guest=$!
}

# serve_iperf: two servers in the namespace, for one run each.
serve_iperf() {
  become_in_namespace iperf3 -s -1 -p 5201 >/dev/null 2>&1 &
  become_in_namespace iperf3 -s -1 -p 5202 >/dev/null 2>&1 &
}

# iperf_commands ADDRESS SECONDS: what a guest does for the figures.
iperf_commands() {
  printf '%s' "ping -q -c 100 -i 0.05 $1; iperf3 -c $1 -p 5201 -t $2 -f m; iperf3 -c $1 -p 5202 -t $2 -R -f m; echo serving; sleep 100000"
}

# take_figures NAME SYSTEM: appends what the guest NAME measured to $work/SYSTEM.{ping-min,ping-average,up,down}.
take_figures() {
  local log=$work/$1.log to=$work/$2
  sed -n 's/^round-trip .* = \([0-9.]*\)\/\([0-9.]*\)\/.*/\1/p' "$log" >>"$to.ping-min"
  sed -n 's/^round-trip .* = \([0-9.]*\)\/\([0-9.]*\)\/.*/\2/p' "$log" >>"$to.ping-average"
  grep receiver "$log" | grep -o '[0-9.]* Mbits/sec' | cut -d ' ' -f 1 >"$work/receivers"
  [ "$(wc -l <"$work/receivers")" -eq 2 ] || { cat "$log" >&2; die "$1: iperf3 did not come to its end"; }
  sed -n 1p "$work/receivers" >>"$to.up"
  sed -n 2p "$work/receivers" >>"$to.down"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# compare SYSTEM SYSTEM: the table of medians.
compare() {
  local kind
  printf '%-44s %10s %10s %8s\n' 'medians' "$1" "$2" ratio
  while IFS='|' read -r kind what; do
    a=$(median <"$work/$1.$kind") b=$(median <"$work/$2.$kind")
    printf '%-44s %10s %10s %8s   (%s | %s)\n' "$what" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')" \
      "$(paste -sd' ' "$work/$1.$kind")" "$(paste -sd' ' "$work/$2.$kind")"
  done <<'KINDS'
up|iperf3 from the guest, Mbit/s
down|iperf3 to the guest, Mbit/s
ping-min|ping, least, ms
ping-average|ping, average, ms
KINDS
}

# expect_line NAME TEXT: waits until the guest has written a line with the text.
expect_line() {
  local second
  for ((second = 0; second < ${VMM_CHECK_SECONDS:-600}; second++)); do
    grep -q "^$2" "$work/$1.log" 2>/dev/null && return
    kill -0 "$guest" 2>/dev/null || break
    sleep 1
  done
  cat "$work/$1.err" "$work/$1.log" >&2
  die "$1: the guest did not say '$2'"
}

end_guest() {
  kill "$guest" 2>/dev/null || true
  wait "$guest" 2>/dev/null || true
  guest=
}
