/* Processor Abstraction Layer procedures (SDM 2:11.10), answered for the emulated processor.
 *
 * Values agree with mem/tlb.h and cpu/cpu.h where those define the processor. Procedures that the
 * architecture calls optional and that would expose caches, power states or error records this
 * processor does not have answer "unimplemented" (-1) without a message.
 */
#include "fw.h"

#include <inttypes.h>
#include <string.h>
#include "log.h"
#include "tlb.h"

#define PAL_OK      0
#define PAL_MORE    1 /* success, further feature sets or no action needed */
#define PAL_UNIMPL  (-1)
#define PAL_EINVAL  (-2)
#define PAL_ERROR   (-3)
#define PAL_NO_INFO (-6)
#define PAL_NO_SET  (-8)

#define MIN_STATE_SIZE 0x1000
#define BRAND_SIZE     128

/* Arguments 1..3 are arg[0..2]; results r9..r11 are ret[1..3]. */
typedef int64_t pal_fn(struct fwcall *k);

static int64_t pal_ok(struct fwcall *k)
{
    (void)k;
    return PAL_OK;
}

static int64_t pal_unimplemented(struct fwcall *k)
{
    (void)k;
    return PAL_UNIMPL;
}

static bool montecito(const struct fwcall *k)
{
    return k->fw->cfg.model != CPU_MADISON;
}

static uint64_t local_id(const struct fwcall *k)
{
    return k->c->cr[CR_LID] >> 16 & 0xffff; /* id << 8 | eid */
}

/* Caches. There is none in the emulator: these are what the real part has, so that systems size
 * their flush loops and page colours as on it. */

struct cache {
    uint8_t level, type;   /* 0-based; 1 instruction, 2 data or unified */
    uint8_t unified, attr; /* 0 write-through, 1 write-back */
    uint8_t assoc, line, load, store, tag_lsb;
    uint32_t size;
};

static const struct cache madison_caches[] = {
    {0, 1, 0, 0, 4, 6, 1, 0xff, 12, 16 << 10}, {0, 2, 0, 0, 4, 6, 1, 1, 12, 16 << 10},
    {1, 2, 1, 1, 8, 7, 5, 1, 15, 256 << 10},   {2, 2, 1, 1, 12, 7, 14, 1, 18, 3 << 20},
    {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0},
};

static const struct cache montecito_caches[] = {
    {0, 1, 0, 0, 4, 6, 1, 0xff, 12, 16 << 10}, {0, 2, 0, 0, 4, 6, 1, 1, 12, 16 << 10},
    {1, 1, 0, 0, 8, 7, 7, 0xff, 17, 1 << 20},  {1, 2, 0, 1, 8, 7, 5, 1, 15, 256 << 10},
    {2, 2, 1, 1, 12, 7, 14, 1, 20, 12 << 20},  {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0},
};

static const struct cache *caches(const struct fwcall *k)
{
    return montecito(k) ? montecito_caches : madison_caches;
}

static const struct cache *find_cache(const struct fwcall *k, uint64_t level, uint64_t type)
{
    for (const struct cache *c = caches(k); c->level != 0xff; c++)
        if (c->level == level && c->type == type)
            return c;
    return NULL;
}

static int64_t pal_cache_info(struct fwcall *k)
{
    const struct cache *c = find_cache(k, k->arg[0], k->arg[1]);

    if (!c || k->arg[2])
        return PAL_EINVAL;
    k->ret[1] = c->unified | (uint64_t)c->attr << 1 | (uint64_t)c->assoc << 8 |
                (uint64_t)c->line << 16 | (uint64_t)c->line << 24 | (uint64_t)c->store << 32 |
                (uint64_t)c->load << 40 | 1ull << 48 | 0x0bull << 56;
    k->ret[2] =
        c->size | 12ull << 32 | (uint64_t)c->tag_lsb << 40 | (uint64_t)(TLB_PA_BITS - 1) << 48;
    return PAL_OK;
}

static int64_t pal_cache_summary(struct fwcall *k)
{
    const struct cache *c = caches(k);

    for (; c->level != 0xff; c++) {
        if (c->level + 1u > k->ret[1])
            k->ret[1] = c->level + 1u;
        k->ret[2]++;
    }
    return PAL_OK;
}

/* No parity or error-correcting code to describe: method 0 in all six descriptors. */
static int64_t pal_cache_prot_info(struct fwcall *k)
{
    return find_cache(k, k->arg[0], k->arg[1]) ? PAL_OK : PAL_EINVAL;
}

