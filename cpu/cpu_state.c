/* A processor as bytes, as a checksum and as text (cpu.h). */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>
#include "dahr.h"
#include "interp.h"
#include "rse.h"
#include "archive.h"

#define C(member) ARCHIVE_FIELD(struct cpu, member)

static const struct archive_field fields[] = {
    C(ip),           C(psr),        C(pr),
    C(gr),           C(nat),        C(bank_gr),
    C(bank_nat),     C(br),         C(lc),
    C(ec),           C(fpsr),       C(unat),
    C(ccv),          C(csd),        C(ssd),
    C(kr),           C(bsp),        C(bspstore),
    C(rnat),         C(rsc),        C(pfs),
    C(cr),           C(tr.rr),      C(tr.pkr),
    C(tr.pta),       C(dbr),        C(ibr),
    C(pmc),          C(pmd),        C(ar_ia32),
    C(irr),          C(isr_bits),   C(interrupts_taken),
    C(init_pending), C(itc_offset), C(itm_armed),
    C(halted),       C(running),    C(iipa),
    C(pmu_icount),   C(pmu_clock),  C(pmu_active),
    C(rr_dirty),     C(bof),        C(ndirty),
    C(nclean),       C(stk_shift),  C(stk),
    C(nat_seen),
};

static const struct archive_field alat_fields[] = {
    ARCHIVE_FIELD(struct alat_entry, pa),
    ARCHIVE_FIELD(struct alat_entry, reg),
    ARCHIVE_FIELD(struct alat_entry, size),
    ARCHIVE_FIELD(struct alat_entry, valid),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The processor's numbers that index something are those of a real frame. */
static void check_frame(struct cpu *c, struct archive *s)
{
    archive_check(s, c->bof >= RSE_BASE_MIN && c->bof <= RSE_BASE_MAX, "a frame is nowhere");
    archive_check(s, c->ndirty >= -CPU_PHYS_STACKED && c->ndirty <= CPU_PHYS_STACKED,
                  "a register stack is impossible");
    if (s->wrong != NULL) {
        c->ndirty = 0;
        c->bof = CPU_STACK_SLOTS / 2;
    }
}

static void bits_are_bits(uint8_t *nat, size_t count)
{
    for (size_t i = 0; i < count; i++)
        nat[i] &= 1;
}

static void frame_state(struct cpu *c, struct archive *s)
{
    uint64_t cfm = cpu_cfm(c);

    archive_bytes(s, &cfm, sizeof(cfm));
    archive_bytes(s, c->stk_nat, sizeof(c->stk_nat));
    if (!s->loading)
        return;
    check_frame(c, s);
    cpu_set_cfm(c, cfm);
    archive_check(s, cpu_cfm(c) == cfm, "a frame marker is impossible");
    bits_are_bits(c->stk_nat, COUNT(c->stk_nat));
    bits_are_bits(c->nat, COUNT(c->nat));
    bits_are_bits(c->bank_nat, COUNT(c->bank_nat));
}

static void fr_state(struct cpu *c, struct archive *s)
{
    for (unsigned n = 0; n < 128; n++) {
        archive_bytes(s, &c->fr[n].sig, sizeof(c->fr[n].sig));
        archive_bytes(s, &c->fr[n].exp, sizeof(c->fr[n].exp));
        archive_check(s, !(c->fr[n].exp & ~(FP_SIGN | FP_EXP_MASK)), "an exponent is impossible");
    }
}

static void alat_state(struct cpu *c, struct archive *s)
{
    if (s->loading)
        c->alat_used = 0;
    archive_bytes(s, &c->alat_granules, sizeof(c->alat_granules));
    for (unsigned n = 0; n < CPU_ALAT_SIZE; n++) {
        archive_fields(s, &c->alat[n], alat_fields, COUNT(alat_fields));
        if (s->loading)
            c->alat_used += c->alat[n].valid;
    }
}

/* What follows from the registers. */
static void derive(struct cpu *c)
{
    c->gr[0] = 0;
    c->nat[0] = 0;
    c->pr |= 1;
    c->key_context = (c->psr >> PSR_CPL_SHIFT & 3) | (c->psr & PSR_IT ? 4 : 0);
    c->step = c->exit_request = c->stop = c->yield = false;
    stlb_switch(c);
    cpu_update_context(c);
    cpu_update_mode(c);
}

void cpu_state(struct cpu *c, struct archive *s)
{
    uint64_t icount = cpu_icount(c);

    if (s->loading) {
        cpu_reset(c);
        block_forget_all(c);
    } else {
        cpu_settle_fr(c);
    }
    archive_fields(s, c, fields, COUNT(fields));
    archive_bytes(s, &icount, sizeof(icount));
    frame_state(c, s);
    fr_state(c, s);
    alat_state(c, s);
    dahr_state(c, s);
    tlb_state(c->tlb, s);
    if (!s->loading)
        return;
    c->icount = icount;
    derive(c);
}

/* --- checksum --- */

/* The fields every engine leaves the same after the same instructions. */
static const struct archive_field digest_fields[] = {
    C(ip),     C(psr),    C(pr),      C(gr),    C(nat),      C(bank_gr),   C(bank_nat),
    C(br),     C(cfm),    C(lc),      C(ec),    C(fr),       C(fpsr),      C(unat),
    C(ccv),    C(csd),    C(ssd),     C(kr),    C(bsp),      C(rnat),      C(bspstore),
    C(rsc),    C(pfs),    C(cr),      C(tr.rr), C(tr.pkr),   C(tr.pta),    C(dbr),
    C(ibr),    C(pmc),    C(ar_ia32), C(irr),   C(isr_bits), C(itm_armed), C(itc_offset),
    C(ndirty), C(halted),
};

static int first_dirty(const struct cpu *c)
{
    return c->ndirty > 0 ? -c->ndirty : 0;
}

uint32_t cpu_digest(struct cpu *c)
{
    uint64_t icount = cpu_icount(c);
    uLong crc = crc32_z(0, (const uint8_t *)&icount, sizeof(icount));
    uint32_t from = (uint32_t)((int)c->bof + first_dirty(c));
    uint32_t count = c->bof + c->cfm.sof - from;

    cpu_settle_fr(c);
    for (size_t i = 0; i < COUNT(digest_fields); i++)
        crc = crc32_z(crc, (const uint8_t *)c + digest_fields[i].offset, digest_fields[i].size);
    crc = crc32_z(crc, (const uint8_t *)&c->stk[from], count * sizeof(c->stk[0]));
    return (uint32_t)crc32_z(crc, &c->stk_nat[from], count);
}

/* --- text --- */

static void print_array(FILE *out, const char *name, const uint64_t *v, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        fprintf(out, "%s%u %016" PRIx64 "\n", name, n, v[n]);
}

static const struct {
    const char *name;
    size_t offset;
} single[] = {
    {"ip", offsetof(struct cpu, ip)},
    {"psr", offsetof(struct cpu, psr)},
    {"pr", offsetof(struct cpu, pr)},
    {"ar.lc", offsetof(struct cpu, lc)},
    {"ar.ec", offsetof(struct cpu, ec)},
    {"ar.fpsr", offsetof(struct cpu, fpsr)},
    {"ar.unat", offsetof(struct cpu, unat)},
    {"ar.ccv", offsetof(struct cpu, ccv)},
    {"ar.csd", offsetof(struct cpu, csd)},
    {"ar.ssd", offsetof(struct cpu, ssd)},
    {"ar.bsp", offsetof(struct cpu, bsp)},
    {"ar.bspstore", offsetof(struct cpu, bspstore)},
    {"ar.rnat", offsetof(struct cpu, rnat)},
    {"ar.rsc", offsetof(struct cpu, rsc)},
    {"ar.pfs", offsetof(struct cpu, pfs)},
    {"cr.pta", offsetof(struct cpu, tr.pta)},
    {"itc.offset", offsetof(struct cpu, itc_offset)},
};

/* General registers and the dirty ones below the frame, as r31, r30 and so on of frames before. */
static void print_general(struct cpu *c, FILE *out)
{
    for (unsigned n = 1; n < 32u + c->cfm.sof; n++)
        fprintf(out, "r%u %016" PRIx64 "%s\n", n, cpu_gr(c, n), cpu_gr_nat(c, n) ? " NaT" : "");
    for (int k = first_dirty(c); k < 0; k++) {
        uint32_t i = (uint32_t)((int)c->bof + k);

        fprintf(out, "dirty%d %016" PRIx64 "%s\n", k, c->stk[i], c->stk_nat[i] ? " NaT" : "");
    }
    print_array(out, "bank.r16+", c->bank_gr, 16);
}

void cpu_print_registers(struct cpu *c, FILE *out)
{
    for (size_t i = 0; i < COUNT(single); i++) {
        uint64_t v;

        memcpy(&v, (const char *)c + single[i].offset, sizeof(v));
        fprintf(out, "%s %016" PRIx64 "\n", single[i].name, v);
    }
    fprintf(out, "cfm %016" PRIx64 "\nhalted %d\n", cpu_cfm(c), c->halted);
    print_general(c, out);
    for (unsigned n = 2; n < 128; n++) {
        struct fpreg f = cpu_fr(c, n);

        fprintf(out, "f%u %05x.%016" PRIx64 "\n", n, f.exp, f.sig);
    }
    print_array(out, "b", c->br, 8);
    print_array(out, "ar.k", c->kr, 8);
    print_array(out, "cr", c->cr, 128);
    print_array(out, "rr", c->tr.rr, TLB_RR_COUNT);
    print_array(out, "pkr", c->tr.pkr, TLB_PKR_COUNT);
    print_array(out, "dbr", c->dbr, CPU_DBR_COUNT);
    print_array(out, "ibr", c->ibr, CPU_DBR_COUNT);
    print_array(out, "pmc", c->pmc, CPU_PMC_COUNT);
    print_array(out, "irr", c->irr, 4);
    print_array(out, "in.service", c->isr_bits, 4);
}
