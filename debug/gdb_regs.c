/* See gdb_regs.h. */
#include "gdb_regs.h"

#include <string.h>

/* What PSR can hold, but for vm and id to ia, which are for one instruction (SDM 2:3.3.2). */
#define PSR_SETTABLE 0x1e1f0ffee03eull

size_t gdb_reg_size(unsigned n)
{
    return n >= GDB_REG_FR && n < GDB_REG_PR ? 16 : 8;
}

/* --- reading --- */

static uint64_t static_nats(const struct cpu *c)
{
    uint64_t bits = 0;

    for (unsigned n = 1; n < 32; n++)
        bits |= (uint64_t)cpu_gr_nat(c, n) << n;
    return bits;
}

static uint64_t read_ar(struct cpu *c, unsigned n, bool nats_in_unat)
{
    switch (n) {
    case AR_BSP:
    case AR_BSPSTORE:
        return cpu_stack_view(c).end;
    case AR_RNAT:
        return cpu_stack_view(c).nat;
    case AR_UNAT:
        return nats_in_unat ? static_nats(c) : cpu_ar(c, n);
    default:
        return cpu_ar(c, n);
    }
}

static uint64_t read_word(struct cpu *c, unsigned n, bool nats_in_unat)
{
    if (n < GDB_REG_FR) /* outside the frame there is nothing */
        return n < 32u + c->cfm.sof ? cpu_gr(c, n) : 0;
    if (n < GDB_REG_BR)
        return cpu_pr_all(c) >> (n - GDB_REG_PR) & 1;
    if (n < GDB_REG_COMPILER)
        return c->br[n - GDB_REG_BR];
    if (n >= GDB_REG_AR)
        return read_ar(c, n - GDB_REG_AR, nats_in_unat);
    switch (n) {
    case GDB_REG_PR_ALL:
        return cpu_pr_all(c);
    case GDB_REG_IP:
        return c->ip;
    case GDB_REG_PSR:
        return c->psr;
    case GDB_REG_CFM:
        return cpu_cfm(c);
    default:
        return 0;
    }
}

/* Significand, then exponent and sign (SDM 1:5.1, table 5-5). */
static void read_fr(const struct cpu *c, unsigned n, uint8_t bytes[GDB_REG_MAX])
{
    struct fpreg f = cpu_fr(c, n);
    uint64_t high = f.exp;

    memcpy(bytes, &f.sig, 8);
    memcpy(bytes + 8, &high, 8);
}

size_t gdb_reg_read(struct cpu *c, unsigned n, bool nats_in_unat, uint8_t bytes[GDB_REG_MAX])
{
    uint64_t v;

    if (gdb_reg_size(n) == 16) {
        read_fr(c, n - GDB_REG_FR, bytes);
        return 16;
    }
    v = read_word(c, n, nats_in_unat);
    memcpy(bytes, &v, 8);
    return 8;
}

/* --- writing --- */

static bool write_gr(struct cpu *c, unsigned n, uint64_t v)
{
    if (n == 0 || n >= 32u + c->cfm.sof)
        return false;
    cpu_set_gr(c, n, v);
    return true;
}

static bool write_fr(struct cpu *c, unsigned n, const uint8_t bytes[GDB_REG_MAX])
{
    struct fpreg f = {0};
    uint64_t high;

    memcpy(&f.sig, bytes, 8);
    memcpy(&high, bytes + 8, 8);
    if (n < 2 || high > (FP_SIGN | FP_EXP_MASK))
        return false;
    f.exp = (uint32_t)high;
    cpu_set_fr(c, n, f);
    return true;
}

static bool write_psr(struct cpu *c, uint64_t v)
{
    if ((v & PSR_RI) == PSR_RI)
        return false;
    cpu_set_psr(c, (c->psr & ~PSR_SETTABLE) | (v & PSR_SETTABLE));
    return true;
}

/* The frame's registers must have room above the dirty ones (SDM 2:6.2). */
static bool write_cfm(struct cpu *c, uint64_t v)
{
    unsigned dirty = c->ndirty > 0 ? (unsigned)c->ndirty : 0;

    if ((v & 0x7f) + dirty > CPU_PHYS_STACKED || v >> 38)
        return false;
    cpu_set_cfm(c, v);
    c->mode = 1; /* as if rotated: whoever runs it looks again */
    return true;
}

static bool write_ar(struct cpu *c, unsigned n, uint64_t v, bool nats_in_unat)
{
    switch (n) {
    case AR_BSP: /* what is shown for these is not what they hold */
    case AR_BSPSTORE:
    case AR_RNAT:
        return false;
    case AR_UNAT:
        if (!nats_in_unat)
            break;
        for (unsigned k = 1; k < 32; k++)
            cpu_set_gr_nat(c, k, v >> k & 1);
        return true;
    default:
        break;
    }
    return cpu_set_ar(c, n, v);
}

static bool write_word(struct cpu *c, unsigned n, uint64_t v, bool nats_in_unat)
{
    if (n < GDB_REG_FR)
        return write_gr(c, n, v);
    if (n < GDB_REG_BR) {
        uint64_t bit = 1ull << (n - GDB_REG_PR);

        cpu_set_pr_all(c, (cpu_pr_all(c) & ~bit) | (v ? bit : 0));
        return n > GDB_REG_PR && v <= 1;
    }
    if (n < GDB_REG_COMPILER) {
        c->br[n - GDB_REG_BR] = v;
        return true;
    }
    if (n >= GDB_REG_AR)
        return write_ar(c, n - GDB_REG_AR, v, nats_in_unat);
    switch (n) {
    case GDB_REG_PR_ALL:
        cpu_set_pr_all(c, v);
        return true;
    case GDB_REG_IP:
        c->ip = v & ~15ull;
        return true;
    case GDB_REG_PSR:
        return write_psr(c, v);
    case GDB_REG_CFM:
        return write_cfm(c, v);
    default:
        return false;
    }
}

bool gdb_reg_write(struct cpu *c, unsigned n, bool nats_in_unat, const uint8_t bytes[GDB_REG_MAX])
{
    uint64_t v;

    if (gdb_reg_size(n) == 16)
        return write_fr(c, n - GDB_REG_FR, bytes);
    memcpy(&v, bytes, 8);
    return write_word(c, n, v, nats_in_unat);
}
