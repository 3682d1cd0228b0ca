/* Properties of operations the block builder needs, and the choice of handlers. */
#include <string.h>
#include "block.h"

static const struct uop *op_illegal_x(struct cpu *c, const struct uop *u)
{
    if (u->op != OP_reserved0 && !pr_get(c, u->qp, c->mode & 1))
        return uop_next(c, u);
    return fault_illegal(c, u);
}

static const struct uop *op_nop_x(struct cpu *c, const struct uop *u)
{
    return uop_next(c, u);
}

/* Pauses after which a shared processor lets its thread do something else: short waits are for
 * another processor that runs. */
#define PAUSES 128

/* hint @pause (SDM 3:hint): what the processor waits for may need its host processor. */
static const struct uop *op_pause(struct cpu *c, const struct uop *u)
{
    if (!pr_get(c, u->qp, c->mode & 1) || ++c->pauses < PAUSES)
        return uop_next(c, u);
    c->pauses = 0;
    c->pausing = c->yield = true;
    return uop_exit_after(c, u);
}

bool block_pauses(const struct cpu *c, const struct insn *i)
{
    bool hint =
        i->op == OP_hint_m || i->op == OP_hint_i || i->op == OP_hint_f || i->op == OP_hint_b;

    return c->mail && hint && i->imm == 0;
}

uop_fn *block_pause_handler(void)
{
    return op_pause;
}

uop_fn *block_handler(const struct insn *i, bool gen)
{
    static uop_fn *(*const family[])(const struct insn *, bool) = {
        exec_int_handler, exec_cmp_handler, exec_mem_handler,   exec_br_handler, exec_reg_handler,
        exec_mm_handler,  exec_sys_handler, exec_memfp_handler, exec_fp_handler,
    };

    if (i->op == OP_illegal || i->op == OP_reserved0)
        return op_illegal_x;
    if (insn_rows[i->row].flags & IF_NOP)
        return op_nop_x;
    for (size_t k = 0; k < sizeof family / sizeof *family; k++) {
        uop_fn *fn = family[k](i, gen);

        if (fn)
            return fn;
    }
    return op_illegal_x;
}

/* --- operands --- */

/* The GR before the '=' of the operand template, and post-incremented base registers. */
unsigned block_gr_target(const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    unsigned dst = 0;

    if (strncmp(row->operands, "r1=", 3) == 0 || strncmp(row->operands, "r1,", 3) == 0)
        dst = i->r1;
    if (i->inc != INC_NONE && i->r3 > dst)
        dst = i->r3;
    return dst;
}

static unsigned half(unsigned fr)
{
    return fr < 2 ? 0 : fr < 32 ? DENY_FL : DENY_FH;
}

/* Disabled FP-register faults count every FR operand except f0 and f1. */
unsigned block_fp_halves(const struct insn *i)
{
    const char *p = insn_rows[i->row].operands;
    unsigned halves = 0;

    for (; *p; p++) {
        if (*p != 'f' || (p > insn_rows[i->row].operands && p[-1] >= 'a' && p[-1] <= 'z'))
            continue;
        if (p[1] == '1')
            halves |= half(i->r1);
        else if (p[1] == '2')
            halves |= half(i->r2);
        else if (p[1] == '3')
            halves |= half(i->r3);
        else if (p[1] == '4')
            halves |= half(i->r4);
    }
    return halves;
}

/* Instructions whose operand checks do not depend on the predicate: they have none. */
bool block_checks_unpredicated(unsigned op)
{
    return op == OP_alloc;
}

/* Access bits of ISR for a Disabled FP-register fault (SDM 2:8.3): those of the memory access. */
uint64_t block_disabled_fp_isr(const struct uop *u)
{
    switch (u->op) {
    case OP_ldfs:
    case OP_ldfd:
    case OP_ldf8:
    case OP_ldfe:
    case OP_ldf_fill:
    case OP_ldfps:
    case OP_ldfpd:
    case OP_ldfp8:
        return ISR_R;
    case OP_stfs:
    case OP_stfd:
    case OP_stf8:
    case OP_stfe:
    case OP_stf_spill:
        return ISR_W;
    default:
        return 0;
    }
}

/* --- control flow --- */

enum {
    CF_LINK = 1, /* a link entry follows */
    CF_END = 2,  /* ends the block and continues behind it */
    CF_GONE = 4, /* never continues behind */
    CF_COND = 8, /* CF_GONE only when not predicated */
};

static const uint8_t flow[OP_COUNT] = {
    [OP_br_cond] = CF_LINK | CF_GONE | CF_COND,
    [OP_br_call] = CF_LINK | CF_GONE | CF_COND,
    [OP_brl_cond] = CF_LINK | CF_GONE | CF_COND,
    [OP_brl_call] = CF_LINK | CF_GONE | CF_COND,
    [OP_br_cloop] = CF_LINK,
    [OP_br_ctop] = CF_GONE,
    [OP_br_cexit] = CF_GONE,
    [OP_br_wtop] = CF_GONE,
    [OP_br_wexit] = CF_GONE,
    [OP_br_cond_b] = CF_GONE | CF_COND,
    [OP_br_ret] = CF_GONE | CF_COND,
    [OP_br_call_b] = CF_GONE | CF_COND,
    [OP_br_ia] = CF_GONE | CF_COND,
    [OP_rfi] = CF_GONE,
    [OP_cover] = CF_GONE,
    [OP_clrrrb] = CF_GONE,
    [OP_clrrrb_pr] = CF_GONE,
    [OP_epc] = CF_GONE,
    [OP_bsw_0] = CF_GONE,
    [OP_bsw_1] = CF_GONE,
    [OP_vmsw_0] = CF_GONE,
    [OP_vmsw_1] = CF_GONE,
    [OP_mov_to_psr_l] = CF_END,
    [OP_mov_to_psr_um] = CF_END,
    [OP_srlz_i] = CF_END,
    [OP_itc_i] = CF_END,
    [OP_itc_d] = CF_END,
    [OP_itr_i] = CF_END,
    [OP_itr_d] = CF_END,
    [OP_ptc_l] = CF_END,
    [OP_ptc_g] = CF_END,
    [OP_ptc_ga] = CF_END,
    [OP_ptc_e] = CF_END,
    [OP_ptr_i] = CF_END,
    [OP_ptr_d] = CF_END,
    [OP_mov_to_cr] = CF_END,
    [OP_mov_to_rr] = CF_END,
    [OP_mov_to_pkr] = CF_END,
    [OP_mov_to_ibr] = CF_END,
    [OP_mov_to_dbr] = CF_END,
    [OP_fc] = CF_END,
    [OP_fc_i] = CF_END,
    [OP_loadrs] = CF_END,
    [OP_break_i] = CF_GONE | CF_COND,
    [OP_break_m] = CF_GONE | CF_COND,
    [OP_break_f] = CF_GONE | CF_COND,
    [OP_break_b] = CF_GONE | CF_COND,
    [OP_break_x] = CF_GONE | CF_COND,
};

bool block_has_link(unsigned op)
{
    return flow[op] & CF_LINK;
}

bool block_ends_after(const struct insn *i)
{
    unsigned f = flow[i->op];

    if (i->op == OP_illegal || i->op == OP_reserved0)
        return i->qp == 0;
    if (f & CF_GONE)
        return !(f & CF_COND) || i->qp == 0;
    return f & CF_END;
}

bool block_falls_through(const struct insn *i)
{
    return flow[i->op] & CF_END;
}

uop_fn *exec_illegal_handler(void)
{
    return op_illegal_x;
}
