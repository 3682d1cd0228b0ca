/* The demo guest: shows an IA-64 machine at work without an operating system.
 *
 * Started like a kernel: physical mode, r28 = ia64_boot_param. Everything else is found the way an
 * operating system finds it: console UART in the PCDP table, interrupt controllers in the ACPI
 * tables, firmware entry points in the EFI and SAL system tables. It then takes timer
 * interrupts, an inter-processor interrupt and a device interrupt with its own interruption table,
 * starts the other processors, and powers the machine off. With the command line "echo" it
 * answers the keyboard before that.
 *
 * Registers kept throughout: r4 UART, r5 boot parameters, r6 EFI system table, r7 SAL system
 * table's entry-point record.
 */

    .explicit

#define VEC_TIMER 0x40
#define VEC_IPI   0x50
#define VEC_UART  0x60
#define VEC_AP    0xff

#define PAL_FREQ_RATIOS 14
#define PAL_VERSION     20
#define PAL_HALT_LIGHT  29
#define SAL_SET_VECTORS 0x01000000
#define SAL_FREQ_BASE   0x01000012

#define TICKS        8
#define TICK_DIVIDER 20 /* interrupts per second */

#define SAY(text) movl r40 = text;; br.call.sptk b0 = puts;;
/* For routines whose first output register is r40: 32..39 are inputs and locals. */
#define ENTER(inputs) \
    alloc r34 = ar.pfs, inputs, 8 - inputs, 4, 0;; mov r35 = b0;;
#define LEAVE mov ar.pfs = r34;; mov b0 = r35;; br.ret.sptk b0;;

/* ------------------------------------------------------------------ interruptions */
    .section .text.ivt, "ax"
    .balign 32768
ivt:
    .macro unexpected offset
    .org \offset
    mov r16 = \offset
    br.sptk trouble
    ;;
    .endm
    .irp offset, 0x0000, 0x0400, 0x0800, 0x0c00, 0x1000, 0x1400, 0x1800, 0x1c00, 0x2000, 0x2400, 0x2800, 0x2c00
    unexpected \offset
    .endr

    /* External interrupt: count it by its vector. Bank 0 of r16..r31 is ours. */
    .org 0x3000
    mov r31 = pr;;
next_interrupt:
    mov r16 = cr.ivr;;
    cmp.eq p6, p7 = 15, r16 /* spurious: nothing (more) pending */
    (p6) br.cond.spnt interrupts_done;;
    movl r17 = counts;;
    shladd r17 = r16, 3, r17;;
    ld8 r18 = [r17];;
    adds r18 = 1, r18;;
    st8 [r17] = r18
    mov r19 = VEC_TIMER
    mov r20 = VEC_UART;;
    cmp.eq p6, p0 = r16, r19
    cmp.eq p7, p0 = r16, r20;;
    /* Timer: the next one a period after the last. */
    (p6) movl r17 = period;;
    (p6) ld8 r17 = [r17]
    (p6) mov r18 = cr.itm;;
next_period: /* again if it has passed before it was set: the timer only fires when they are equal */
    (p6) add r18 = r17, r18;;
    (p6) mov cr.itm = r18;;
    (p6) srlz.d;;
    (p6) mov r19 = ar.itc;;
    (p6) cmp.leu.unc p8, p0 = r18, r19;;
    (p8) br.cond.spnt next_period;;
    /* UART: level triggered, so silence the device before telling the I/O SAPIC. */
    (p7) adds r17 = 1, r4;;
    (p7) st1 [r17] = r0;;
    (p7) mf.a;;
    (p7) movl r17 = iosapic;;
    (p7) ld8 r17 = [r17];;
    (p7) adds r17 = 0x40, r17;;
    (p7) st4 [r17] = r16;;
    (p7) mf.a;;
    mov cr.eoi = r0;;
    srlz.d;;
    br.sptk next_interrupt;;
interrupts_done:
    mov pr = r31, -1;;
    rfi;;

    .irp offset, 0x5000, 0x5100, 0x5200, 0x5300, 0x5400, 0x5500, 0x5600, 0x5700, 0x5900, 0x5a00, 0x5b00, 0x5c00
    unexpected \offset
    .endr
    .irp offset, 0x5d00, 0x5e00, 0x5f00, 0x6000, 0x6100
    unexpected \offset
    .endr
    .org 0x8000

/* ------------------------------------------------------------------ start */
    .text
    .global _start
    .proc _start