static int64_t pal_cache_flush(struct fwcall *k)
{
    return k->arg[0] >= 1 && k->arg[0] <= 4 && k->arg[1] < 4 ? PAL_OK : PAL_EINVAL;
}

/* Writes the value all over one line of the largest line size. */
static int64_t pal_cache_line_init(struct fwcall *k)
{
    uint64_t line[16];

    for (unsigned i = 0; i < 16; i++)
        line[i] = k->arg[1];
    return mem_dma_write(k->fw->mem, k->arg[0] & ~127ull, line, sizeof(line)) ? PAL_ERROR : PAL_OK;
}

static int64_t pal_cache_shared_info(struct fwcall *k)
{
    if (!montecito(k))
        return PAL_UNIMPL;
    if (!find_cache(k, k->arg[0], k->arg[1]) || (k->arg[2] != 0 && k->arg[2] != UINT64_MAX))
        return PAL_EINVAL;
    k->ret[1] = 1; /* no other logical processor shares it */
    k->ret[3] = local_id(k);
    return PAL_OK;
}

/* Memory attributes WB, UC, UCE, WC, NaTPage as bits (SDM 2:4.4). */
static int64_t pal_mem_attrib(struct fwcall *k)
{
    k->ret[1] = 1u << MA_WB | 1u << MA_UC | 1u << MA_UCE | 1u << MA_WC | 1u << MA_NATPAGE;
    return PAL_OK;
}

/* Virtual memory. */

/* One ptc.e empties the TC: base 0, counts 1 and 1, strides 0. */
static int64_t pal_ptce_info(struct fwcall *k)
{
    k->ret[1] = 0;
    k->ret[2] = 1ull << 32 | 1;
    k->ret[3] = 0;
    return PAL_OK;
}

/* Two levels per side, fully associative; the first takes 4 KB pages only. */
static int64_t pal_vm_info(struct fwcall *k)
{
    static const unsigned entries[] = {32, 128};

    if (k->arg[0] > 1 || k->arg[1] < 1 || k->arg[1] > 2)
        return PAL_EINVAL;
    k->ret[1] = 1 | (uint64_t)entries[k->arg[0]] << 8 | (uint64_t)entries[k->arg[0]] << 16;
    k->ret[2] = k->arg[0] == 0 ? 1ull << 12 : TLB_INSERT_SIZES;
    return PAL_OK;
}

/* SDM 2:11.10.3 PAL_VM_SUMMARY. Fields that name a maximum hold the count less one. */
static int64_t pal_vm_summary(struct fwcall *k)
{
    k->ret[1] = 1 | (uint64_t)TLB_PA_BITS << 1 | (uint64_t)TLB_KEY_BITS << 8 |
                (uint64_t)(TLB_PKR_COUNT - 1) << 16 | 8ull << 24 |
                (uint64_t)(TLB_TR_COUNT - 1) << 32 | (uint64_t)(TLB_TR_COUNT - 1) << 40 |
                4ull << 48 | 2ull << 56;
    k->ret[2] = TLB_VA_MSB | TLB_RID_BITS << 8 | 1u << 16;
    return PAL_OK;
}

static int64_t pal_vm_page_size(struct fwcall *k)
{
    k->ret[1] = TLB_INSERT_SIZES;
    k->ret[2] = TLB_INSERT_SIZES;
    return PAL_OK;
}

/* Processor features, frequencies, identity. */

/* Availability as real Itanium 2 parts report it; nothing can be changed. */
static int64_t pal_bus_get_features(struct fwcall *k)
{
    k->ret[1] = 0xbdf0000060000000ull;
    k->ret[2] = 0x40000000;
    return PAL_OK;
}

/* Set 0: no optional feature. Sets 1 to 15 are reserved, those above model-specific. */
static int64_t pal_proc_get_features(struct fwcall *k)
{
    if (k->arg[1] == 0)
        return PAL_OK;
    return k->arg[1] < 16 ? PAL_EINVAL : PAL_NO_SET;
}

static int64_t pal_debug_info(struct fwcall *k)
{
    k->ret[1] = 4;
    k->ret[2] = 4;
    return PAL_OK;
}

static int64_t pal_fixed_addr(struct fwcall *k)
{
    k->ret[1] = k->c->id;
    return PAL_OK;
}

