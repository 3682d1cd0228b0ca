/* Branches, checks that branch, and the other B-unit instructions (SDM 1:4.5, 3:br, brl, chk...).
 */
#include "access.h"
#include "dahr.h"
#include "interrupt.h"
#include "rse.h"

#define PFS_EC_SHIFT  52
#define PFS_PPL_SHIFT 62

static uint64_t target(const struct cpu *c, const struct uop *u)
{
    return uop_ip(c, u) + (uint64_t)u->imm;
}

/* Continues behind an operation that ended its block. */
static const struct uop *go_on(struct cpu *c, const struct uop *u)
{
    if (uop_slot(u) != 2 || c->step)
        return uop_exit_after(c, u);
    return uop_goto(c, u, uop_ip(c, u) + 16);
}

const struct uop *jit_take_branch(struct cpu *c, const struct uop *u)
{
    return uop_goto_linked(c, u, target(c, u));
}

static const struct uop *skip_link(struct cpu *c, const struct uop *u)
{
    return uop_run(c, u + 2);
}

/* --- conditional branches --- */

ALWAYS_INLINE const struct uop *cond(struct cpu *c, const struct uop *u, bool gen)
{
    if (pr_get(c, u->qp, gen))
        return uop_goto_linked(c, u, target(c, u));
    return skip_link(c, u);
}

static const struct uop *br_cond_fast(struct cpu *c, const struct uop *u)
{
    return cond(c, u, false);
}

static const struct uop *br_cond_gen(struct cpu *c, const struct uop *u)
{
    return cond(c, u, true);
}

UOP_BODY(br_cond_b)
{
    (void)gen;
    return uop_goto(c, u, c->br[u->r2] & ~15ull);
}
UOP_DEFINE(br_cond_b)

/* br.ia: this processor has no IA-32 mode; PSR.di makes that a Disabled ISA Transition fault. */
UOP_BODY(br_ia)
{
    (void)gen;
    return fault_genex(c, u, c->psr & PSR_DI ? GENEX_ISA : GENEX_ILLEGAL);
}
UOP_DEFINE_GEN(br_ia)

/* --- calls and returns --- */

ALWAYS_INLINE uint64_t frame_marker(const struct cpu *c)
{
    const struct cfm *f = &c->cfm;

    if (unlikely(c->mode)) /* may be rotated */
        return cpu_cfm(c);
    return f->sof | (uint64_t)f->sol << 7 | (uint64_t)f->sor << 11;
}

ALWAYS_INLINE void save_pfs(struct cpu *c)
{
    c->pfs = frame_marker(c) | c->ec << PFS_EC_SHIFT | (uint64_t)cpu_cpl(c) << PFS_PPL_SHIFT;
}

static uint64_t return_address(const struct cpu *c, const struct uop *u)
{
    return uop_ip(c, u) + 16;
}

ALWAYS_INLINE void do_call(struct cpu *c, const struct uop *u)
{
    c->br[u->r1] = return_address(c, u);
    save_pfs(c);
    if (!rse_call_quick(c))
        rse_call(c);
    c->mode = c->nat_seen;
    if (unlikely(c->hints_set))
        dahr_call(c);
}

static const struct uop *br_call_fast(struct cpu *c, const struct uop *u)
{
    if (!(c->pr >> u->qp & 1))
        return skip_link(c, u);
    do_call(c, u);
    return uop_goto_linked(c, u, target(c, u));
}

static const struct uop *br_call_gen(struct cpu *c, const struct uop *u)
{
    if (!pr_get(c, u->qp, true))
        return skip_link(c, u);
    do_call(c, u);
    /* A link in a general block is for general mode; the callee's frame is not rotated and may run
     * in fast mode. */
    if (!(c->mode & 1))
        return uop_goto(c, u, target(c, u));
    return uop_goto_linked(c, u, target(c, u));
}

UOP_BODY(br_call_b)
{
    uint64_t to = c->br[u->r2] & ~15ull;

    (void)gen;
    do_call(c, u);
    return uop_goto(c, u, to);
}
UOP_DEFINE(br_call_b)

/* The frame may be incomplete (SDM 2:6.6): its loads follow the return, but not before its traps.
 */
static void ret_complete(struct cpu *c)
{
    c->branch_taken = true;
    if (!c->step) /* else the run loop does it */
        (void)rse_complete(c);
}

/* br.ret to a lower privilege level (SDM 3:br): PSR.cpl rises, PSR.lp asks for a trap. */
static const struct uop *ret_demoting(struct cpu *c, const struct uop *u, uint64_t to)
{
    uint64_t ppl = c->pfs >> PFS_PPL_SHIFT, traps = c->psr & (PSR_TB | PSR_SS);

    (void)uop_leave_to(c, u, to);
    cpu_set_psr(c, (c->psr & ~PSR_CPL) | ppl << PSR_CPL_SHIFT);
    if (c->psr & PSR_LP)
        interrupt_trap(c, TRAP_LP | (traps & PSR_TB ? TRAP_TB : 0) | (traps & PSR_SS ? TRAP_SS : 0),
                       uop_slot(u));
    else
        ret_complete(c);
    return NULL;
}

