/* See inspect.h. */
#include "inspect.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PER_LINE 16 /* bytes of a dump */

/* --- registers --- */

static void general(struct cpu *c, struct line_answer *to)
{
    for (unsigned n = 0; n < 32u + c->cfm.sof; n++) {
        char name[8];
        snprintf(name, sizeof name, "r%u", n);
        line_answer_field(to, name, "%016" PRIx64 "%s", cpu_gr(c, n),
                          cpu_gr_nat(c, n) ? " NaT" : "");
    }
    for (unsigned n = 0; n < 16; n++) {
        char name[16];
        snprintf(name, sizeof name, "other-bank-r%u", n + 16);
        line_answer_field(to, name, "%016" PRIx64 "%s", c->bank_gr[n],
                          c->bank_nat[n] ? " NaT" : "");
    }
}

static void named(struct line_answer *to, const char *name, uint64_t v)
{
    line_answer_field(to, name, "%016" PRIx64, v);
}

static void application(struct cpu *c, struct line_answer *to)
{
    static const struct {
        const char *name;
        unsigned n;
    } ars[] = {{"rsc", AR_RSC},   {"bsp", AR_BSP}, {"bspstore", AR_BSPSTORE},
               {"rnat", AR_RNAT}, {"ccv", AR_CCV}, {"unat", AR_UNAT},
               {"fpsr", AR_FPSR}, {"itc", AR_ITC}, {"pfs", AR_PFS},
               {"lc", AR_LC},     {"ec", AR_EC},   {"csd", AR_CSD},
               {"ssd", AR_SSD}};
    for (unsigned n = 0; n < 8; n++) {
        char name[8];
        snprintf(name, sizeof name, "k%u", n);
        named(to, name, c->kr[n]);
    }
    for (size_t k = 0; k < sizeof ars / sizeof ars[0]; k++)
        named(to, ars[k].name, cpu_ar(c, ars[k].n));
}

static void control(const struct cpu *c, struct line_answer *to)
{
    static const struct {
        const char *name;
        unsigned n;
    } crs[] = {{"dcr", CR_DCR},   {"itm", CR_ITM},   {"iva", CR_IVA}, {"pta", CR_PTA},
               {"ipsr", CR_IPSR}, {"isr", CR_ISR},   {"iip", CR_IIP}, {"ifa", CR_IFA},
               {"itir", CR_ITIR}, {"iipa", CR_IIPA}, {"ifs", CR_IFS}, {"iim", CR_IIM},
               {"iha", CR_IHA},   {"lid", CR_LID},   {"tpr", CR_TPR}, {"itv", CR_ITV}};
    for (size_t k = 0; k < sizeof crs / sizeof crs[0]; k++)
        named(to, crs[k].name, c->cr[crs[k].n]);
    for (unsigned n = 0; n < 8; n++) {
        char name[8];
        snprintf(name, sizeof name, "rr%u", n);
        named(to, name, c->tr.rr[n]);
    }
}

static void registers(struct machine *m, unsigned n, struct line_answer *to)
{
    struct cpu *c = m->cpu[n];
    line_answer_field(to, "ip", "%016" PRIx64 " slot %u", c->ip,
                      (unsigned)(c->psr >> PSR_RI_SHIFT) & 3);
    line_answer_field(to, "psr", "%016" PRIx64 " cpl %u", c->psr, cpu_cpl(c));
    line_answer_field(to, "cfm", "%010" PRIx64 " sof %u sol %u sor %u rrb %u %u %u", cpu_cfm(c),
                      c->cfm.sof, c->cfm.sol, c->cfm.sor, c->cfm.rrb_gr, c->cfm.rrb_fr,
                      c->cfm.rrb_pr);
    named(to, "pr", cpu_pr_all(c));
    for (unsigned k = 0; k < 8; k++) {
        char name[8];
        snprintf(name, sizeof name, "b%u", k);
        named(to, name, c->br[k]);
    }
    general(c, to);
    application(c, to);
    control(c, to);
    line_answer_field(to, "dirty", "%d", c->ndirty);
}

static void floating(struct machine *m, unsigned n, struct line_answer *to)
{
    for (unsigned k = 0; k < 128; k++) {
        struct fpreg f = cpu_fr(m->cpu[n], k);
        char name[8];
        snprintf(name, sizeof name, "f%u", k);
        line_answer_field(to, name, "%c %05x %016" PRIx64, f.exp & FP_SIGN ? '-' : '+',
                          f.exp & FP_EXP_MASK, f.sig);
    }
}

/* --- translations --- */

static void translation(struct line_answer *to, enum tlb_side side, unsigned n,
                        const struct tlb_entry *e)
{
    static const char *const attributes[] = {"wb", "?", "?", "?", "uc", "uce", "wc", "natpage"};
    line_answer(to,
                "%ctr%s%u %015" PRIx64 " rid %06x -> %013" PRIx64
                " 2^%u %s ar %u pl %u key %06x%s%s%s%s",
                side == TLB_DATA ? 'd' : 'i', n < TLB_TR_COUNT ? "" : "-cache ",
                n < TLB_TR_COUNT ? n : n - TLB_TR_COUNT, e->vpn, e->rid, e->ppn, e->ps,
                attributes[e->ma & 7], e->ar, e->pl, e->key, e->p ? " p" : "", e->a ? " a" : "",
                e->d ? " d" : "", e->ed ? " ed" : "");
}