static uint64_t ratio(uint64_t hz, uint64_t base)
{
    uint64_t a = hz, b = base;

    while (b) {
        uint64_t t = a % b;

        a = b;
        b = t;
    }
    if (a == 0)
        return 0;
    hz /= a;
    base /= a;
    while ((hz | base) >> 32) { /* each half has 32 bits */
        hz >>= 1;
        base >>= 1;
    }
    return hz << 32 | (base ? base : 1);
}

static int64_t pal_freq_ratios(struct fwcall *k)
{
    uint64_t base = k->fw->cfg.bus_hz;

    k->ret[1] = ratio(fw_cpu_hz(k->fw), base);
    k->ret[2] = ratio(base, base);
    k->ret[3] = ratio(k->fw->cfg.itc_hz, base);
    return PAL_OK;
}

/* Buffer: PMCs, PMDs, PMCs that count cycles, PMCs that count retired bundles; 256 bits each.
 * 4 generic pairs of 47 usable bits; event codes 0x12 cycles, 0x08 retired. */
static int64_t pal_perf_mon_info(struct fwcall *k)
{
    const uint64_t masks[16] = {0x3fff, 0, 0, 0, 0x3ffff, 0, 0, 0, 0xf0, 0, 0, 0, 0xf0};

    if (k->arg[0] & 7)
        return PAL_EINVAL;
    if (!fw_write(k, k->arg[0], masks, sizeof(masks)))
        return PAL_EINVAL;
    k->ret[1] = 4 | 47 << 8 | 0x12 << 16 | 0x08 << 24;
    return PAL_OK;
}

/* The blocks can be "moved" only to where they are. */
static int64_t pal_platform_addr(struct fwcall *k)
{
    static const struct {
        uint64_t addr, align;
    } block[] = {{HPVM_PIB, HPVM_PIB_SIZE}, {HPVM_IOPORT, HPVM_IOPORT_SIZE}};
    uint64_t addr = k->arg[1] & ~(1ull << 63);

    if (k->arg[0] > 1 || (addr & (block[k->arg[0]].align - 1)))
        return PAL_EINVAL;
    return addr == block[k->arg[0]].addr ? PAL_OK : PAL_ERROR;
}

static int64_t pal_rse_info(struct fwcall *k)
{
    k->ret[1] = CPU_PHYS_STACKED;
    k->ret[2] = 0; /* enforced lazy only */
    return PAL_OK;
}

static int64_t pal_version(struct fwcall *k)
{
    k->ret[1] = montecito(k) ? 0x0000096801000968ull : 0x0000057301000573ull;
    k->ret[2] = k->ret[1];
    return PAL_OK;
}

/* Requests 0 and 2: bit maps of implemented AR and CR; 1 and 3: those whose reading has a side
 * effect (CR: only IVR). */
static int64_t pal_register_info(struct fwcall *k)
{
    static const uint64_t map[4][2] = {
        {0x000011117f2f00ffull, 0x7}, {0, 0}, {0x03fb0107, 0x307ff}, {0, 0x2}};

    if (k->arg[0] > 3)
        return PAL_EINVAL;
    k->ret[1] = map[k->arg[0]][0];
    k->ret[2] = map[k->arg[0]][1];
    return PAL_OK;
}

/* One core and one thread per socket, as an Integrity VM guest sees it. */
static int64_t pal_logical_to_physical(struct fwcall *k)
{
    if (!montecito(k))
        return PAL_UNIMPL;
    if (k->arg[0] != 0 && k->arg[0] != UINT64_MAX)
        return PAL_EINVAL;
    k->ret[1] = 1 | 1ull << 16 | 1ull << 32 | (uint64_t)k->c->id << 48;
    k->ret[2] = 0;
    k->ret[3] = local_id(k);
    return PAL_OK;
}

static int64_t pal_brand_info(struct fwcall *k)
{
    char text[BRAND_SIZE] = {0};

    if (k->arg[0] != 0)
        return k->arg[0] < 16 ? PAL_EINVAL : PAL_NO_INFO;
    strncpy(text, fw_brand(k->fw), sizeof(text) - 1);
    return fw_write(k, k->arg[1], text, sizeof(text)) ? PAL_OK : PAL_EINVAL;
}

/* Power. */

static int64_t pal_halt_light(struct fwcall *k)
{
    k->c->halted = true;
    return PAL_OK;
}

static int64_t pal_halt(struct fwcall *k)
{
    if (k->arg[0] < 1 || k->arg[0] > 7)
        return PAL_EINVAL;
    return k->arg[0] == 1 ? pal_halt_light(k) : PAL_EINVAL;
}

