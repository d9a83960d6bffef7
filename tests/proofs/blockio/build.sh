#!/usr/bin/env bash
# build.sh FOLDER: makes FOLDER/blockio (static) and FOLDER/initrd.img, whose first process runs it; needs examples/guests.sh first.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../../examples/common.sh"
here=$root/tests/proofs/blockio
need_packages gcc libc6-dev busybox-static cpio
[ -s "$guests/initrd.img" ] || die "run examples/guests.sh first"
mkdir -p "$1"
gcc -O2 -Wall -Wextra -Werror -static -o "$1/blockio" "$here/blockio.c"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
(cd "$tree" && cpio --quiet -idm <"$guests/initrd.img")
cp "$1/blockio" "$tree/bin/blockio"
cp "$here/init" "$tree/init"
chmod 755 "$tree" "$tree/init"
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --owner=0:0) >"$1/initrd.img"
