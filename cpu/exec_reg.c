/* Moves to and from branch, application and predicate registers, alloc, RSE instructions
 * (SDM 1:3.1.8, 3:mov ar, mov br, mov pr, alloc, flushrs, loadrs). */
#include "interrupt.h"
#include "rse.h"
#include "sapic.h"

#define CHECK_NAT_R2()                                                                             \
    do {                                                                                           \
        if (gr_nat(c, u->r2, gen))                                                                 \
            return fault_nat(c, u, 0);                                                             \
    } while (0)

/* --- branch registers, predicates, ip --- */

UOP_BODY(mov_to_br)
{
    CHECK_NAT_R2();
    c->br[u->r1] = gr_get(c, u->r2, gen);
    return uop_next(c, u);
}
UOP_DEFINE(mov_to_br)

UOP_BODY(mov_from_br)
{
    gr_set(c, u->r1, c->br[u->r2], false, gen);
    return uop_next(c, u);
}
UOP_DEFINE(mov_from_br)

/* Predicates are read and written by physical number: rotation does not apply (SDM 3:mov pr). */
UOP_BODY(mov_to_pr)
{
    uint64_t mask = (uint64_t)u->imm;

    CHECK_NAT_R2();
    c->pr = (c->pr & ~mask) | (gr_get(c, u->r2, gen) & mask) | 1;
    return uop_next(c, u);
}
UOP_DEFINE(mov_to_pr)

UOP_BODY(mov_to_pr_rot)
{
    (void)gen;
    c->pr = (c->pr & 0xffff) | ((uint64_t)u->imm & ~0xffffull);
    return uop_next(c, u);
}
UOP_DEFINE(mov_to_pr_rot)

UOP_BODY(mov_from_pr)
{
    gr_set(c, u->r1, c->pr, false, gen);
    return uop_next(c, u);
}
UOP_DEFINE(mov_from_pr)

