/* The registers of a processor as text, for people: cpu_print_state of cpu.h. */
#include <inttypes.h>

#include "cpu.h"

#define PER_LINE 4

static void print_list(FILE *out, const char *name, const uint64_t *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "  %s%-3u %016" PRIx64 "%s", name, i, v[i],
                i % PER_LINE == PER_LINE - 1 || i == n - 1 ? "\n" : "");
}

static void print_named(FILE *out, const char *const *names, const uint64_t *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "  %-8s %016" PRIx64 "%s", names[i], v[i],
                i % PER_LINE == PER_LINE - 1 || i == n - 1 ? "\n" : "");
}

static void print_general(const struct cpu *c, FILE *out)
{
    unsigned n = c->frame_top;

    for (unsigned i = 0; i < n; i++)
        fprintf(out, "  r%-3u %016" PRIx64 "%c%s", i, cpu_gr(c, i), cpu_gr_nat(c, i) ? '*' : ' ',
                i % PER_LINE == PER_LINE - 1 || i == n - 1 ? "\n" : "");
}

static void print_applications(const struct cpu *c, FILE *out)
{
    static const char *const names[] = {"ar.rsc",  "ar.bsp", "ar.bspst", "ar.rnat",
                                        "ar.pfs",  "ar.lc",  "ar.ec",    "ar.fpsr",
                                        "ar.unat", "ar.ccv", "ar.itc"};
    const uint64_t v[] = {c->rsc, c->bsp,  c->bspstore, c->rnat, c->pfs,    c->lc,
                          c->ec,  c->fpsr, c->unat,     c->ccv,  cpu_itc(c)};

    print_named(out, names, v, sizeof v / sizeof v[0]);
    print_list(out, "k", c->kr, 8);
}

static void print_controls(const struct cpu *c, FILE *out)
{
    static const struct {
        const char *name;
        unsigned number;
    } list[] = {{"cr.dcr", CR_DCR},   {"cr.itm", CR_ITM}, {"cr.iva", CR_IVA},   {"cr.pta", CR_PTA},
                {"cr.ipsr", CR_IPSR}, {"cr.isr", CR_ISR}, {"cr.iip", CR_IIP},   {"cr.ifa", CR_IFA},
                {"cr.itir", CR_ITIR}, {"cr.ifs", CR_IFS}, {"cr.iipa", CR_IIPA}, {"cr.iim", CR_IIM},
                {"cr.iha", CR_IHA},   {"cr.lid", CR_LID}, {"cr.tpr", CR_TPR},   {"cr.itv", CR_ITV}};
    const char *names[sizeof list / sizeof list[0]];
    uint64_t v[sizeof list / sizeof list[0]];

    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        names[i] = list[i].name;
        v[i] = c->cr[list[i].number];
    }
    print_named(out, names, v, sizeof list / sizeof list[0]);
    print_list(out, "irr", c->irr, 4);
    print_list(out, "rr", c->tr.rr, 8);
}

void cpu_print_state(const struct cpu *c, FILE *out)
{
    static const char *const names[] = {"ip", "psr", "cfm", "pr"};
    const uint64_t v[] = {c->ip, c->psr, cpu_cfm(c), cpu_pr_all(c)};

    fprintf(out, "processor %u: %s, %" PRIu64 " instruction slots, %" PRIu64 " interrupts taken\n",
            c->id,
            !c->running ? "not started"
            : c->halted ? "halted"
                        : "running",
            cpu_icount(c), c->interrupts_taken);
    print_named(out, names, v, 4);
    print_list(out, "b", c->br, 8);
    print_general(c, out);
    print_applications(c, out);
    print_controls(c, out);
}