_start:
    rsm psr.i | psr.ic;;
    srlz.i;;
    alloc r2 = ar.pfs, 0, 8, 4, 0;;
    mov r5 = r28
    mov ar.rsc = 0;;
    loadrs;; /* forget the loader's frames */
    movl r2 = backing_store;;
    mov ar.bspstore = r2;;
    mov ar.rnat = r0;;
    mov ar.rsc = 3;;
    movl r12 = stack_end - 16
    movl r2 = ivt;;
    mov cr.iva = r2;;
    bsw.1;;
    adds r6 = 8, r5;;
    ld8 r6 = [r6]
    br.call.sptk b0 = find_console;;
    SAY(text_hello)
    br.call.sptk b0 = show_firmware;;
    br.call.sptk b0 = show_processor;;
    br.call.sptk b0 = show_memory;;
    br.call.sptk b0 = find_acpi;;
    br.call.sptk b0 = interrupts_on;;
    br.call.sptk b0 = show_timer;;
    br.call.sptk b0 = show_ipi;;
    br.call.sptk b0 = show_device_interrupt;;
    br.call.sptk b0 = show_processors;;
    br.call.sptk b0 = show_float;;
    br.call.sptk b0 = echo;;
    SAY(text_bye)
    br.call.sptk b0 = power_off;;
    .endp _start

/* An interruption nobody expects here: say which and where, then stop. */
trouble:
    bsw.1;;
    alloc r2 = ar.pfs, 0, 8, 4, 0;;
    SAY(text_trouble)
    bsw.0;;
    mov r8 = r16;;
    bsw.1;;
    mov r40 = r8
    mov r41 = 4
    br.call.sptk b0 = put_hex;;
    SAY(text_at)
    mov r40 = cr.iip
    mov r41 = 16
    br.call.sptk b0 = put_hex;;
    SAY(text_newline)
    br.call.sptk b0 = power_off;;

/* ------------------------------------------------------------------ finding things */
/* Configuration table whose GUID is at r32 (two 8-byte words); r8 = its address or 0. */
    .proc find_table
find_table:
    ENTER(1)
    ld8 r36 = [r32], 8;;
    ld8 r37 = [r32]
    adds r38 = 104, r6
    adds r39 = 112, r6;;
    ld8 r38 = [r38] /* number of entries */
    ld8 r39 = [r39] /* the table */
    mov r8 = r0;;
1:  cmp.eq p6, p0 = r0, r38
    (p6) br.cond.spnt 2f;;
    adds r38 = -1, r38
    ld8 r14 = [r39], 8;;
    ld8 r15 = [r39], 8
    cmp.eq p6, p7 = r14, r36;;
    ld8 r16 = [r39], 8
    (p6) cmp.eq p6, p7 = r15, r37;;
    (p6) mov r8 = r16
    (p7) br.cond.sptk 1b;;
2:  LEAVE
    .endp find_table

/* Little-endian value of r33 bytes at r32, any alignment, in r8. */
    .proc get
get:
    alloc r2 = ar.pfs, 2, 0, 0, 0;;
    mov r8 = r0
    add r32 = r32, r33;;
1:  adds r32 = -1, r32
    adds r33 = -1, r33;;
    ld1 r14 = [r32]
    shl r8 = r8, 8;;
    or r8 = r8, r14
    cmp.ne p6, p0 = 0, r33
    (p6) br.cond.sptk 1b;;
    br.ret.sptk b0;;
    .endp get

/* The console UART's address and interrupt from the PCDP. */
    .proc find_console
find_console:
    ENTER(0)
    movl r40 = guid_pcdp;;
    br.call.sptk b0 = find_table;;
    mov r36 = r8;;
1:  cmp.eq p6, p0 = r0, r36
    (p6) br.cond.spnt 1b;; /* no console: nobody to tell */
    adds r40 = 60, r36
    mov r41 = 8
    br.call.sptk b0 = get;;
    dep.z r14 = 1, 63, 1;;
    or r4 = r8, r14 /* uncacheable */
    adds r40 = 72, r36
    mov r41 = 4
    br.call.sptk b0 = get;;
    movl r14 = uart_gsi;;
    st8 [r14] = r8
    movl r40 = guid_sal;;
    br.call.sptk b0 = find_table;;
    adds r7 = 96, r8 /* the entry-point record is the first */
    LEAVE
    .endp find_console

/* Interrupt controllers and processors from the ACPI tables: RSDP, XSDT, MADT. */
    .proc find_acpi
find_acpi:
    ENTER(0)
    movl r40 = guid_acpi20;;
    br.call.sptk b0 = find_table;;
    adds r40 = 24, r8
    mov r41 = 8
    br.call.sptk b0 = get;;
    mov r36 = r8
    adds r40 = 4, r8
    mov r41 = 4
    br.call.sptk b0 = get;;
    add r37 = r36, r8 /* end of the XSDT */
    adds r36 = 36, r36;;
