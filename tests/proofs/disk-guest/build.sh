#!/usr/bin/env bash
# build.sh FILE: makes the guest as an ELF kernel with a PVH entry.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
gcc -m32 -march=i686 -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -mno-sse -mno-mmx \
  -fcf-protection=none -c -o "$tmp/guest.o" "$here/disk-guest.c"
as --32 -o "$tmp/start.o" "$here/start.s"
cat >"$tmp/guest.ld" <<'LD'
PHDRS { text PT_LOAD; note PT_NOTE; }
SECTIONS {
  . = 0x200000;
  .text : { *(.start) *(.text*) *(.rodata*) *(.data*) } :text
  .note.Xen : { *(.note.Xen) } :text :note
  .bss : { *(.bss*) *(COMMON) } :text
  /DISCARD/ : { *(*) }
}
LD
ld -m elf_i386 --no-warn-rwx-segments --entry=start -T "$tmp/guest.ld" -o "$tmp/guest32" "$tmp/start.o" "$tmp/guest.o"
# Loaders of direct kernels want the 64-bit container, whatever is in it.
objcopy -O elf64-x86-64 "$tmp/guest32" "$1"