UOP_BODY(mov_from_ip)
{
    gr_set(c, u->r1, uop_ip(c, u), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE(mov_from_ip)

/* --- application registers --- */

#define UNIT_BIT_I 1u
#define UNIT_BIT_M 2u

/* Units an AR can be reached from; 0 for reserved ones, which are illegal (SDM 1:3.1.8, table 3-3).
 */
static unsigned ar_units(const struct cpu *c, unsigned n)
{
    if ((n >= 48 && n <= 63) || n >= 112)
        return UNIT_BIT_I | UNIT_BIT_M; /* ignored registers */
    if (n >= AR_PFS && n <= AR_EC)
        return UNIT_BIT_I;
    if (n == AR_RUC)
        return c->model == CPU_POULSON ? UNIT_BIT_M : 0;
    if (n <= 7 || (n >= 16 && n <= 19) || n == AR_FCR || (n >= 24 && n <= 30) || n == AR_CCV ||
        n == AR_UNAT || n == AR_FPSR || n == AR_ITC)
        return UNIT_BIT_M;
    return 0;
}

static unsigned unit_of(unsigned op)
{
    return op == OP_mov_to_ar_i || op == OP_mov_to_ar_imm_i || op == OP_mov_from_ar_i ? UNIT_BIT_I
                                                                                      : UNIT_BIT_M;
}

/* BSPSTORE and RNAT are accessible only in enforced lazy mode (2:6.5.2). */
static bool rse_busy(const struct cpu *c, unsigned n)
{
    return (n == AR_BSPSTORE || n == AR_RNAT) && (c->rsc & 3);
}

static uint64_t *ia32_register(struct cpu *c, unsigned n)
{
    switch (n) {
    case AR_FCR:
        return &c->ar_ia32[0];
    case AR_EFLAG:
        return &c->ar_ia32[1];
    case AR_CFLG:
        return &c->ar_ia32[2];
    case AR_FSR:
        return &c->ar_ia32[3];
    case AR_FIR:
        return &c->ar_ia32[4];
    case AR_FDR:
        return &c->ar_ia32[5];
    case AR_CSD:
        return &c->csd;
    case AR_SSD:
        return &c->ssd;
    default:
        return NULL;
    }
}

uint64_t cpu_ar(struct cpu *c, unsigned n)
{
    uint64_t *plain;

    if (n <= 7)
        return c->kr[n];
    switch (n) {
    case AR_RSC:
        return c->rsc;
    case AR_BSP:
        return c->bsp;
    case AR_BSPSTORE:
        return c->bspstore;
    case AR_RNAT:
        return c->rnat;
    case AR_CCV:
        return c->ccv;
    case AR_UNAT:
        return c->unat;
    case AR_FPSR:
        return c->fpsr;
    case AR_ITC:
    case AR_RUC:
        return cpu_itc(c);
    case AR_PFS:
        return c->pfs;
    case AR_LC:
        return c->lc;
    case AR_EC:
        return c->ec;
    }
    plain = ia32_register(c, n);
    return plain ? *plain : 0;
}

#define RSC_VALID  0x3fff001full
#define FPSR_VALID 0x3ffffffffffffffull
#define PFS_VALID  0xfff0003fffffffffull

static bool fpsr_valid(uint64_t v)
{
    if (v & ~FPSR_VALID || v & 1ull << (6 + 6)) /* sf0.td is reserved */
        return false;
    for (unsigned sf = 0; sf < 4; sf++)
        if ((v >> (6 + 13 * sf + 2) & 3) == 1) /* precision control 1 is reserved */
            return false;
    return true;
}

/* PFS: reserved bits 51:38 and 61:58 (1:3.1.8.12). */
static bool pfs_valid(uint64_t v)
{
    return !(v & ~PFS_VALID) && !(v >> 58 & 0xf);
}

static bool ar_value_valid(unsigned n, uint64_t v)
{
    switch (n) {
    case AR_RSC:
        return !(v & ~RSC_VALID);
    case AR_FPSR:
        return fpsr_valid(v);
    case AR_PFS:
        return pfs_valid(v);
    default:
        return true;
    }
}

static void write_rsc(struct cpu *c, uint64_t v)
{
    uint64_t cpl = cpu_cpl(c);

    if ((v >> 2 & 3) < cpl) /* no more privilege than the writer has (2:6.5.1) */
        v = (v & ~0xcull) | cpl << 2;
    c->rsc = v;
    cpu_update_context(c);
}

static void ar_write(struct cpu *c, unsigned n, uint64_t v)
{
    uint64_t *plain = ia32_register(c, n);

    if (plain) {
        *plain = v;
        return;
    }
    if (n <= 7) {
        c->kr[n] = v;
        return;
    }
    switch (n) {
    case AR_RSC:
        write_rsc(c, v);
        break;
    case AR_BSPSTORE:
        rse_set_bspstore(c, v);
        break;
    case AR_RNAT:
        c->rnat = v & INT64_MAX; /* bit 63 reads as 0 (1:3.1.8.5) */
        break;
    case AR_CCV:
        c->ccv = v;
        break;
    case AR_UNAT:
        c->unat = v;
        break;
    case AR_FPSR:
        c->fpsr = v;
        break;
    case AR_ITC:
        c->itc_offset += v - cpu_itc(c);
        sapic_rearm(c);
        break;
    case AR_PFS:
        c->pfs = v;
        break;
    case AR_LC:
        c->lc = v;
        break;
    case AR_EC:
        c->ec = v & 0x3f;
        break;
    }
}

bool cpu_set_ar(struct cpu *c, unsigned n, uint64_t v)
{
    if (!ar_units(c, n) || n == AR_BSP || n == AR_RUC || !ar_value_valid(n, v))
        return false;
    ar_write(c, n, v);
    return true;
}

static const struct uop *ar_write_checked(struct cpu *c, const struct uop *u, uint64_t v)
{
    unsigned n = u->r3;

    if (!ar_value_valid(n, v))
        return fault_genex(c, u, GENEX_RESERVED);
    if ((n <= 7 || n == AR_ITC || n == AR_RUC) && cpu_cpl(c) != 0)
        return fault_genex(c, u, GENEX_PRIV_REG);
    if (n == AR_ITC) { /* the clock counts a block's slots at its entry; the timer may be due now */
        c->budget += u->rest;
        ar_write(c, n, v);
        c->budget -= u->rest;
        return uop_exit_after(c, u);
    }
    ar_write(c, n, v);
    return uop_next(c, u);
}

static bool ar_target_legal(const struct cpu *c, const struct uop *u)
{
    return (ar_units(c, u->r3) & unit_of(u->op)) && u->r3 != AR_BSP && u->r3 != AR_RUC &&
           !rse_busy(c, u->r3);
}

UOP_BODY(mov_to_ar)
{
    if (!ar_target_legal(c, u))
        return fault_illegal(c, u);
    CHECK_NAT_R2();
    return ar_write_checked(c, u, gr_get(c, u->r2, gen));
}
UOP_DEFINE(mov_to_ar)

UOP_BODY(mov_to_ar_imm)
{
    (void)gen;
    if (!ar_target_legal(c, u))
        return fault_illegal(c, u);
    return ar_write_checked(c, u, (uint64_t)u->imm);
}
UOP_DEFINE(mov_to_ar_imm)

UOP_BODY(mov_from_ar)
{
    unsigned n = u->r3;

    if (!(ar_units(c, n) & unit_of(u->op)) || rse_busy(c, n))
        return fault_illegal(c, u);
    if ((n == AR_ITC || n == AR_RUC) && (c->psr & PSR_SI) && cpu_cpl(c) != 0)
        return fault_genex(c, u, GENEX_PRIV_REG);
    c->budget += u->rest; /* for ITC: slots of the block not executed yet */
    gr_set(c, u->r1, cpu_ar(c, n), false, gen);
    c->budget -= u->rest;
    return uop_next(c, u);
}
UOP_DEFINE(mov_from_ar)

/* --- register stack --- */

static const struct uop *alloc(struct cpu *c, const struct uop *u)
{
    unsigned sof = u->len, sol = u->pos, sor = (unsigned)u->imm * 8;
    bool rotated = c->cfm.rrb_gr || c->cfm.rrb_fr || c->cfm.rrb_pr;

    if (u->qp != 0 || sof > CPU_PHYS_STACKED || sor > sof || sol > sof)
        return fault_illegal(c, u);
    if (u->r1 == 0 || u->r1 >= 32u + sof)
        return fault_illegal(c, u);
    if (sor != c->cfm.sor && rotated)
        return fault_genex(c, u, GENEX_RESERVED);
    if (!rse_alloc(c, u, sof, sol, sor))
        return NULL;
    gr_set(c, u->r1, c->pfs, false, c->mode & 1);
    return uop_next(c, u);
}

static const struct uop *flushrs(struct cpu *c, const struct uop *u)
{
    if (!rse_flush(c, u))
        return NULL;
    return uop_next(c, u);
}

static const struct uop *loadrs(struct cpu *c, const struct uop *u)
{
    if (c->rsc & 3)
        return fault_illegal(c, u);
    /* The frame must be empty unless nothing is to be loaded (3:loadrs). */
    if (c->cfm.sof != 0 && (c->rsc >> 16 & 0x3fff))
        return fault_illegal(c, u);
    if (!rse_loadrs_fits(c))
        return fault_illegal(c, u);
    if (!rse_loadrs(c, u))
        return NULL;
    cpu_update_mode(c);
    return uop_exit_after(c, u);
}

static const struct uop_pair table[OP_COUNT] = {
    UOP_PAIR(OP_mov_to_br, mov_to_br),
    UOP_PAIR(OP_mov_from_br, mov_from_br),
    UOP_PAIR(OP_mov_to_pr, mov_to_pr),
    UOP_PAIR(OP_mov_to_pr_rot, mov_to_pr_rot),
    UOP_PAIR(OP_mov_from_pr, mov_from_pr),
    UOP_PAIR(OP_mov_from_ip, mov_from_ip),
    UOP_PAIR(OP_mov_to_ar_i, mov_to_ar),
    UOP_PAIR(OP_mov_to_ar_m, mov_to_ar),
    UOP_PAIR(OP_mov_to_ar_imm_i, mov_to_ar_imm),
    UOP_PAIR(OP_mov_to_ar_imm_m, mov_to_ar_imm),
    UOP_PAIR(OP_mov_from_ar_i, mov_from_ar),
    UOP_PAIR(OP_mov_from_ar_m, mov_from_ar),
    [OP_alloc] = {alloc, alloc},
    [OP_flushrs] = {flushrs, flushrs},
    [OP_loadrs] = {loadrs, loadrs},
};

static bool writes_gr(unsigned op)
{
    return op == OP_mov_from_br || op == OP_mov_from_pr || op == OP_mov_from_ip ||
           op == OP_mov_from_ar_i || op == OP_mov_from_ar_m;
}

uop_fn *exec_reg_handler(const struct insn *i, bool gen)
{
    const struct uop_pair *p = &table[i->op];

    if (p->fast && i->r1 == 0 && writes_gr(i->op))
        return exec_illegal_handler();
    return gen ? p->gen : p->fast;
}
