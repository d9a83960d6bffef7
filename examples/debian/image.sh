# Makes the Debian root file system; sourced by guests.sh. Needs no root: mmdebstrap uses a user namespace then.
# shellcheck shell=bash disable=SC2154

debian_image_size=2G
debian_packages=(systemd systemd-sysv udev dbus login apt kmod iproute2 iputils-ping isc-dhcp-client netcat-openbsd
  procps e2fsprogs fio iperf3 socat)
# What no test reads makes up a third of the files.
debian_left_out=('/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/lintian/*')

make_debian() {
  need_packages mmdebstrap e2fsprogs
  if newer "$guests/debian.img" "$guests/vmlinuz" "$root"/examples/debian/{image,setup}.sh; then
    make_debian_image
    rm -f "$guests/debian.qcow2"
  fi
  if newer "$guests/debian.qcow2" "$guests/debian.img"; then
    say "making out/guests/debian.qcow2"
    "$root/out/vmm" image convert -f raw -O qcow2 "$guests/debian.img" "$guests/debian.qcow2.new"
    mv "$guests/debian.qcow2.new" "$guests/debian.qcow2"
  fi
  if newer "$guests/debian.initrd.img" "$guests/vmlinuz" "$root"/examples/{guests.sh,debian/init}; then make_debian_initrd; fi
}

make_debian_image() {
  say "making out/guests/debian.img"
  local work pattern options=() as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    need_packages fakeroot uidmap
    # Its files have many owners, which a user namespace takes from the user's range of ids.
    grep -q -s -E "^($(id -un)|$(id -u)):" /etc/subuid \
      || die "$(id -un) has no ids for a user namespace: root gives some by 'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)'"
    as_root=(fakeroot)
  fi
  for pattern in "${debian_left_out[@]}"; do options+=(--dpkgopt="path-exclude=$pattern"); done
  work=$(mktemp -d "$guests/debian.XXXXXX")
  mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${debian_packages[*]}")" "${options[@]}" \
    --dpkgopt=force-unsafe-io --aptopt='Acquire::Languages "none"' \
    --customize-hook="$root/examples/debian/setup.sh \"\$1\"" bookworm "$work/root.tar" \
    || die "mmdebstrap could not make the Debian system"
  # The files belong to root only within one fakeroot, so one shell unpacks the archive and makes the image.
  "${as_root[@]}" bash -euo pipefail -c '
    mkdir "$1/tree"
    tar -C "$1/tree" --exclude="./dev/*" -xf "$1/root.tar"
    cp -a --no-preserve=ownership "$2/lib/modules" "$1/tree/usr/lib/"
    mke2fs -q -t ext4 -L debian -m 1 -E lazy_itable_init=0,lazy_journal_init=0 -d "$1/tree" "$1/debian.img" "$3"' \
    - "$work" "$guests/modules" "$debian_image_size" || die "the file system cannot be made"
  mv "$work/debian.img" "$guests/debian.img"
  rm -rf "$work"
}

make_debian_initrd() {
  say "making out/guests/debian.initrd.img"
  local tree
  tree=$(mktemp -d "$guests/initrd.XXXXXX")
  mkdir -p "$tree"/{bin,dev,proc,sys,root}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  cp "$root/examples/debian/init" "$tree/init"
  chmod 755 "$tree/init" "$tree"
  copy_modules "$tree" virtio_pci virtio_blk ext4
  pack_initrd "$tree" "$guests/debian.initrd.img"
}