1:  cmp.geu p6, p0 = r36, r37
    (p6) br.cond.spnt 9f;;
    mov r40 = r36
    mov r41 = 8
    br.call.sptk b0 = get;;
    adds r36 = 8, r36
    mov r38 = r8
    mov r40 = r8
    mov r41 = 4
    br.call.sptk b0 = get;;
    movl r14 = 0x43495041;; /* "APIC" */
    cmp.ne p6, p0 = r8, r14
    (p6) br.cond.sptk 1b;;
    mov r40 = r38
    br.call.sptk b0 = read_madt;;
9:  LEAVE
    .endp find_acpi

    .proc read_madt
read_madt:
    ENTER(1)
    adds r40 = 36, r32
    mov r41 = 4
    br.call.sptk b0 = get;;
    dep.z r14 = 1, 63, 1;;
    or r8 = r8, r14
    movl r14 = interrupt_block;;
    st8 [r14] = r8
    adds r40 = 4, r32
    mov r41 = 4
    br.call.sptk b0 = get;;
    add r36 = r32, r8
    adds r37 = 44, r32;;
1:  cmp.geu p6, p0 = r37, r36
    (p6) br.cond.spnt 9f;;
    mov r38 = r37
    adds r14 = 1, r37
    ld1 r15 = [r37];;
    ld1 r14 = [r14];;
    cmp.eq p6, p0 = r0, r14
    (p6) br.cond.spnt 9f;;
    add r37 = r14, r37
    cmp.eq p6, p0 = 6, r15
    cmp.eq p7, p0 = 7, r15
    (p6) br.cond.spnt 2f
    (p7) br.cond.spnt 3f
    br.sptk 1b;;
2:  /* I/O SAPIC: keep the first */
    movl r14 = iosapic;;
    ld8 r14 = [r14];;
    cmp.ne p6, p0 = r0, r14
    (p6) br.cond.spnt 1b;;
    adds r40 = 4, r38
    mov r41 = 4
    br.call.sptk b0 = get;;
    movl r14 = iosapic_gsi;;
    st8 [r14] = r8
    adds r40 = 8, r38
    mov r41 = 8
    br.call.sptk b0 = get;;
    dep.z r14 = 1, 63, 1;;
    or r8 = r8, r14
    movl r14 = iosapic;;
    st8 [r14] = r8
    br.sptk 1b;;
3:  /* local SAPIC: id and eid at 3 and 4, enabled in bit 0 of the flags at 8 */
    adds r14 = 8, r38;;
    ld1 r14 = [r14];;
    tbit.z p6, p0 = r14, 0
    (p6) br.cond.spnt 1b;;
    movl r14 = processors
    adds r15 = 3, r38
    adds r16 = 4, r38;;
    ld8 r17 = [r14]
    ld1 r15 = [r15]
    ld1 r16 = [r16];;
    cmp.ltu p6, p0 = 31, r17
    (p6) br.cond.spnt 1b;;
    shl r15 = r15, 12
    shl r16 = r16, 4
    adds r18 = 1, r17;;
    st8 [r14] = r18
    or r15 = r15, r16
    movl r14 = processor_lids;;
    shladd r14 = r17, 3, r14;;
    st8 [r14] = r15 /* as the address of its interrupt block entry */
    br.sptk 1b;;
9:  LEAVE
    .endp read_madt

/* ------------------------------------------------------------------ the tour */
    .proc show_firmware
show_firmware:
    ENTER(0)
    SAY(text_firmware)
    adds r14 = 24, r6;;
    ld8 r36 = [r14];;
    cmp.eq p6, p0 = r0, r36
    (p6) br.cond.spnt 2f;;
1:  ld2 r40 = [r36], 2;; /* the vendor is in 16-bit characters */
    cmp.eq p6, p0 = r0, r40
    (p6) br.cond.spnt 2f
    br.call.sptk b0 = putc;;
    br.sptk 1b;;
2:  SAY(text_efi)
    adds r14 = 10, r6;;
    ld2 r40 = [r14]
    br.call.sptk b0 = put_dec;;
    mov r40 = '.'
    br.call.sptk b0 = putc;;
    adds r14 = 8, r6;;
    ld2 r40 = [r14]
    br.call.sptk b0 = put_dec;;
    SAY(text_time)
    /* GetTime: a function pointer is the address of {entry, gp}. */
    adds r14 = 88, r6;;
    ld8 r14 = [r14];;
    adds r14 = 24, r14;;
    ld8 r40 = [r14]
    movl r41 = efi_time
    mov r42 = r0
    br.call.sptk b0 = call_descriptor;;
    movl r36 = efi_time;;
    ld2 r40 = [r36], 2
    br.call.sptk b0 = put_dec;;
    mov r37 = r0
    movl r38 = time_separators;;
