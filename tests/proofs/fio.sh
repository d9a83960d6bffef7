#!/usr/bin/env bash
# Random reads, writes, zeroing, discards and flushes with every byte verified by Debian's kernel on a virtio disk (blockio), on every
# writable format, with one and with several queues; then qemu-img compares the image with what it must hold. OPS=n changes the work, ONLY=regex the
# disks by their names.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

ops=${OPS:-20000} patience=${PATIENCE:-900}
[ -x "$root/out/vmm" ] && [ -s "$guests/vmlinux" ] || die "run examples/build.sh and examples/guests.sh first"
need_packages qemu-utils
tmp=$(mktemp -d "$root/out/disk-proof.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
"$root/tests/proofs/blockio/build.sh" "$tmp"
size=256M

# prove NAME FORMAT QUEUES DISK-OPTIONS CREATE...: makes $tmp/disk by the command, works on it, and judges it.
prove() {
  local name=$1 format=$2 queues=$3 options=$4 seed=$((RANDOM + 1)) start=$SECONDS discard=1
  shift 4
  [[ $name =~ ${ONLY:-.} ]] || return 0
  rm -f "$tmp/disk"
  "$@"
  case $options in *discard=ignore*) discard=0 ;; esac
  timeout "$patience" "$root/out/vmm" run --accel software --vcpus "$queues" --memory 256M --kernel "$guests/vmlinux" --initrd "$tmp/initrd.img" \
    --append "console=ttyS0 quiet blockio:verify /dev/vda $seed $ops 32 $((queues * 2)) $discard" \
    --disk "path=$tmp/disk,format=$format,queues=$queues$options" </dev/null >"$tmp/output" 2>"$tmp/errors" || true
  grep -q 'blockio: verified' "$tmp/output" || { tail -n 30 "$tmp/output" "$tmp/errors" >&2; die "$name: the guest found a mistake"; }
  rm -f "$tmp/expected"
  truncate -s "$size" "$tmp/expected"
  "$tmp/blockio" expect "$tmp/expected" "$seed"
  local qemu=$format
  [ "$format" = vhd ] && qemu=vpc
  qemu-img compare -q -f raw -F "$qemu" "$tmp/expected" "$tmp/disk" || die "$name: the image holds something else"
  if [ "$format" = qcow2 ]; then qemu-img check -q -f qcow2 "$tmp/disk" || die "$name: qemu-img check fails"; fi
  printf '%-44s verified in %s s\n' "$name" $((SECONDS - start))
}

new() { qemu-img create -q -f "$1" ${2:+-o "$2"} "$tmp/disk" "$size"; }
over_backing() {
  head -c "$size" /dev/urandom >"$tmp/below"
  qemu-img create -q -f qcow2 -b "$tmp/below" -F raw "$tmp/disk" "$size"
}

prove 'raw' raw 1 '' new raw
prove 'raw, 2 queues, threads' raw 2 ',aio=threads' new raw
prove 'raw, 2 queues, past the page cache' raw 2 ',cache=none' new raw
prove 'qcow2' qcow2 1 '' new qcow2
prove 'qcow2, 2 queues' qcow2 2 '' new qcow2
prove 'qcow2, clusters of 4 KiB, lazy refcounts' qcow2 2 ',aio=threads' new qcow2 cluster_size=4096,lazy_refcounts=on
prove 'qcow2, past the page cache' qcow2 2 ',cache=none' new qcow2
prove 'qcow2, version 2, write-through' qcow2 1 ',cache=writethrough' new qcow2 compat=0.10
prove 'vhd, dynamic, 2 queues' vhd 2 '' new vpc subformat=dynamic,force_size=on
prove 'vhd, fixed' vhd 1 '' new vpc subformat=fixed,force_size=on
prove 'vhd, dynamic, past the page cache' vhd 2 ',cache=none' new vpc subformat=dynamic,force_size=on
prove 'vmdk, 2 queues' vmdk 2 '' new vmdk subformat=monolithicSparse
prove 'vmdk, past the page cache' vmdk 1 ',cache=none' new vmdk subformat=monolithicSparse
prove 'qcow2 over a backing file' qcow2 2 ',backing=on,discard=ignore' over_backing
