#!/usr/bin/env bash
# poweroff-kernel.sh FILE: writes an ELF kernel with a PVH entry whose first instructions turn the machine off.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/kernel.s" <<'ASM'
        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 4, 18          # XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long start
        .text
        .code32
start:  mov $0x604, %edx        # PM1a control: SLP_EN, soft-off
        mov $0x3400, %eax
        out %ax, %dx
1:      jmp 1b
ASM
as --64 -o "$tmp/kernel.o" "$tmp/kernel.s"
cat >"$tmp/kernel.ld" <<'LD'
PHDRS { text PT_LOAD; note PT_NOTE; }
SECTIONS { . = 0x100000; .text : { *(.text) } :text .note.Xen : { *(.note.Xen) } :text :note /DISCARD/ : { *(*) } }
LD
ld -m elf_x86_64 --entry=0x100000 -T "$tmp/kernel.ld" -o "$1" "$tmp/kernel.o"
