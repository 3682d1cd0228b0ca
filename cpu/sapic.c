/* Local SAPIC and interval timer. Section numbers are of SDM volume 2. */
#include "channels.h"
#include "interp.h"
#include "sapic.h"

static int highest_bit(const uint64_t bits[4])
{
    for (int w = 3; w >= 0; w--)
        if (bits[w])
            return w * 64 + 63 - __builtin_clzll(bits[w]);
    return -1;
}

/* Priority of a vector: NMI (2) above ExtINT (0) above 255..16 (5.8.3, table 5-8). */
static int rank(int vector)
{
    return vector == 2 ? 257 : vector == 0 ? 256 : vector;
}

static int highest_requested(const struct cpu *c)
{
    uint64_t irr[4];

    for (unsigned k = 0; k < 4; k++)
        irr[k] = __atomic_load_n(&c->irr[k], __ATOMIC_RELAXED);
    if (irr[0] & 4)
        return 2;
    if (irr[0] & 1)
        return 0;
    return highest_bit(irr);
}

static int highest_in_service(const struct cpu *c)
{
    if (c->isr_bits[0] & 4)
        return 2;
    if (c->isr_bits[0] & 1)
        return 0;
    return highest_bit(c->isr_bits);
}

/* The vector that would be delivered now, or -1: pending, above what is in service, and not masked
 * by TPR (5.8.3.1: mmi masks all but NMI, mic masks classes up to its own). */
static int deliverable(const struct cpu *c)
{
    int v = highest_requested(c), s;
    uint64_t tpr = c->cr[CR_TPR];

    if (v < 0)
        return -1;
    s = highest_in_service(c);
    if (s >= 0 && rank(v) <= rank(s))
        return -1;
    if (v == 2)
        return v;
    if (tpr & SAPIC_TPR_MMI)
        return -1;
    if (v != 0 && (v >> 4) <= (int)(tpr >> 4 & 15))
        return -1;
    return v;
}

bool cpu_interrupt_pending(const struct cpu *c)
{
    return deliverable(c) >= 0;
}

uint64_t sapic_read_ivr(struct cpu *c)
{
    int v = deliverable(c);

    if (v < 0)
        return SAPIC_SPURIOUS;
    __atomic_fetch_and(&c->irr[v >> 6], ~(1ull << (v & 63)), __ATOMIC_RELAXED);
    c->isr_bits[v >> 6] |= 1ull << (v & 63);
    c->interrupts_taken++;
    return (uint64_t)v;
}

void sapic_write_eoi(struct cpu *c)
{
    int v = highest_in_service(c);

    if (v >= 0)
        c->isr_bits[v >> 6] &= ~(1ull << (v & 63));
}

/* A shared processor's thread finds out by itself whether it goes on. */
static void wake(struct cpu *c)
{
    if (!c->mail)
        c->halted = false;
    cpu_kick(c);
}

/* From any thread, like the next. */
void cpu_post_interrupt(struct cpu *c, unsigned vector)
{
    if (vector > 255 || (vector < 16 && vector != 0 && vector != 2))
        return;
    if (channel_on(CHANNEL_IRQ))
        channel_line(CHANNEL_IRQ, "processor %u vector %02x", c->id, vector);
    __atomic_fetch_or(&c->irr[vector >> 6], 1ull << (vector & 63), __ATOMIC_SEQ_CST);
    wake(c);
}

void cpu_post_init(struct cpu *c)
{
    __atomic_store_n(&c->init_pending, true, __ATOMIC_SEQ_CST);
    wake(c);
}

void sapic_reset(struct cpu *c)
{
    for (int k = 0; k < 4; k++)
        c->irr[k] = c->isr_bits[k] = 0;
    c->cr[CR_TPR] = 0;
    c->cr[CR_ITV] = c->cr[CR_PMV] = c->cr[CR_CMCV] = SAPIC_MASKED;
    c->cr[CR_LRR0] = c->cr[CR_LRR1] = SAPIC_MASKED;
    c->itm_armed = false;
}

/* --- time (3.3.4.2, 3.3.4.3) --- */

static uint64_t scale(uint64_t v, uint64_t num, uint64_t den)
{
    return (uint64_t)((unsigned __int128)v * num / den);
}

uint64_t cpu_itc(const struct cpu *c)
{
    uint64_t ticks;

    if (c->deterministic || !c->hooks.now_ns)
        ticks = cpu_icount(c);
    else
        ticks = scale(c->hooks.now_ns(c->hooks.opaque), c->itc_hz, 1000000000ull);
    return ticks + c->itc_offset;
}

/* ITC ticks until it equals ITM, 0 if it has passed since the timer was armed. */
static uint64_t ticks_to_itm(const struct cpu *c)
{
    int64_t d = (int64_t)(c->cr[CR_ITM] - cpu_itc(c));

    return d > 0 ? (uint64_t)d : 0;
}

uint64_t cpu_timer_due_ns(const struct cpu *c)
{
    if (!c->itm_armed)
        return UINT64_MAX;
    return scale(ticks_to_itm(c), 1000000000ull, c->itc_hz);
}

uint64_t cpu_timer_due_ticks(const struct cpu *c)
{
    return c->itm_armed ? ticks_to_itm(c) : UINT64_MAX;
}

/* A match is an equality: an ITM that ITC has passed matches when ITC comes round again (3.3.4.2),
 * which is never. */
void sapic_rearm(struct cpu *c)
{
    c->itm_armed = (int64_t)(c->cr[CR_ITM] - cpu_itc(c)) >= 0;
}

void cpu_check_timer(struct cpu *c)
{
    if (!c->itm_armed || ticks_to_itm(c) > 0)
        return;
    c->itm_armed = false;
    if (!(c->cr[CR_ITV] & SAPIC_MASKED))
        cpu_post_interrupt(c, c->cr[CR_ITV] & 0xff);
}

bool cpu_ready(struct cpu *c)
{
    cpu_check_timer(c);
    if (c->halted &&
        (__atomic_load_n(&c->init_pending, __ATOMIC_RELAXED) || cpu_interrupt_pending(c)))
        c->halted = false;
    return !c->halted;
}
