/* Routines that move floating-point flags between host and guest. See host_flags.h. */
#include "host_flags.h"
#include "jit_impl.h"
#include "x86_sse.h"

#define MXCSR_PLAIN 0x1f80u /* all masked, to nearest, no flag */
#define MXCSR_FLAGS 0x3fu
#define SF0_FLAGS   (FPSR_SF_SHIFT(0) + 7) /* bit number in FPSR */

void jit_flags_fold(struct x86 *x)
{
    uint8_t *done;

    x86_cmp_mb(x, JR_CPU, CPU_OFF(flags_live), 0);
    done = x86_jcc(x, CC_E);
    x86_mxcsr(x, 3, JR_CPU, CPU_OFF(mxcsr));
    x86_mov_mb(x, JR_CPU, CPU_OFF(flags_live), 0);
    x86_alu_rm(x, X86_MOV, false, R11, JR_CPU, CPU_OFF(mxcsr));
    x86_alu_ri(x, X86_AND, false, R11, MXCSR_FLAGS);
    x86_shift_ri(x, X86_SHL, false, R11, SF0_FLAGS);
    x86_alu_mr(x, X86_OR, false, JR_CPU, CPU_OFF(fpsr), R11);
    x86_bind_here(x, done);
}

static void emit_clean(struct x86 *x)
{
    x86_mov_mi(x, JR_CPU, CPU_OFF(mxcsr), MXCSR_PLAIN);
    x86_mxcsr(x, 2, JR_CPU, CPU_OFF(mxcsr));
    x86_mov_mb(x, JR_CPU, CPU_OFF(flags_live), 1);
    x86_ret(x);
}

/* No trap enabled, no flush to zero, range as in memory, to nearest: then the host's results and
 * flags are the guest's (SDM 1:5.2). */
static void emit_enter(struct x86 *x)
{
    const uint32_t controls = (FPSR_SF_FTZ | FPSR_SF_WRE | 3u << FPSR_SF_RC_SHIFT)
                              << FPSR_SF_SHIFT(0);
    uint8_t *unusual;

    x86_alu_rm(x, X86_MOV, false, RAX, JR_CPU, CPU_OFF(fpsr));
    x86_alu_ri(x, X86_AND, false, RAX, (int32_t)(controls | FPSR_TRAPS));
    x86_alu_ri(x, X86_CMP, false, RAX, FPSR_TRAPS);
    unusual = x86_jcc(x, CC_NE); /* equal: no carry */
    emit_clean(x);
    x86_bind_here(x, unusual);
    x86_stc(x);
    x86_ret(x);
}

/* The routine's return address aligns the stack. */
static void emit_call(struct x86 *x)
{
    jit_flags_fold(x);
    x86_call_reg(x, RAX);
    x86_ret(x);
}

static void emit_leave(struct x86 *x)
{
    x86_mov_rr(x, RDI, JR_CPU);
    jit_flags_fold(x);
    x86_jmp_reg(x, RAX);
}

void jit_flags_routines(struct jit *j)
{
    static void (*const emit[])(struct x86 *) = {emit_enter, emit_clean, emit_call, emit_leave};
    uint32_t *const at[] = {&j->flags.enter, &j->flags.clean, &j->flags.call, &j->flags.leave};

    jit_emit_routines(j, emit, at, sizeof emit / sizeof *emit);
}