static const struct uop *do_ret(struct cpu *c, const struct uop *u)
{
    uint64_t pfs = c->pfs, to = c->br[u->r2] & ~15ull;

    c->ec = pfs >> PFS_EC_SHIFT & 0x3f;
    if (likely(pfs >> PFS_PPL_SHIFT <= cpu_cpl(c) && !c->hints_set &&
               rse_return_quick(c, pfs & 0x3fffffffffull)))
        return uop_goto(c, u, to);
    rse_return(c, pfs & 0x3fffffffffull, CFM_SOL(pfs));
    if (unlikely(c->hints_set))
        dahr_return(c);
    c->mode = c->nat_seen || c->cfm.rrb_gr || c->cfm.rrb_fr || c->cfm.rrb_pr;
    if (unlikely(pfs >> PFS_PPL_SHIFT > cpu_cpl(c)))
        return ret_demoting(c, u, to);
    if (unlikely(c->ndirty < 0)) {
        (void)uop_leave_to(c, u, to);
        if (c->step) {
            ret_complete(c);
            return NULL;
        }
        if (!rse_complete(c))
            return NULL;
        c->budget -= u->rest; /* uop_goto gives it back */
        c->mode |= c->nat_seen;
    }
    return uop_goto(c, u, to);
}

UOP_BODY(br_ret)
{
    (void)gen;
    return do_ret(c, u);
}
UOP_DEFINE(br_ret)

/* --- loops (SDM 1:4.5.1, figures 4-3 and 4-4) --- */

static const struct uop *br_cloop(struct cpu *c, const struct uop *u)
{
    if (uop_slot(u) != 2)
        return fault_illegal(c, u);
    if (c->lc == 0)
        return skip_link(c, u);
    c->lc--;
    return uop_goto_linked(c, u, target(c, u));
}

static void rotate(struct cpu *c)
{
    struct cfm *f = &c->cfm;

    if (f->sor)
        f->rrb_gr = (uint8_t)(f->rrb_gr ? f->rrb_gr - 1 : f->sor - 1);
    f->rrb_fr = (uint8_t)(f->rrb_fr ? f->rrb_fr - 1 : 95);
    f->rrb_pr = (uint8_t)(f->rrb_pr ? f->rrb_pr - 1 : 47);
}

/* One step of a modulo-scheduled loop. more: another source iteration starts (LC or the predicate
 * said so). Returns whether the epilog or kernel goes on. */
static bool loop_step(struct cpu *c, bool more, bool p63)
{
    bool active = more || c->ec > 1;

    pr_set(c, 63, p63, true);
    if (!more) {
        if (c->ec == 0)
            return false;
        c->ec--;
    }
    rotate(c);
    return active;
}

static const struct uop *loop_end(struct cpu *c, const struct uop *u, bool taken)
{
    c->mode = c->nat_seen || c->cfm.rrb_gr || c->cfm.rrb_fr || c->cfm.rrb_pr;
    if (taken)
        return uop_goto(c, u, target(c, u));
    return go_on(c, u);
}

const struct uop *exec_loop_taken(struct cpu *c, const struct uop *u)
{
    return loop_end(c, u, true);
}

const struct uop *exec_loop_left(struct cpu *c, const struct uop *u)
{
    return loop_end(c, u, false);
}

static const struct uop *br_counted(struct cpu *c, const struct uop *u)
{
    bool more = c->lc != 0, active;

    if (uop_slot(u) != 2)
        return fault_illegal(c, u);
    if (more)
        c->lc--;
    active = loop_step(c, more, more);
    return loop_end(c, u, u->op == OP_br_ctop ? active : !active);
}

static const struct uop *br_while(struct cpu *c, const struct uop *u)
{
    bool active;

    if (uop_slot(u) != 2)
        return fault_illegal(c, u);
    active = loop_step(c, pr_get(c, u->qp, c->mode & 1), false);
    return loop_end(c, u, u->op == OP_br_wtop ? active : !active);
}

/* --- speculation checks --- */

UOP_BODY(chk_s)
{
    if (gr_nat(c, u->r2, gen))
        return uop_goto(c, u, target(c, u));
    return uop_next(c, u);
}
UOP_DEFINE(chk_s)

UOP_BODY(chk_s_f)
{
    if (fp_is_natval(fr_get(c, u->r2, gen)))
        return uop_goto(c, u, target(c, u));
    return uop_next(c, u);
}
UOP_DEFINE(chk_s_f)

static const struct uop *check_advanced(struct cpu *c, const struct uop *u, unsigned tag,
                                        bool clear)
{
    if (!alat_has(c, tag))
        return uop_goto(c, u, target(c, u));
    if (clear)
        alat_remove(c, tag);
    return uop_next(c, u);
}

UOP_BODY(chk_a)
{
    unsigned tag = alat_gr(c, gr_phys(c, u->r1, gen));

    return check_advanced(c, u, tag, u->op == OP_chk_a_clr);
}
UOP_DEFINE(chk_a)

