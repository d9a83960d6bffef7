#!/usr/bin/env bash
# Makes the guest files in out/guests:
#   vmlinuz, vmlinux     Debian's cloud kernel, packed and unpacked
#   modules/             its modules
#   initrd.img           a small initial RAM disk with a shell
# and with --debian also
#   debian.img, .qcow2   a Debian root file system for a virtio disk (user root, password vmm)
#   debian.initrd.img    an initial RAM disk that mounts it
# What is there already stays while its inputs do; --fresh makes everything anew.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$root/examples/debian/image.sh"

fresh=false debian=false
for option in "$@"; do
  case $option in
    --fresh) fresh=true ;;
    --debian) debian=true ;;
    --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit ;;
    *) die "unknown option '$option'; known are --debian, --fresh, --help" ;;
  esac
done

$fresh && rm -rf "$guests"
mkdir -p "$guests"

# The version of the kernel that is in out/guests; the setup header's word at 0x20e points at it.
kernel_version() {
  local offset version
  offset=$(od -An -tu2 -j 526 -N 2 "$guests/vmlinuz")
  IFS= read -r -d '' version < <(tail -c +$((offset + 512 + 1)) "$guests/vmlinuz" | head -c 128)
  printf '%s' "${version%% *}"
}

# The package that linux-image-cloud-amd64 names.
current_kernel_package() {
  apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# fetch_kernel [PACKAGE]: a kernel with its modules.
fetch_kernel() {
  local package=${1:-} work
  need_packages dpkg
  command -v apt-get >/dev/null || die "apt-get is needed to fetch Debian's kernel; or put a kernel at out/guests/vmlinuz yourself"
  [ -n "$package" ] || package=$(current_kernel_package)
  if [ -z "$package" ]; then
    [ "$(id -u)" -eq 0 ] && apt-get update -qq
    package=$(current_kernel_package)
  fi
  [ -n "$package" ] || die "apt knows no linux-image-cloud-amd64 (run 'apt-get update' as root first)"
  say "fetching $package"
  work=$(mktemp -d "$guests/kernel.XXXXXX")
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package") || { rm -rf "$work" && return 1; }
  dpkg-deb -x "$work"/*.deb "$work/files"
  rm -rf "$guests/modules"
  mkdir -p "$guests/modules/lib"
  mv "$work/files/lib/modules" "$guests/modules/lib/"
  [ -s "$guests/vmlinuz" ] || cp "$work"/files/boot/vmlinuz-* "$guests/vmlinuz"
  rm -rf "$work"
  depmod -b "$guests/modules" "$(kernel_version)"
}

# copy_modules TREE NAME...: the modules and what they need, with the tables that modprobe reads.
copy_modules() {
  local tree=$1 version name file
  shift
  version=$(kernel_version)
  if [ ! -d "$guests/modules/lib/modules/$version" ]; then
    say "no modules for $version; going on without"
    return
  fi
  for name in "$@"; do
    # Some kernels lack some of them or have them built in.
    { modprobe -d "$guests/modules" -C /dev/null -S "$version" --show-depends "$name" 2>/dev/null || true; } \
      | sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | sort -u | while read -r file; do
    install -D -m 644 "$file" "$tree/${file#"$guests"/modules/}"
  done
  cp "$guests/modules/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$tree/lib/modules/$version/"
  depmod -b "$tree" "$version"
  # Only these are read by busybox; the rest is for others and large.
  find "$tree/lib/modules/$version" -maxdepth 1 -type f ! -name modules.dep ! -name modules.alias -delete
}

# pack_initrd TREE FILE: not compressed, as that takes the guest longer than it saves.
pack_initrd() {
  (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible --owner=0:0) >"$2.new"
  mv "$2.new" "$2"
  rm -rf "$1"
}

make_initrd() {
  say "making out/guests/initrd.img"
  local tree
  tree=$(mktemp -d "$guests/initrd.XXXXXX")
  mkdir -p "$tree"/{bin,dev,etc,proc,root,sys,tmp}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  cp "$root/examples/guest-init" "$tree/init"
  chmod 755 "$tree/init" "$tree"
  copy_modules "$tree" virtio_pci virtio_mmio virtio_blk virtio_net virtio-rng virtio_console virtio_balloon 9pnet_virtio 9p \
    vmw_vsock_virtio_transport virtio_pmem nd_pmem
  pack_initrd "$tree" "$guests/initrd.img"
}

need_packages busybox-static cpio kmod
PATH=$PATH:/usr/sbin:/sbin
[ -s "$guests/vmlinuz" ] || fetch_kernel || die "apt-get could not download the kernel"
if [ ! -d "$guests/modules/lib/modules/$(kernel_version)" ]; then
  fetch_kernel "linux-image-$(kernel_version)" || say "the modules of $(kernel_version) cannot be fetched"
fi
if newer "$guests/vmlinux" "$guests/vmlinuz"; then
  say "unpacking out/guests/vmlinux"
  "$root/out/vmm" kernel unpack "$guests/vmlinuz" "$guests/vmlinux"
fi
if newer "$guests/initrd.img" "$guests/vmlinuz" "$root/examples/guest-init" "$root/examples/guests.sh"; then make_initrd; fi
if $debian; then make_debian; fi
