#!/usr/bin/env bash
# Other people's ends of vhost-user: QEMU (TCG) boots Linux from our device model and verifies its disk; our front end uses a disk of
# qemu-storage-daemon in the same way, and mounts a directory through virtiofsd ("virtiofsd" as argument: that alone).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

vmm=${VMM:-$root/out/vmm} ops=${OPS:-2000} patience=${PATIENCE:-300}
[ -x "$vmm" ] && [ -s "$guests/vmlinux" ] || die "run examples/build.sh and examples/guests.sh first"
need_packages qemu-system-x86 qemu-utils busybox-static cpio
tmp=$(mktemp -d "$root/out/device-model-peers.XXXXXX")
server=
stop() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; server=; }
trap 'stop; rm -rf "$tmp"' EXIT
"$root/tests/proofs/blockio/build.sh" "$tmp"

wait_for() { for _ in $(seq 100); do [ -S "$1" ] && return; sleep 0.1; done; die "no socket $1"; }
fresh() { rm -f "$tmp/disk" "$tmp/expected"; truncate -s 64M "$tmp/disk" "$tmp/expected"; }
judge() {
  grep -q 'blockio: verified' "$tmp/output" || { tail -n 30 "$tmp/output" "$tmp/errors" >&2; die "$1: the guest found a mistake"; }
  "$tmp/blockio" expect "$tmp/expected" "$2"
  cmp "$tmp/expected" "$tmp/disk" || die "$1: the image holds something else"
  say "$1: $ops operations verified"
}

only=${1:-all}
if [ "$only" = all ]; then
# QEMU in front.
front() {
  local name=$1 seed=$((RANDOM + 1)) device=$2
  fresh
  "$vmm" device-model --socket "$tmp/socket" --disk "path=$tmp/disk,format=raw,queues=2" 2>"$tmp/errors" &
  server=$!
  wait_for "$tmp/socket"
  timeout "$patience" qemu-system-x86_64 -accel tcg -m 256M -object memory-backend-memfd,id=m,size=256M,share=on -machine q35,memory-backend=m -smp 2 \
    -kernel "$guests/vmlinuz" -initrd "$tmp/initrd.img" -append "console=ttyS0 quiet blockio:verify /dev/vda $seed $ops 32 4 1" \
    -chardev "socket,id=c,path=$tmp/socket" -device "$device" -nographic -nic none -no-reboot </dev/null >"$tmp/output" 2>>"$tmp/errors" || true
  judge "$name" "$seed"
  stop
}
front 'QEMU in front of our device model' vhost-user-blk-pci,chardev=c,num-queues=2
front 'QEMU in front of our device model, packed rings' vhost-user-blk-pci,chardev=c,num-queues=2,packed=on

# qemu-storage-daemon behind.
fresh
seed=$((RANDOM + 1))
qemu-storage-daemon --blockdev "driver=file,node-name=file,filename=$tmp/disk,discard=unmap" --blockdev driver=raw,node-name=disk,file=file \
  --export "type=vhost-user-blk,id=e,node-name=disk,addr.type=unix,addr.path=$tmp/qsd,writable=on,num-queues=2" 2>"$tmp/errors" &
server=$!
wait_for "$tmp/qsd"
timeout "$patience" "$vmm" run --accel software --vcpus 2 --memory 256M --kernel "$guests/vmlinux" --initrd "$tmp/initrd.img" \
  --append "console=ttyS0 quiet blockio:verify /dev/vda $seed $ops 32 4 1" --vhost-user "socket=$tmp/qsd,type=blk" </dev/null >"$tmp/output" 2>>"$tmp/errors" || true
judge 'our front end before qemu-storage-daemon' "$seed"
stop

fi

# virtiofsd behind.
virtiofsd=
for at in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; do [ -x "$at" ] && virtiofsd=$at; done
[ -n "$virtiofsd" ] || die "there is no virtiofsd"
tree=$tmp/tree
mkdir -p "$tree" "$tmp/work"
(cd "$tree" && cpio --quiet -idm <"$guests/initrd.img")
version=$(ls "$tree/lib/modules")
for name in fuse virtiofs; do cp "$guests"/modules/lib/modules/"$version"/kernel/fs/fuse/$name.ko "$tree/lib/modules/"; done
cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
modprobe -a -q virtio_pci
insmod /lib/modules/fuse.ko
insmod /lib/modules/virtiofs.ko
mkdir -p /work
mount -t virtiofs work /work && {
  sha256sum /work/random | cut -d ' ' -f 1 >/work/sum
  cat /work/random /work/random >/work/twice
  mkdir /work/folder && for i in 1 2 3 4 5 6 7 8 9; do echo "$i" >"/work/folder/$i"; done
  rm /work/folder/5
  sync
  echo "virtiofs: over"
}
umount /work
poweroff -f
INIT
chmod 755 "$tree/init"
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --owner=0:0) >"$tmp/fs.initrd.img"
head -c 8M /dev/urandom >"$tmp/work/random"
"$virtiofsd" --socket-path="$tmp/fs" -o "source=$tmp/work" >"$tmp/errors" 2>&1 &
server=$!
wait_for "$tmp/fs"
timeout "$patience" "$vmm" run --accel software --memory 256M --kernel "$guests/vmlinux" --initrd "$tmp/fs.initrd.img" --append "console=ttyS0 quiet" \
  --vhost-user "socket=$tmp/fs,type=fs,tag=work" </dev/null >"$tmp/output" 2>>"$tmp/errors" || true
grep -q 'virtiofs: over' "$tmp/output" || { tail -n 30 "$tmp/output" "$tmp/errors" >&2; die "virtiofsd: the guest could not work with it"; }
[ "$(cat "$tmp/work/sum")" = "$(sha256sum "$tmp/work/random" | cut -d ' ' -f 1)" ] || die "virtiofsd: the guest read something else"
cmp <(cat "$tmp/work/random" "$tmp/work/random") "$tmp/work/twice" || die "virtiofsd: the guest wrote something else"
[ "$(cat "$tmp"/work/folder/* | tr -d '\n')" = 12346789 ] || die "virtiofsd: the folder is wrong"
say "our front end before virtiofsd: 24 MiB read and written, files made and removed"