UOP_BODY(chk_a_f)
{
    unsigned tag = alat_fr(fr_phys(c, u->r1, gen));

    return check_advanced(c, u, tag, u->op == OP_chk_a_clr_f);
}
UOP_DEFINE(chk_a_f)

UOP_BODY(fchkf)
{
    (void)gen;
    if (fp_chkf(c->fpsr, u->sf))
        return uop_goto(c, u, target(c, u));
    return uop_next(c, u);
}
UOP_DEFINE(fchkf)

/* --- other B-unit instructions (unpredicated) --- */

static const struct uop *rfi(struct cpu *c, const struct uop *u)
{
    if (cpu_cpl(c) != 0)
        return fault_genex(c, u, GENEX_PRIV_OP);
    return interrupt_return(c, u);
}

static const struct uop *cover(struct cpu *c, const struct uop *u)
{
    uint64_t cfm = cpu_cfm(c);

    rse_cover(c);
    if (!(c->psr & PSR_IC))
        c->cr[CR_IFS] = 1ull << 63 | cfm;
    c->mode = c->nat_seen;
    return go_on(c, u);
}

static const struct uop *clrrrb(struct cpu *c, const struct uop *u)
{
    if (u->op == OP_clrrrb)
        c->cfm.rrb_gr = c->cfm.rrb_fr = 0;
    c->cfm.rrb_pr = 0;
    c->mode = c->nat_seen || c->cfm.rrb_gr || c->cfm.rrb_fr;
    return go_on(c, u);
}

static const struct uop *bsw(struct cpu *c, const struct uop *u)
{
    if (cpu_cpl(c) != 0)
        return fault_genex(c, u, GENEX_PRIV_OP);
    cpu_set_psr(c, u->op == OP_bsw_1 ? c->psr | PSR_BN : c->psr & ~PSR_BN);
    return go_on(c, u);
}

/* epc: the privilege of the page, if it is a promotion page (SDM 3:epc). */
static const struct uop *epc(struct cpu *c, const struct uop *u)
{
    uint64_t cpl = cpu_cpl(c);
    struct tlb_result t;

    if (c->pfs >> PFS_PPL_SHIFT < cpl)
        return fault_illegal(c, u);
    if (!(c->psr & PSR_IT)) {
        cpl = 0;
    } else {
        if (access_lookup(c, uop_ip(c, u), ACC_EXEC, (unsigned)cpl, &t) == TLB_OK && t.new_pl < cpl)
            cpl = t.new_pl;
    }
    cpu_set_psr(c, (c->psr & ~PSR_CPL) | cpl << PSR_CPL_SHIFT);
    return go_on(c, u);
}

/* vmsw: no virtual machine features are enabled here: Illegal Operation unless privileged, where it
 * is a Virtualization fault's business (SDM 3:vmsw: PSR.vm changes only with the feature enabled).
 */
static const struct uop *vmsw(struct cpu *c, const struct uop *u)
{
    return fault_illegal(c, u);
}

/* --- choice --- */

static const struct uop_pair table[OP_COUNT] = {
    UOP_PAIR(OP_br_cond, br_cond),
    UOP_PAIR(OP_brl_cond, br_cond),
    UOP_PAIR(OP_br_call, br_call),
    UOP_PAIR(OP_brl_call, br_call),
    UOP_PAIR(OP_br_cond_b, br_cond_b),
    UOP_PAIR(OP_br_call_b, br_call_b),
    UOP_PAIR(OP_br_ret, br_ret),
    UOP_PAIR_GEN(OP_br_ia, br_ia),
    [OP_br_cloop] = {br_cloop, br_cloop},
    [OP_br_ctop] = {br_counted, br_counted},
    [OP_br_cexit] = {br_counted, br_counted},
    [OP_br_wtop] = {br_while, br_while},
    [OP_br_wexit] = {br_while, br_while},
    UOP_PAIR(OP_chk_s_i, chk_s),
    UOP_PAIR(OP_chk_s_m, chk_s),
    UOP_PAIR(OP_chk_s_f, chk_s_f),
    UOP_PAIR(OP_chk_a_nc, chk_a),
    UOP_PAIR(OP_chk_a_clr, chk_a),
    UOP_PAIR(OP_chk_a_nc_f, chk_a_f),
    UOP_PAIR(OP_chk_a_clr_f, chk_a_f),
    UOP_PAIR(OP_fchkf, fchkf),
    [OP_rfi] = {rfi, rfi},
    [OP_cover] = {cover, cover},
    [OP_clrrrb] = {clrrrb, clrrrb},
    [OP_clrrrb_pr] = {clrrrb, clrrrb},
    [OP_bsw_0] = {bsw, bsw},
    [OP_bsw_1] = {bsw, bsw},
    [OP_epc] = {epc, epc},
    [OP_vmsw_0] = {vmsw, vmsw},
    [OP_vmsw_1] = {vmsw, vmsw},
};

uop_fn *exec_br_handler(const struct insn *i, bool gen)
{
    return gen ? table[i->op].gen : table[i->op].fast;
}
