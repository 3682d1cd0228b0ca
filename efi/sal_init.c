/* INIT: from the interrupted context to the handler the system registered with SAL_SET_VECTORS,
 * and back (SDM 2:11.5; the SAL specification's hand-off state, as Linux's and FreeBSD's entry
 * points describe it).
 *
 * The interrupted context is kept in the minimal-state area that PAL_MC_REGISTER_MEM named. Machine
 * checks do not come here: nothing in this machine fails.
 */
#include "fw.h"
#include "log.h"

/* The minimal-state area, in words (SDM 2:11.3.2.3, figure 11-6). */
enum {
    MS_NAT,
    MS_GR1,
    MS_BANK0 = 16,
    MS_BANK1 = 32,
    MS_PR = 48,
    MS_BR0,
    MS_RSC,
    MS_IIP,
    MS_IPSR,
    MS_IFS,
    MS_XIP,
    MS_XPSR,
    MS_XFS,
    MS_BR1,
    MS_WORDS,
};

#define IFS_VALID (1ull << 63)
#define UNCACHED  (1ull << 63)
/* What the handler says in r8 on its way back. */
#define INIT_RESUME 0

static uint64_t min_state_of(const struct firmware *fw, const struct cpu *c)
{
    return fw->min_state[c->id % HPVM_MAX_CPUS] & ~UNCACHED;
}

static void save_gr(const struct cpu *c, uint64_t *ms, unsigned word, unsigned n)
{
    ms[word] = cpu_gr(c, n);
    ms[MS_NAT] |= (uint64_t)cpu_gr_nat(c, n) << word;
}

/* Both banks of r16..r31: the current one as it is, the other after switching. */
static void save_banks(struct cpu *c, uint64_t *ms)
{
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned n = 0; n < 16; n++)
            save_gr(c, ms, (c->psr & PSR_BN ? MS_BANK1 : MS_BANK0) + n, 16 + n);
        cpu_set_psr(c, c->psr ^ PSR_BN);
    }
}

static void save_context(struct cpu *c, uint64_t ms[MS_WORDS])
{
    bool collected = c->psr & PSR_IC;

    for (unsigned n = 1; n < 16; n++)
        save_gr(c, ms, MS_GR1 + n - 1, n);
    save_banks(c, ms);
    ms[MS_PR] = cpu_pr_all(c);
    ms[MS_BR0] = c->br[0];
    ms[MS_BR1] = c->br[1];
    ms[MS_RSC] = c->rsc;
    ms[MS_XIP] = c->ip;
    ms[MS_XPSR] = c->psr;
    ms[MS_XFS] = cpu_cfm(c) | IFS_VALID;
    ms[MS_IIP] = collected ? ms[MS_XIP] : c->cr[CR_IIP];
    ms[MS_IPSR] = collected ? ms[MS_XPSR] : c->cr[CR_IPSR];
    ms[MS_IFS] = collected ? ms[MS_XFS] : c->cr[CR_IFS];
}

/* Physical mode, bank 0, nothing enabled, further INITs held off. */
static void hand_off(struct firmware *fw, struct cpu *c, const struct fw_vector *v)
{
    c->rsc = 0;
    cpu_set_psr(c, PSR_MC);
    cpu_set_gr(c, 1, v->gp);
    cpu_set_gr(c, 8, FW_PAL);
    cpu_set_gr(c, 9, FW_STUB_ADDR(FW_ENTRY_SAL));
    cpu_set_gr(c, 10, 0);
    cpu_set_gr(c, 11, 0); /* reason: none of the special ones */
    cpu_set_gr(c, 12, FW_STUB_ADDR(FW_ENTRY_INIT_RETURN));
    cpu_set_gr(c, 17, min_state_of(fw, c));
    cpu_set_gr(c, 18, 0); /* processor state parameter: no errors */
    c->ip = v->entry;
    c->halted = false;
}

void firmware_init(struct firmware *fw, struct cpu *c)
{
    uint64_t ms[MS_WORDS] = {0}, at;
    const struct fw_vector *v;

    pthread_mutex_lock(&fw->lock);
    /* The first processor to arrive is the monarch; the others wait for it in their handler. */
    v = &fw->init[fw->init_count > 0];
    at = min_state_of(fw, c);
    if (v->entry == 0) {
        log_warn("CPU %u: INIT ignored: the guest has registered no handler", c->id);
    } else {
        save_context(c, ms);
        if (mem_dma_write(fw->mem, at, ms, sizeof(ms)) != 0) {
            log_warn("CPU %u: INIT ignored: its minimal-state area %#llx is not RAM", c->id,
                     (unsigned long long)at);
        } else {
            fw->init_count++;
            hand_off(fw, c, v);
        }
    }
    pthread_mutex_unlock(&fw->lock);
}

static void restore_gr(struct cpu *c, const uint64_t *ms, unsigned word, unsigned n)
{
    cpu_set_gr(c, n, ms[word]);
    if (ms[MS_NAT] >> word & 1)
        cpu_set_gr_nat(c, n, true);
}

static void restore_context(struct cpu *c, const uint64_t ms[MS_WORDS])
{
    for (unsigned n = 1; n < 16; n++)
        restore_gr(c, ms, MS_GR1 + n - 1, n);
    for (unsigned bank = 0; bank < 2; bank++) {
        cpu_set_psr(c, bank ? c->psr | PSR_BN : c->psr & ~PSR_BN);
        for (unsigned n = 0; n < 16; n++)
            restore_gr(c, ms, (bank ? MS_BANK1 : MS_BANK0) + n, 16 + n);
    }
    cpu_set_pr_all(c, ms[MS_PR]);
    c->br[0] = ms[MS_BR0];
    c->br[1] = ms[MS_BR1];
    c->rsc = ms[MS_RSC] & 0x3fff001f;
    c->cr[CR_IIP] = ms[MS_IIP];
    c->cr[CR_IPSR] = ms[MS_IPSR];
    c->cr[CR_IFS] = ms[MS_IFS];
}

bool sal_resume(struct fwcall *k, uint64_t at)
{
    uint64_t ms[MS_WORDS];

    if (mem_dma_read(k->fw->mem, at & ~UNCACHED, ms, sizeof(ms)) != 0)
        return false;
    restore_context(k->c, ms);
    cpu_resume(k->c, ms[MS_XIP], ms[MS_XPSR], ms[MS_XFS] & ~IFS_VALID);
    k->no_return = true;
    return true;
}

/* The handler came back: to where INIT struck, or it wants the machine started anew. */
void sal_init_return(struct fwcall *k)
{
    struct firmware *fw = k->fw;

    k->no_return = true;
    if (fw->init_count > 0)
        fw->init_count--;
    if (cpu_gr(k->c, 8) == INIT_RESUME && sal_resume(k, min_state_of(fw, k->c)))
        return;
    if (fw->cfg.reset)
        fw->cfg.reset(fw->cfg.opaque);
}