3:  ld1 r40 = [r38], 1
    br.call.sptk b0 = putc;;
    ld1 r40 = [r36], 1
    br.call.sptk b0 = put_two;;
    adds r37 = 1, r37;;
    cmp.ne p6, p0 = 5, r37
    (p6) br.cond.sptk 3b;;
    SAY(text_command_line)
    ld8 r40 = [r5];;
    cmp.ne p6, p0 = r0, r40
    (p6) br.call.sptk b0 = puts;;
    SAY(text_quote_newline)
    LEAVE
    .endp show_firmware

    .proc show_processor
show_processor:
    ENTER(0)
    SAY(text_processor)
    mov r36 = r0;;
1:  mov r37 = cpuid[r36]
    mov r38 = 8;;
2:  zxt1 r40 = r37
    shr.u r37 = r37, 8
    adds r38 = -1, r38;;
    cmp.ne p7, p0 = r0, r40
    (p7) br.call.sptk b0 = putc;;
    cmp.ne p6, p0 = 0, r38
    (p6) br.cond.sptk 2b;;
    adds r36 = 1, r36;;
    cmp.ne p6, p0 = 2, r36
    (p6) br.cond.sptk 1b;;
    mov r36 = 3;;
    mov r36 = cpuid[r36]
    SAY(text_family)
    extr.u r40 = r36, 24, 8
    mov r41 = 2
    br.call.sptk b0 = put_hex;;
    SAY(text_model)
    extr.u r40 = r36, 16, 8
    br.call.sptk b0 = put_dec;;
    SAY(text_revision)
    extr.u r40 = r36, 8, 8
    br.call.sptk b0 = put_dec;;
    SAY(text_pal)
    mov r40 = PAL_VERSION
    br.call.sptk b0 = call_pal;;
    mov r40 = r10
    mov r41 = 16
    br.call.sptk b0 = put_hex;;
    br.call.sptk b0 = itc_frequency;;
    mov r36 = r8
    SAY(text_itc)
    mov r40 = r36
    br.call.sptk b0 = put_dec;;
    SAY(text_hz)
    LEAVE
    .endp show_processor

/* ITC frequency in Hz: platform base times PAL's ratio; also sets the tick period. */
    .proc itc_frequency
itc_frequency:
    ENTER(0)
    adds r14 = 16, r7;;
    ld8 r40 = [r14], 8 /* SAL_PROC */
    mov r42 = r0;;
    ld8 r14 = [r14]    /* its gp */
    movl r41 = SAL_FREQ_BASE;;
    br.call.sptk b0 = call_sal;;
    mov r36 = r9
    mov r40 = PAL_FREQ_RATIOS
    br.call.sptk b0 = call_pal;;
    shr.u r14 = r11, 32
    zxt4 r41 = r11;;
    setf.sig f8 = r36
    setf.sig f9 = r14;;
    xma.lu f8 = f8, f9, f0;;
    getf.sig r40 = f8
    br.call.sptk b0 = divide;;
    mov r36 = r8
    mov r40 = r8
    mov r41 = TICK_DIVIDER
    br.call.sptk b0 = divide;;
    movl r14 = period;;
    st8 [r14] = r8
    mov r8 = r36
    LEAVE
    .endp itc_frequency

    .proc show_memory
show_memory:
    ENTER(0)
    SAY(text_memory)
    adds r14 = 16, r5;;
    ld8 r36 = [r14], 8;; /* map */
    ld8 r37 = [r14], 8;; /* its size */
    ld8 r38 = [r14]      /* size of a descriptor */
    add r37 = r36, r37;;
1:  cmp.geu p6, p0 = r36, r37
    (p6) br.cond.spnt 9f;;
    SAY(text_indent)
    adds r14 = 8, r36;;
    ld8 r40 = [r14]
    mov r41 = 16
    br.call.sptk b0 = put_hex;;
    mov r40 = '-'
    br.call.sptk b0 = putc;;
    adds r14 = 8, r36
    adds r15 = 24, r36;;
    ld8 r14 = [r14]
    ld8 r15 = [r15];;
    shl r15 = r15, 12;;
    add r14 = r14, r15;;
    adds r40 = -1, r14
    mov r41 = 16
    br.call.sptk b0 = put_hex;;
    ld4 r14 = [r36]
    mov r15 = 13;; /* types 0..13 have names */
    cmp.ltu p6, p0 = r15, r14;;
    (p6) mov r14 = r0;;
    shl r14 = r14, 5
    movl r15 = memory_types;;
    add r40 = r14, r15
    br.call.sptk b0 = puts;;
    SAY(text_newline)
    add r36 = r36, r38;;
    br.sptk 1b;;
9:  LEAVE
    .endp show_memory

    .proc interrupts_on
interrupts_on:
    ENTER(0)
    mov cr.tpr = r0
    mov r14 = VEC_TIMER;;
    mov cr.itv = r14;;
    srlz.d;;
    ssm psr.ic;;
    srlz.i;;
    ssm psr.i;;
    srlz.d;;
    LEAVE
    .endp interrupts_on