/* Eight states; 0 and 1 are implemented and coherent (bits 60, 61): exit and entry latency in
 * cycles, power in milliwatts. */
static int64_t pal_halt_info(struct fwcall *k)
{
    const uint64_t state = 1000 | 1000u << 16 | 10ull << 32 | 1ull << 60 | 1ull << 61;
    const uint64_t states[8] = {state, state};

    return fw_write(k, k->arg[0], states, sizeof(states)) ? PAL_OK : PAL_EINVAL;
}

/* Machine check: nothing ever goes wrong here, so there are no records. */

static int64_t pal_mc_expected(struct fwcall *k)
{
    bool *expected = &k->fw->mc_expected[k->c->id % HPVM_MAX_CPUS];

    if (k->arg[0] > 1)
        return PAL_EINVAL;
    k->ret[1] = *expected;
    *expected = k->arg[0];
    return PAL_OK;
}

static int64_t pal_mc_error_info(struct fwcall *k)
{
    return k->arg[0] > 7 ? PAL_EINVAL : PAL_NO_INFO;
}

static int64_t pal_mc_resume(struct fwcall *k)
{
    if (k->arg[2] != 0)
        return PAL_EINVAL; /* only to the interrupted context: no machine check made another */
    return sal_resume(k, k->arg[1]) ? PAL_OK : PAL_EINVAL;
}

static int64_t pal_mc_register_mem(struct fwcall *k)
{
    k->ret[1] = MIN_STATE_SIZE;
    if (k->arg[0] & 511)
        return PAL_EINVAL;
    k->fw->min_state[k->c->id % HPVM_MAX_CPUS] = k->arg[0];
    return PAL_OK;
}

static int64_t pal_pmi_entrypoint(struct fwcall *k)
{
    k->fw->pmi_entry = k->arg[0];
    return PAL_OK;
}

/* Relocation: PAL stays where it is, and the offset handed out leads back to it. */

static int64_t pal_copy_info(struct fwcall *k)
{
    if (k->arg[0] > 1)
        return PAL_EINVAL;
    k->ret[1] = FW_PAL_SIZE;
    k->ret[2] = FW_PAL_SIZE;
    return PAL_OK;
}

static int64_t pal_copy_pal(struct fwcall *k)
{
    if (k->arg[1] < FW_PAL_SIZE || (k->arg[0] & (FW_PAL_SIZE - 1)))
        return PAL_EINVAL;
    k->ret[1] = FW_PAL - (k->arg[0] & ~(1ull << 63));
    return PAL_OK;
}

static int64_t pal_test_info(struct fwcall *k)
{
    k->ret[1] = 0;
    k->ret[2] = EFI_PAGE;
    return PAL_OK;
}

/* Success with r9 = 0: self-test completed, nothing reduced. */
static int64_t pal_test_proc(struct fwcall *k)
{
    k->ret[1] = 0;
    return PAL_OK;
}

static int64_t pal_prefetch_visibility(struct fwcall *k)
{
    return k->arg[0] > 1 ? PAL_EINVAL : PAL_MORE; /* 1: no remote call needed */
}

/* Buffer: page-table entry, ITIR, IFA, RR of a translation register. r9 tells which of the
 * access rights, privilege level, dirty bit and memory attribute are valid (SDM 2:11.10.3). */
static int64_t pal_vm_tr_read(struct fwcall *k)
{
    const struct tlb_entry *e;
    uint64_t out[4] = {0};

    if (k->arg[0] >= TLB_TR_COUNT || k->arg[1] > 1)
        return PAL_EINVAL;
    e = tlb_tr(k->c->tlb, k->arg[1] ? TLB_DATA : TLB_INST, (unsigned)k->arg[0]);
    if (e && e->valid) {
        out[0] = (uint64_t)e->p | (uint64_t)e->ma << 2 | (uint64_t)e->a << 5 | (uint64_t)e->d << 6 |
                 (uint64_t)e->pl << 7 | (uint64_t)e->ar << 9 | e->ppn | (uint64_t)e->ed << 52;
        out[1] = (uint64_t)e->ps << 2 | (uint64_t)e->key << 8;
        out[2] = e->vpn | 1; /* bit 0: the register holds a translation */
        out[3] = (uint64_t)e->rid << 8;
    }
    if (!fw_write(k, k->arg[2], out, sizeof(out)))
        return PAL_EINVAL;
    k->ret[1] = e && e->valid ? 0xf : 0;
    return PAL_OK;
}