static void translations(struct machine *m, unsigned n, struct line_answer *to)
{
    for (enum tlb_side side = TLB_DATA; side <= TLB_INST; side++)
        for (unsigned k = 0; k < TLB_ENTRIES; k++) {
            const struct tlb_entry *e = tlb_entry(m->cpu[n]->tlb, side, k);
            if (e != NULL)
                translation(to, side, k, e);
        }
}

/* --- the machine --- */

static void processors(struct machine *m, unsigned n, struct line_answer *to)
{
    (void)n;
    for (unsigned i = 0; i < m->config.cpus; i++) {
        const struct cpu *c = m->cpu[i];
        line_answer(to, "%u %s %016" PRIx64 " %" PRIu64 " slots", i,
                    !c->running ? "not-started"
                    : c->halted ? "halted"
                                : "running",
                    c->ip, cpu_icount(c));
    }
}

static void breakpoints(struct machine *m, unsigned n, struct line_answer *to)
{
    (void)n;
    for (unsigned k = 0; k < m->breaks.breaks; k++)
        line_answer(to, "break %016" PRIx64, m->breaks.at[k]);
    for (unsigned k = 0; k < m->breaks.watches; k++) {
        const struct watchpoint *w = &m->breaks.watch[k];
        line_answer(to, "watch %016" PRIx64 " %" PRIu64 "%s%s", w->addr, w->len,
                    w->access & ACC_READ ? " read" : "", w->access & ACC_WRITE ? " write" : "");
    }
}

static uint32_t pci(struct machine *m, unsigned bus, unsigned device, unsigned reg, unsigned size)
{
    return (uint32_t)board_pci_read(m, 0, bus, device << 3, reg, size);
}

static void pci_function(struct machine *m, unsigned bus, unsigned device, struct line_answer *to)
{
    uint32_t id = pci(m, bus, device, 0, 4);
    if (id == 0xffffffff)
        return;
    line_answer(to, "%02x:%02x.0 %04x:%04x class %06x command %04x status %04x line %u", bus,
                device, id & 0xffff, id >> 16, pci(m, bus, device, 8, 4) >> 8,
                pci(m, bus, device, 4, 2), pci(m, bus, device, 6, 2), pci(m, bus, device, 0x3c, 1));
    for (unsigned bar = 0; bar < 6; bar++) {
        uint32_t v = pci(m, bus, device, 0x10 + 4 * bar, 4);
        if (v != 0)
            line_answer(to, "%02x:%02x.0 bar %u %08x", bus, device, bar, v);
    }
}

static void pci_functions(struct machine *m, unsigned n, struct line_answer *to)
{
    (void)n;
    for (unsigned bus = 0; bus < HPVM_PCI_ROOTS; bus++)
        for (unsigned device = 0; device < HPVM_PCI_SLOTS; device++)
            pci_function(m, bus, device, to);
}

static void add_field(void *opaque, const char *name, const char *value)
{
    line_answer_field(opaque, name, "%s", value);
}

static void firmware(struct machine *m, unsigned n, struct line_answer *to)
{
    (void)n;
    firmware_describe(m->firmware, to, add_field);
}

int inspect(struct machine *m, const char *what, unsigned n, struct line_answer *to, char *why,
            size_t size)
{
    static const struct {
        const char *name;
        void (*show)(struct machine *m, unsigned n, struct line_answer *to);
    } subjects[] = {{"registers", registers},    {"fp", floating},       {"tlb", translations},
                    {"cpus", processors},        {"pci", pci_functions}, {"firmware", firmware},
                    {"breakpoints", breakpoints}};
    for (size_t k = 0; k < sizeof subjects / sizeof subjects[0]; k++)
        if (strcmp(what, subjects[k].name) == 0) {
            subjects[k].show(m, n, to);
            return 0;
        }
    snprintf(why, size, "info knows registers, fp, tlb, cpus, pci, firmware and breakpoints");
    return -EINVAL;
}

/* --- memory --- */

static int read_bytes(struct machine *m, unsigned n, bool physical, uint64_t addr, uint8_t *bytes,
                      uint64_t count)
{
    return physical ? mem_dma_read(m->mem, addr, bytes, count)
                    : cpu_debug_read(m->cpu[n], addr, bytes, count);
}

static void dump_line(uint64_t addr, const uint8_t *bytes, unsigned count, struct line_answer *to)
{
    char hex[3 * PER_LINE + 1] = "", text[PER_LINE + 1] = "";
    for (unsigned k = 0; k < count; k++) {
        snprintf(hex + 3 * k, 4, " %02x", bytes[k]);
        text[k] = isprint(bytes[k]) ? (char)bytes[k] : '.';
    }
    line_answer(to, "%016" PRIx64 ":%-*s %s", addr, 3 * PER_LINE, hex, text);
}

int inspect_memory(struct machine *m, unsigned n, bool physical, uint64_t addr, uint64_t length,
                   struct line_answer *to, char *why, size_t size)
{
    uint8_t bytes[PER_LINE];
    for (uint64_t at = 0; at < length; at += PER_LINE) {
        unsigned count = length - at < PER_LINE ? (unsigned)(length - at) : PER_LINE;
        if (read_bytes(m, n, physical, addr + at, bytes, count) != 0) {
            snprintf(why, size, "there is no memory at %016" PRIx64, addr + at);
            return at > 0 ? 0 : -EFAULT;
        }
        dump_line(addr + at, bytes, count, to);
    }
    return 0;
}
