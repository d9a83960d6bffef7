#!/usr/bin/env bash
# Makes out/guests/share: vmlinuz and initrd.img of a guest that can mount shared directories and persistent memory. Debian's cloud kernel
# has no 9p, so this is its generic one. And talk, a program for virtio sockets in any guest. What is there already stays while its inputs do.
#
# The guest mounts the share "work" on /work, runs /work/run.sh, and powers off.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/common.sh"

here=$root/tests/share
to=$guests/share
newer() { [ ! -s "$1" ] || [ "$2" -nt "$1" ]; }

if [ -s "$to/talk" ] && ! newer "$to/initrd.img" "$here/guest.sh" && ! newer "$to/initrd.img" "$here/storm.c" && ! newer "$to/initrd.img" "$here/talk.c"; then exit; fi
need_packages busybox-static cpio kmod gcc libc6-dev
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$to" "$work/tree"/{bin,dev,drivers,mnt,proc,root,sys,tmp,work}

if [ ! -s "$to/kernel/done" ]; then
  package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$package" ] || die "apt knows no linux-image-amd64 (run 'apt-get update' as root first)"
  say "fetching $package"
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package") || die "apt-get could not download $package"
  rm -rf "$to/kernel"
  mkdir -p "$to/kernel"
  dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$to/kernel" --wildcards ./boot/vmlinuz-\* ./lib/modules/\*/modules.\* \
    ./lib/modules/\*/kernel/net/9p ./lib/modules/\*/kernel/fs/9p ./lib/modules/\*/kernel/fs/netfs ./lib/modules/\*/kernel/fs/fscache \
    ./lib/modules/\*/kernel/drivers/virtio ./lib/modules/\*/kernel/drivers/nvdimm
  depmod -b "$to/kernel" "$(ls "$to/kernel/lib/modules")"
  cp "$to"/kernel/boot/vmlinuz-* "$to/vmlinuz"
  echo "$package" >"$to/kernel/done"
fi

say "making out/guests/share/initrd.img"
version=$(ls "$to/kernel/lib/modules")
number=100
for name in virtio_pci virtio_mmio 9pnet_virtio 9p virtio_pmem nd_pmem; do
  modprobe -d "$to/kernel" -C /dev/null -S "$version" --show-depends "$name" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
  number=$((number + 1))
  cp "$file" "$work/tree/drivers/$number-$(basename "$file")"
done
cp "$(command -v busybox)" "$work/tree/bin/busybox"
gcc -O2 -Wall -Wextra -static -o "$work/tree/bin/storm" "$here/storm.c"
gcc -O2 -Wall -Wextra -static -o "$to/talk" "$here/talk.c"
cat >"$work/tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for driver in /drivers/*; do insmod "$driver"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 work /work && sh /work/run.sh >/work/log 2>&1
echo "exit code $?" >>/work/log
cd / && sync && umount /work
poweroff -f
INIT
chmod 755 "$work/tree/init" "$work/tree"
(cd "$work/tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible --owner=0:0) >"$to/initrd.img.new"
mv "$to/initrd.img.new" "$to/initrd.img"