/* SDM 2:11.10.1, tables of procedures by number. */
static const struct {
    uint16_t id;
    pal_fn *fn;
} procedures[] = {
    {1, pal_cache_flush},
    {2, pal_cache_info},
    {3, pal_ok}, /* PAL_CACHE_INIT */
    {4, pal_cache_summary},
    {5, pal_mem_attrib},
    {6, pal_ptce_info},
    {7, pal_vm_info},
    {8, pal_vm_summary},
    {9, pal_bus_get_features},
    {10, pal_ok}, /* PAL_BUS_SET_FEATURES */
    {11, pal_debug_info},
    {12, pal_fixed_addr},
    {13, pal_unimplemented}, /* PAL_FREQ_BASE: the platform makes the clock */
    {14, pal_freq_ratios},
    {15, pal_perf_mon_info},
    {16, pal_platform_addr},
    {17, pal_proc_get_features},
    {18, pal_ok}, /* PAL_PROC_SET_FEATURES */
    {19, pal_rse_info},
    {20, pal_version},
    {21, pal_ok}, /* PAL_MC_CLEAR_LOG: nothing pending */
    {22, pal_ok}, /* PAL_MC_DRAIN */
    {23, pal_mc_expected},
    {24, pal_ok}, /* PAL_MC_DYNAMIC_STATE: size 0 */
    {25, pal_mc_error_info},
    {26, pal_mc_resume},
    {27, pal_mc_register_mem},
    {28, pal_halt},
    {29, pal_halt_light},
    {30, pal_copy_info},
    {31, pal_cache_line_init},
    {32, pal_pmi_entrypoint},
    {33, pal_unimplemented}, /* PAL_ENTER_IA_32_ENV */
    {34, pal_vm_page_size},
    {37, pal_test_info},
    {38, pal_cache_prot_info},
    {39, pal_register_info},
    {40, pal_unimplemented}, /* PAL_SHUTDOWN */
    {41, pal_prefetch_visibility},
    {42, pal_logical_to_physical},
    {43, pal_cache_shared_info},
    {48, pal_unimplemented}, /* PAL_GET_HW_POLICY */
    {49, pal_unimplemented}, /* PAL_SET_HW_POLICY */
    {50, pal_unimplemented}, /* PAL_VP_INFO */
    {51, pal_ok},            /* PAL_MC_HW_TRACKING: none */
    {256, pal_copy_pal},
    {257, pal_halt_info},
    {258, pal_test_proc},
    {259, pal_unimplemented}, /* PAL_CACHE_READ */
    {260, pal_unimplemented}, /* PAL_CACHE_WRITE */
    {261, pal_vm_tr_read},
    {262, pal_unimplemented}, /* PAL_GET_PSTATE */
    {263, pal_unimplemented}, /* PAL_SET_PSTATE */
    {266, pal_unimplemented}, /* 266..273: virtual processor services */
    {267, pal_unimplemented},
    {268, pal_unimplemented},
    {269, pal_unimplemented},
    {270, pal_unimplemented},
    {271, pal_unimplemented},
    {272, pal_unimplemented},
    {273, pal_unimplemented},
    {274, pal_brand_info},
    {276, pal_unimplemented}, /* PAL_MC_ERROR_INJECT */
    {277, pal_unimplemented}, /* PAL_MEMORY_BUFFER */
};

/* Arguments: static procedures (index below 256 or 512 to 767) take r29..r31 and return by a
 * plain branch; stacked ones take in1..in3 (SDM 2:11.10.2). The index is in r28 for both. */
static uint64_t load_args(struct fwcall *k)
{
    uint64_t index = cpu_gr(k->c, 28);

    k->stacked = index & 0x100;
    for (unsigned i = 0; i < 3; i++) {
        if (!k->stacked)
            k->arg[i] = cpu_gr(k->c, 29 + i);
        else if (k->c->cfm.sof > i + 1)
            k->arg[i] = cpu_gr(k->c, 33 + i);
    }
    return index;
}

void pal_call(struct fwcall *k)
{
    uint64_t index = load_args(k);

    for (unsigned i = 0; i < sizeof(procedures) / sizeof(procedures[0]); i++) {
        if (procedures[i].id == index) {
            k->ret[0] = (uint64_t)procedures[i].fn(k);
            return;
        }
    }
    if (log_once("PAL", index))
        log_warn("PAL procedure %" PRIu64 " (%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64
                 ") is not implemented",
                 index, k->arg[0], k->arg[1], k->arg[2]);
    k->ret[0] = (uint64_t)PAL_UNIMPL;
}
