#!/usr/bin/env bash
# Ten domains at once (DOMAINS=n) for ten minutes (SECONDS_LONG=n) in a network namespace with a bridge: while they run every one pings the others
# and fetches data from them, compared by checksum, every verb that looks is used on them, some are paused and let go on, some are ended and made
# again; at the end the processes of all are killed with SIGKILL. Then no row, no folder, no process and no interface may be left. Needs root.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

[ -x "$root/out/vmm" ] || die "run examples/build.sh first"
[ -s "$guests/vmlinux" ] || die "run examples/guests.sh first"
need_packages iproute2 cpio iputils-ping
count=${DOMAINS:-10} long=${SECONDS_LONG:-600}

# Once more inside a namespace of its own, which goes with the script.
if [ "${VMM_INSIDE:-}" != 1 ]; then
  exec env VMM_INSIDE=1 unshare --net --mount-proc --pid --fork -- "${BASH_SOURCE[0]}" "$@"
fi

work=$(mktemp -d)
export VMM_RUN_DIR=$work/run
vmm=$root/out/vmm
finish() {
  [ -d "$VMM_RUN_DIR" ] && for id in $("$vmm" list | awk 'NR > 2 { print $2 }'); do "$vmm" destroy "$id" || true; done
  rm -rf "$work"
}
trap finish EXIT

ip link set lo up
ip link add xenbr0 type bridge
ip link set xenbr0 up
ip addr add 10.20.0.254/24 dev xenbr0

# The small guest's files with another init behind them: the later one counts. A peer that is paused or gone does not answer, which is no mistake.
make_initrd() {
  mkdir "$work/tree"
  cat >"$work/tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
modprobe -a -q virtio_pci virtio_net virtio_balloon
value() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }
me=$(value me) count=$(value count)
ip link set lo up; ip link set eth0 up; ip addr add "10.20.0.$me/24" dev eth0
mkdir /www; head -c 1048576 /dev/urandom >/www/data; md5sum </www/data | cut -c1-32 >/www/sum; httpd -p 80 -h /www
peer=$me good=0
while :; do
  peer=$((peer % count + 1))
  [ "$peer" -ne "$me" ] || continue
  ping -q -c 1 -W 5 "10.20.0.$peer" >/dev/null || continue
  wanted=$(timeout 60 wget -q -O - "http://10.20.0.$peer/sum") || continue
  timeout 60 wget -q -O /fetched "http://10.20.0.$peer/data" || continue
  # Made again meanwhile, it has other data.
  [ "$wanted" = "$(timeout 60 wget -q -O - "http://10.20.0.$peer/sum")" ] || continue
  if [ "$wanted" = "$(md5sum </fetched | cut -c1-32)" ]; then good=$((good + 1)); echo "fetched $good"; else echo "DIFFERENT from $peer"; fi
  sleep 3
done
INIT
  chmod 755 "$work/tree/init"
  cp "$guests/initrd.img" "$work/initrd.img"
  (cd "$work/tree" && echo init | cpio --quiet -o -H newc --owner=0:0) >>"$work/initrd.img"
}

fetched=0

# tally ID: adds what a domain has fetched; it must never have been something else.
tally() {
  local log=$VMM_RUN_DIR/$1/console.log
  if grep -q '^DIFFERENT' "$log"; then die "domain $1: $(grep '^DIFFERENT' "$log")"; fi
  fetched=$((fetched + $(grep -c '^fetched' "$log" || true)))
}

make() {
  cat >"$work/vm$1.cfg" <<END
name = "vm$1"
kernel = "$guests/vmlinux"
ramdisk = "$work/initrd.img"
memory = 96
maxmem = 128
vif = [ 'bridge=xenbr0' ]
vmm_accel = "software"
extra = "console=ttyS0 quiet me=$1 count=$count"
END
  "$vmm" create -q "$work/vm$1.cfg"
}

rows() { "$vmm" list | awk 'NR > 2' | wc -l; }
expect() { [ "$2" = "$3" ] || die "$1: $2 instead of $3"; }

make_initrd
say "starting $count domains"
for i in $(seq "$count"); do make "$i"; done
expect "domains in the list" "$(rows)" "$count"
expect "interfaces" "$(ip -o link show master xenbr0 | wc -l)" "$count"

say "$long seconds of work"
end=$((SECONDS + long)) rounds=0
while [ "$SECONDS" -lt "$end" ]; do
  i=$((RANDOM % count + 1))
  "$vmm" pause "vm$i"
  [ "$("$vmm" list "vm$i" | awk 'NR > 1 { print $5 }')" = "--p---" ] || die "vm$i is not paused"
  "$vmm" unpause "vm$i"
  "$vmm" mem-set "vm$((RANDOM % count + 1))" $((RANDOM % 32 + 96))
  "$vmm" vcpu-list >/dev/null
  "$vmm" top >/dev/null
  "$vmm" network-list "vm$i" >/dev/null
  "$vmm" list -l >/dev/null
  if [ $((rounds % 10)) -eq 9 ]; then
    tally "$("$vmm" domid "vm$i")"
    "$vmm" destroy "vm$i"
    make "$i"
  fi
  expect "domains in the list" "$(rows)" "$count"
  rounds=$((rounds + 1))
  sleep 1
done
say "$rounds rounds"
for i in $(seq "$count"); do tally "$("$vmm" domid "vm$i")"; done
# One may have been made a moment ago.
for i in $(seq "$count"); do
  for try in $(seq 60); do ping -q -c 1 -W 1 "10.20.0.$i" >/dev/null && break; done
  [ "$try" -lt 60 ] || { cat "$VMM_RUN_DIR/$("$vmm" domid "vm$i")"/{log,console.log} | tail -n 40 >&2; die "vm$i does not answer the host's ping"; }
done
[ "$fetched" -ge "$count" ] || die "only $fetched MiB went between the domains"
say "$fetched MiB went between the domains, each the same by checksum"
"$vmm" top
# Pss counts shared pages once; guest RAM is shared memory and not in it.
for id in $("$vmm" list | awk 'NR > 2 { print $2 }'); do
  pid=$(sed -n 's/.*"processId": \([0-9]*\).*/\1/p' "$VMM_RUN_DIR/$id/domain.json")
  awk -v id="$id" '/^Pss_Anon/ { a = $2 } /^Pss_File/ { f = $2 } END { printf "domain %s: %.1f MiB of its own, %.1f MiB of files\n", id, a / 1024, f / 1024 }' "/proc/$pid/smaps_rollup"
done

say "SIGKILL to all"
for id in $("$vmm" list | awk 'NR > 2 { print $2 }'); do
  kill -9 "$(sed -n 's/.*"processId": \([0-9]*\).*/\1/p' "$VMM_RUN_DIR/$id/domain.json")"
done
for _ in $(seq 100); do
  [ "$(rows)" -eq 0 ] && break
  sleep 0.1
done
expect "domains in the list" "$(rows)" 0
expect "folders" "$(find "$VMM_RUN_DIR" -mindepth 1 -maxdepth 1 -regex '.*/[0-9]+' | wc -l)" 0
expect "interfaces" "$(ip -o link | grep -c ': \(vif\|tap\)' || true)" 0
expect "processes" "$(pgrep -c -f 'vmm domain-host' || true)" 0
say "nothing is left"