/* Number of interrupts of vector r32 so far, in r8. */
    .proc count_of
count_of:
    alloc r2 = ar.pfs, 1, 0, 0, 0;;
    movl r14 = counts;;
    shladd r14 = r32, 3, r14;;
    ld8.acq r8 = [r14]
    br.ret.sptk b0;;
    .endp count_of

/* Sleeps until vector r32 has come r33 times. */
    .proc wait_for
wait_for:
    alloc r34 = ar.pfs, 2, 6, 4, 0;;
    mov r35 = b0;;
1:  rsm psr.i;; /* an interrupt from here on ends the halt at once */
    mov r40 = r32
    br.call.sptk b0 = count_of;;
    cmp.geu p6, p0 = r8, r33
    (p6) br.cond.spnt 2f;;
    mov r40 = PAL_HALT_LIGHT
    br.call.sptk b0 = call_pal;;
    ssm psr.i;;
    srlz.d;;
    br.sptk 1b;;
2:  ssm psr.i;;
    srlz.d;;
    LEAVE
    .endp wait_for

    /* Sets the timer a period from now: again if that had passed before it was set. */
    .macro SET_TIMER
    movl r14 = period;;
    ld8 r14 = [r14];;
set_timer\@:
    mov r15 = ar.itc;;
    add r15 = r14, r15;;
    mov cr.itm = r15;;
    srlz.d;;
    mov r16 = ar.itc;;
    cmp.leu p6, p0 = r15, r16
    (p6) br.cond.spnt set_timer\@;;
    .endm

    .proc show_timer
show_timer:
    ENTER(0)
    SAY(text_timer)
    mov r37 = ar.itc
    SET_TIMER
    mov r36 = 1;;
1:  mov r40 = VEC_TIMER
    mov r41 = r36
    br.call.sptk b0 = wait_for;;
    mov r40 = ' '
    br.call.sptk b0 = putc;;
    mov r40 = r36
    br.call.sptk b0 = put_dec;;
    adds r36 = 1, r36;;
    cmp.ne p6, p0 = TICKS + 1, r36
    (p6) br.cond.sptk 1b;;
    mov r14 = ar.itc;;
    sub r37 = r14, r37
    SAY(text_timer_end)
    mov r40 = r37
    br.call.sptk b0 = put_dec;;
    SAY(text_cycles)
    mov r14 = 1 << 16;; /* masked */
    mov cr.itv = r14;;
    srlz.d;;
    LEAVE
    .endp show_timer

/* A message to ourselves through the processor interrupt block. */
    .proc show_ipi
show_ipi:
    ENTER(0)
    SAY(text_ipi)
    mov r14 = cr.lid
    movl r15 = interrupt_block;;
    ld8 r15 = [r15]
    extr.u r16 = r14, 24, 8
    extr.u r17 = r14, 16, 8;;
    shl r16 = r16, 12
    shl r17 = r17, 4;;
    add r15 = r15, r16;;
    add r15 = r15, r17
    mov r14 = VEC_IPI;;
    st8.rel [r15] = r14
    mov r40 = VEC_IPI
    mov r41 = 1
    br.call.sptk b0 = wait_for;;
    SAY(text_arrived)
    LEAVE
    .endp show_ipi

/* The UART's "transmitter empty" interrupt, by way of the I/O SAPIC. */
    .proc show_device_interrupt
show_device_interrupt:
    ENTER(0)
    SAY(text_device)
    movl r14 = uart_gsi
    movl r15 = iosapic_gsi
    movl r16 = iosapic;;
    ld8 r14 = [r14]
    ld8 r15 = [r15]
    ld8 r16 = [r16];;
    sub r14 = r14, r15
    adds r17 = 16, r16 /* window */
    mov r18 = cr.lid;;
    shl r14 = r14, 1;;
    adds r14 = 0x10, r14;; /* redirection entry, low half */
    adds r15 = 1, r14
    extr.u r18 = r18, 16, 16;;
    shl r18 = r18, 16;;
    st4.rel [r16] = r15;;
    st4.rel [r17] = r18;;  /* destination */
    movl r15 = (1 << 15) | (1 << 13) | VEC_UART;; /* level, active low */
    st4.rel [r16] = r14;;
    st4.rel [r17] = r15;;
    mf.a;;
    adds r14 = 1, r4
    mov r15 = 2;;
    st1.rel [r14] = r15;; /* enable "transmitter empty" */
    mov r40 = VEC_UART
    mov r41 = 1
    br.call.sptk b0 = wait_for;;
    SAY(text_arrived)
    LEAVE
    .endp show_device_interrupt

/* Starts the other processors: tells SAL where they begin and sends each the wake-up vector. */
    .proc show_processors
