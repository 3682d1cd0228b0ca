/* The assembled demo guest as bytes in the program (x86-64 host). */
    .section .rodata
    .balign 16
    .global demo_image, demo_image_end
demo_image:
    .incbin DEMO_ELF
demo_image_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
