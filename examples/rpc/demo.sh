#!/usr/bin/env bash
# A domain with Debian's kernel and a busybox shell for each example, which drives it through its life: examples/rpc/demo.sh [shell|python|node]...
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
here=$root/examples/rpc

[ -x "$root/out/vmm" ] || "$root/examples/build.sh"
"$root/examples/guests.sh"
config=$(mktemp)
trap 'rm -f "$config"' EXIT

drive() {
  local socket=$1 words=('This is a busybox shell' 'echo sum-$((6*7))' 'sum-42')
  case $2 in
    shell) need_packages socat jq && "$here/life.sh" "$socket" "${words[@]}" ;;
    python) python3 "$here/life.py" "$socket" "${words[@]}" ;;
    node)
      [ -d "$here/node/node_modules" ] || npm --prefix "$here/node" install --no-audit --no-fund --ignore-scripts
      node "$here/node/life.js" "$socket" "${words[@]}"
      ;;
    *) die "there is no example '$2'; shell, python and node are there" ;;
  esac
}

[ $# -ne 0 ] || set -- shell python node
for example in "$@"; do
  name=rpc-$example-$$
  cat >"$config" <<END
name = "$name"
type = "pvh"
kernel = "$guests/vmlinux"
ramdisk = "$guests/initrd.img"
cmdline = "console=ttyS0 quiet"
memory = 256
vcpus = 2
on_reboot = "destroy"
END
  "$root/out/vmm" create -q -p "$config"
  folder=$("$root/out/vmm" list --long "$name" | sed -n 's/^ *"folder": *"\(.*\)",*$/\1/p')
  say "$example: domain $name in $folder"
  drive "$folder/socket" "$example"
done