show_processors:
    ENTER(0)
    SAY(text_processors)
    movl r14 = processors;;
    ld8 r36 = [r14];;
    mov r40 = r36
    br.call.sptk b0 = put_dec;;
    cmp.geu p6, p0 = 1, r36
    (p6) br.cond.spnt 9f;;
    adds r14 = 16, r7;;
    ld8 r40 = [r14], 8;;
    ld8 r14 = [r14]
    movl r41 = SAL_SET_VECTORS
    mov r42 = 2 /* boot rendezvous */
    movl r43 = ap_start;;
    br.call.sptk b0 = call_sal;;
    mov r37 = 1;;
1:  movl r14 = processor_lids
    movl r15 = interrupt_block;;
    shladd r14 = r37, 3, r14
    ld8 r15 = [r15];;
    ld8 r14 = [r14];;
    add r15 = r14, r15
    mov r14 = VEC_AP;;
    st8.rel [r15] = r14
    adds r37 = 1, r37;;
    cmp.ltu p6, p0 = r37, r36
    (p6) br.cond.sptk 1b;;
    /* They answer within a second, or the number printed shows that they did not. */
    mov r37 = TICK_DIVIDER
    adds r38 = -1, r36
    mov r14 = VEC_TIMER;;
    mov cr.itv = r14;;
    srlz.d;;
2:  movl r14 = answers;;
    ld8.acq r14 = [r14];;
    cmp.eq p6, p0 = r14, r38
    cmp.eq p7, p0 = r0, r37
    (p6) br.cond.spnt 3f
    (p7) br.cond.spnt 3f;;
    SET_TIMER
    mov r40 = VEC_TIMER
    br.call.sptk b0 = count_of;;
    adds r41 = 1, r8
    mov r40 = VEC_TIMER
    br.call.sptk b0 = wait_for;;
    adds r37 = -1, r37;;
    br.sptk 2b;;
3:  SAY(text_started)
    movl r14 = answers;;
    ld8 r40 = [r14]
    br.call.sptk b0 = put_dec;;
9:  SAY(text_newline)
    LEAVE
    .endp show_processors

/* Another processor's first instruction: answer, then sleep for good. It uses no memory but the
 * counter, so it needs no stack. */
ap_start:
    rsm psr.i;;
    movl r14 = answers;;
    fetchadd8.rel r15 = [r14], 1
    movl r14 = sal_entry;;
    ld8 r14 = [r14];;
    adds r14 = 8, r14;;
    ld8 r14 = [r14];;
    mov b6 = r14
    movl r14 = 1f;;
    mov b0 = r14;;
1:  mov r28 = PAL_HALT_LIGHT
    mov r29 = r0
    mov r30 = r0
    mov r31 = r0
    br.cond.sptk b6;; /* comes back to 1 */

/* 355 / 113 with the architecture's division sequence: an approximation and three corrections. */
    .proc show_float
show_float:
    ENTER(0)
    SAY(text_float)
    mov r14 = 355
    mov r15 = 113
    movl r16 = 1000000;;
    setf.sig f6 = r14
    setf.sig f7 = r15
    setf.sig f8 = r16;;
    fcvt.xf f6 = f6
    fcvt.xf f7 = f7
    fcvt.xf f8 = f8;;
    frcpa.s0 f9, p6 = f6, f7;;
    (p6) fnma.s1 f10 = f7, f9, f1;;
    (p6) fma.s1 f9 = f10, f9, f9;;
    (p6) fnma.s1 f10 = f7, f9, f1;;
    (p6) fma.s1 f9 = f10, f9, f9;;
    (p6) fnma.s1 f10 = f7, f9, f1;;
    (p6) fma.s1 f9 = f10, f9, f9;;
    (p6) fmpy.s1 f10 = f6, f9;;
    (p6) fnma.s1 f11 = f7, f10, f6;;
    (p6) fma.d.s0 f9 = f11, f9, f10;;
    fmpy.s1 f9 = f9, f8;;
    fcvt.fxu.trunc.s1 f9 = f9;;
    getf.sig r40 = f9
    movl r41 = 1000000
    br.call.sptk b0 = divide;;
    mov r36 = r9
    mov r40 = r8
    br.call.sptk b0 = put_dec;;
    mov r40 = '.'
    br.call.sptk b0 = putc;;
    mov r40 = r36
    br.call.sptk b0 = put_dec;;
    SAY(text_newline)
    LEAVE
    .endp show_float

/* With a command line that begins with "echo": sends back what is typed, up to a q. Sleeps until the
 * UART's "data available" interrupt; the handler has switched it off again. */
    .proc echo
