        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 4, 18          # XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long start
        .section .start, "ax"
        .code32
        .globl start
start:  mov $stack, %esp
        cld
        push %ebx               # the start-of-day structure
        call run
1:      jmp 1b
        .bss
        .balign 16
        .skip 16384
stack:
