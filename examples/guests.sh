#!/usr/bin/env bash
# Makes the guest files in out/guests: Debian's cloud kernel as vmlinuz and vmlinux, and a small initrd.img with a shell.
# What is there already stays; --fresh makes everything anew.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ "${1:-}" = --fresh ] && rm -rf "$guests"
mkdir -p "$guests"

fetch_kernel() {
  local package work
  need_packages dpkg
  command -v apt-get >/dev/null || die "apt-get is needed to fetch Debian's kernel; or put a kernel at out/guests/vmlinuz yourself"
  # linux-image-cloud-amd64 only names the package of the current version.
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  if [ -z "$package" ]; then
    [ "$(id -u)" -eq 0 ] && apt-get update -qq
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  fi
  [ -n "$package" ] || die "apt knows no linux-image-cloud-amd64 (run 'apt-get update' as root first)"
  say "fetching $package"
  work=$(mktemp -d "$guests/kernel.XXXXXX")
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package") || die "apt-get could not download $package"
  dpkg-deb -x "$work"/*.deb "$work/files"
  cp "$work"/files/boot/vmlinuz-* "$guests/vmlinuz"
  rm -rf "$work"
}

make_initrd() {
  need_packages busybox-static cpio
  say "making out/guests/initrd.img"
  local tree
  tree=$(mktemp -d "$guests/initrd.XXXXXX")
  mkdir -p "$tree"/{bin,dev,etc,proc,root,sys,tmp}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  cp "$root/examples/guest-init" "$tree/init"
  chmod 755 "$tree/init" "$tree"
  (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible --owner=0:0) | gzip -9n >"$guests/initrd.img.new"
  mv "$guests/initrd.img.new" "$guests/initrd.img"
  rm -rf "$tree"
}

[ -s "$guests/vmlinuz" ] || fetch_kernel
if [ ! -s "$guests/vmlinux" ] || [ "$guests/vmlinuz" -nt "$guests/vmlinux" ]; then
  say "unpacking out/guests/vmlinux"
  "$root/out/vmm" kernel unpack "$guests/vmlinuz" "$guests/vmlinux"
fi
if [ ! -s "$guests/initrd.img" ] || [ "$root/examples/guest-init" -nt "$guests/initrd.img" ]; then make_initrd; fi