echo:
    ENTER(0)
    ld8 r36 = [r5];;
    cmp.eq p6, p0 = r0, r36
    (p6) br.cond.spnt 9f;;
    ld1 r36 = [r36];;
    cmp.ne p6, p0 = 'e', r36
    (p6) br.cond.spnt 9f;;
    SAY(text_echo)
1:  adds r14 = 1, r4
    mov r15 = 1;;
    st1.rel [r14] = r15
    rsm psr.i;;
    adds r14 = 5, r4;;
    ld1.acq r15 = [r14];;
    tbit.nz p6, p0 = r15, 0 /* data ready */
    (p6) br.cond.spnt 2f;;
    mov r40 = PAL_HALT_LIGHT
    br.call.sptk b0 = call_pal;;
    ssm psr.i;;
    srlz.d;;
    br.sptk 1b;;
2:  ssm psr.i;;
    srlz.d;;
    ld1.acq r36 = [r4];;
    mov r40 = r36
    br.call.sptk b0 = putc;;
    cmp.ne p6, p0 = 'q', r36
    (p6) br.cond.sptk 1b;;
9:  LEAVE
    .endp echo

/* EFI ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL). */
    .proc power_off
power_off:
    alloc r34 = ar.pfs, 0, 8, 5, 0;;
    adds r14 = 88, r6;;
    ld8 r14 = [r14];;
    adds r14 = 104, r14;;
    ld8 r14 = [r14]
    mov r40 = 2
    mov r41 = r0
    mov r42 = r0
    mov r43 = r0;;
    ld8 r15 = [r14], 8;;
    ld8 r1 = [r14]
    mov b6 = r15;;
    br.call.sptk b0 = b6;;
1:  br.sptk 1b;;
    .endp power_off

/* ------------------------------------------------------------------ calling the firmware */
/* PAL procedure r32 by the static convention (no arguments): r8..r11 are its results. It is branched
 * to, not called, so that our frame stays the current one; it returns to b0. */
    .proc call_pal
call_pal:
    ENTER(1)
    adds r14 = 8, r7;;
    ld8 r14 = [r14];;
    mov b6 = r14
    mov r28 = r32
    mov r29 = r0
    mov r30 = r0
    mov r31 = r0
    movl r14 = 1f;;
    mov b0 = r14
    rsm psr.i;; /* every caller expects interrupts to be off afterwards */
    br.cond.sptk b6;;
1:  LEAVE
    .endp call_pal

/* SAL procedure: r32 = SAL_PROC, r33.. its arguments (function, three more), r14 its gp. */
    .proc call_sal
call_sal:
    alloc r36 = ar.pfs, 4, 4, 8, 0;;
    mov r37 = b0
    movl r15 = sal_entry;;
    st8 [r15] = r7
    mov b6 = r32
    mov r40 = r33
    mov r41 = r34
    mov r42 = r35
    mov r43 = r0
    mov r44 = r0
    mov r45 = r0
    mov r46 = r0
    mov r47 = r0
    mov r1 = r14
    br.call.sptk b0 = b6;;
    mov ar.pfs = r36
    mov b0 = r37;;
    br.ret.sptk b0;;
    .endp call_sal

/* EFI function: r32 = its descriptor, r33 and r34 the arguments. */
    .proc call_descriptor
call_descriptor:
    alloc r36 = ar.pfs, 3, 5, 4, 0;;
    mov r37 = b0
    ld8 r14 = [r32], 8;;
    ld8 r1 = [r32]
    mov b6 = r14
    mov r40 = r33
    mov r41 = r34
    br.call.sptk b0 = b6;;
    mov ar.pfs = r36
    mov b0 = r37;;
    br.ret.sptk b0;;
    .endp call_descriptor

/* ------------------------------------------------------------------ output */
    .proc putc
putc:
    alloc r2 = ar.pfs, 1, 0, 0, 0;;
    adds r14 = 5, r4;;
1:  ld1.acq r15 = [r14];;
    tbit.z p6, p0 = r15, 5 /* transmitter holding register empty */
    (p6) br.cond.spnt 1b;;
    st1.rel [r4] = r32
    br.ret.sptk b0;;
    .endp putc

    .proc puts
puts:
    ENTER(1)
1:  ld1 r40 = [r32], 1;;
    cmp.eq p6, p0 = r0, r40
    (p6) br.cond.spnt 2f
    br.call.sptk b0 = putc;;
    br.sptk 1b;;
2:  LEAVE
    .endp puts

/* r32 in r33 hexadecimal digits. */
    .proc put_hex
put_hex:
    ENTER(2)
    shl r36 = r33, 2;;
1:  adds r36 = -4, r36;;
    shr.u r14 = r32, r36;;
    and r14 = 15, r14
    movl r15 = digits;;
    add r14 = r14, r15;;
    ld1 r40 = [r14]
    br.call.sptk b0 = putc;;
    cmp.ne p6, p0 = r0, r36
    (p6) br.cond.sptk 1b;;
    LEAVE
    .endp put_hex

    .proc put_dec
put_dec:
    ENTER(1)
    mov r40 = r32
    mov r41 = 10
    br.call.sptk b0 = divide;;
    mov r36 = r9
    cmp.eq p6, p7 = r0, r8
    mov r40 = r8
    (p6) br.cond.spnt 1f
    br.call.sptk b0 = put_dec;;
1:  adds r40 = '0', r36
    br.call.sptk b0 = putc;;
    LEAVE
    .endp put_dec

/* Two decimal digits. */
    .proc put_two
put_two:
    ENTER(1)
    mov r40 = r32
    mov r41 = 10
    br.call.sptk b0 = divide;;
    mov r36 = r9
    adds r40 = '0', r8
    br.call.sptk b0 = putc;;
    adds r40 = '0', r36
    br.call.sptk b0 = putc;;
    LEAVE
    .endp put_two

/* r8 = r32 / r33, r9 = remainder, unsigned, bit by bit. */
    .proc divide
divide:
    alloc r14 = ar.pfs, 2, 0, 0, 0;;
    mov r15 = ar.lc
    mov r8 = r32
    mov r9 = r0
    mov r16 = 63;;
    mov ar.lc = r16;;
1:  shrp r9 = r9, r8, 63
    shl r8 = r8, 1;;
    cmp.geu p6, p0 = r9, r33;;
    (p6) sub r9 = r9, r33
    (p6) adds r8 = 1, r8
    br.cloop.sptk 1b;;
    mov ar.lc = r15
    br.ret.sptk b0;;
    .endp divide

/* ------------------------------------------------------------------ data */
    .data
    .balign 8
guid_pcdp:   .byte 0x8d, 0x93, 0x51, 0xf9, 0x0b, 0x62, 0xef, 0x42, 0x82, 0x79, 0xa8, 0x4b, 0x79, 0x61, 0x78, 0x98
guid_sal:    .byte 0x32, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d
guid_acpi20: .byte 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11, 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81

uart_gsi:        .quad 0
iosapic:         .quad 0
iosapic_gsi:     .quad 0
interrupt_block: .quad 0
sal_entry:       .quad 0
period:          .quad 0
processors:      .quad 0
processor_lids:  .fill 32, 8, 0
answers:         .quad 0
efi_time:        .fill 2, 8, 0
counts:          .fill 256, 8, 0

    .macro memory_type name
    .ascii "  \name"
    .balign 32, 0
    .endm
    .balign 32
memory_types:
    memory_type "reserved"
    memory_type "loader code"
    memory_type "loader data"
    memory_type "boot services code"
    memory_type "boot services data"
    memory_type "runtime services code"
    memory_type "runtime services data"
    memory_type "conventional memory"
    memory_type "unusable memory"
    memory_type "ACPI tables"
    memory_type "ACPI non-volatile"
    memory_type "memory-mapped I/O"
    memory_type "I/O port space"
    memory_type "PAL code"

time_separators:    .ascii "-- ::"
digits:             .ascii "0123456789abcdef"
text_newline:       .asciz "\r\n"
text_indent:        .asciz "    "
text_hello:         .asciz "\r\nKittson demo guest: an Itanium machine without an operating system\r\n\r\n"
text_firmware:      .asciz "Firmware   "
text_efi:           .asciz ", EFI "
text_time:          .asciz ", time "
text_command_line:  .asciz ", command line \""
text_quote_newline: .asciz "\"\r\n"
text_processor:     .asciz "Processor  "
text_family:        .asciz " family 0x"
text_model:         .asciz " model "
text_revision:      .asciz " revision "
text_pal:           .asciz ", PAL version "
text_itc:           .asciz ", interval timer "
text_hz:            .asciz " Hz\r\n"
text_memory:        .asciz "Memory map\r\n"
text_timer:         .asciz "Timer interrupts, twenty a second:"
text_timer_end:     .asciz "; took "
text_cycles:        .asciz " timer cycles\r\n"
text_ipi:           .asciz "Interrupt message to this processor:"
text_device:        .asciz "Device interrupt through the I/O SAPIC:"
text_arrived:       .asciz " arrived\r\n"
text_processors:    .asciz "Processors in the ACPI tables: "
text_started:       .asciz "; others started and answering: "
text_float:         .asciz "Floating point: 355 / 113 = "
text_echo:          .asciz "Type; q ends: "
text_bye:           .asciz "\r\nAll shown. Powering off.\r\n"
text_trouble:       .asciz "\r\nUnexpected interruption, vector 0x"
text_at:            .asciz " at 0x"

    .bss
    .balign 16
stack:              .skip 16384
stack_end:
    .balign 16
backing_store:      .skip 16384
