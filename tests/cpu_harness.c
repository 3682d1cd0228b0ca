/* See cpu_harness.h. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cpu_harness.h"
#include "../cpu/interp.h"

#define MAX_CODE 65536

/* Template 0x17 (BBB with a stop at the end): nop.b, nop.b, break.b is not possible: break.b in
 * slot 0 is what stops. Slot bits: break.b 0 is all zero, nop.b 0 has opcode 2. */
#define TMPL_BBB_STOP 0x17u
#define NOP_B         (2ull << 37)

/* --- assembling --- */

static uint64_t text_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3ull;
    return h;
}

static const char *cache_path(void)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/tests/%s.code", KITTSON_SOURCE_DIR,
             program_invocation_short_name);
    return path;
}

static size_t from_hex(const char *s, uint8_t *out)
{
    size_t n = 0;
    unsigned v;

    while (n < MAX_CODE && sscanf(s + 2 * n, "%2x", &v) == 1)
        out[n++] = (uint8_t)v;
    return n;
}

static size_t cached(uint64_t hash, uint8_t *out)
{
    static char line[2 * MAX_CODE + 64];
    FILE *f = fopen(cache_path(), "r");
    size_t n = 0;

    if (!f)
        return 0;
    while (n == 0 && fgets(line, sizeof line, f))
        if (strtoull(line, NULL, 16) == hash && strlen(line) > 17)
            n = from_hex(line + 17, out);
    fclose(f);
    return n;
}

static void remember(uint64_t hash, const uint8_t *code, size_t n)
{
    FILE *f = fopen(cache_path(), "a");

    ck_assert_msg(f, "%s: %s", cache_path(), strerror(errno));
    fprintf(f, "%016llx ", (unsigned long long)hash);
    for (size_t k = 0; k < n; k++)
        fprintf(f, "%02x", code[k]);
    fputc('\n', f);
    fclose(f);
}

static size_t read_back(const char *path, uint8_t *out)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, MAX_CODE, f) : 0;

    if (f)
        fclose(f);
    unlink(path);
    return n;
}

static size_t assemble(const char *text, uint8_t *out)
{
    char base[] = "/tmp/kittson-asm-XXXXXX", cmd[256], bin[64];
    int fd = mkstemp(base);
    FILE *p;

    ck_assert_int_ge(fd, 0);
    close(fd);
    snprintf(bin, sizeof bin, "%s.bin", base);
    snprintf(cmd, sizeof cmd,
             "ia64-linux-gnu-as -xnone -o %s - && ia64-linux-gnu-objcopy -O binary -j .text %s %s",
             base, base, bin);
    p = popen(cmd, "w");
    ck_assert(p);
    fprintf(p, "\t.text\n%s\n", text);
    ck_assert_msg(pclose(p) == 0, "not in %s and cannot be assembled:\n%s", cache_path(), text);
    unlink(base);
    return read_back(bin, out);
}

static size_t code_of(const char *text, uint8_t *out)
{
    uint64_t hash = text_hash(text);
    size_t n = cached(hash, out);

    if (n)
        return n;
    n = assemble(text, out);
    if (n && getenv("KITTSON_ASM_UPDATE"))
        remember(hash, out, n);
    return n;
}

void harness_bundle(struct harness *h, uint64_t addr, unsigned tmpl, uint64_t s0, uint64_t s1,
                    uint64_t s2)
{
    uint64_t w[2] = {tmpl | s0 << 5 | s1 << 46, s1 >> 18 | s2 << 23};

    ck_assert_int_eq(mem_dma_write(h->m, addr, w, sizeof w), 0);
}

uint64_t harness_asm(struct harness *h, uint64_t addr, const char *text)
{
    static uint8_t code[MAX_CODE];
    size_t n = code_of(text, code);

    ck_assert_uint_gt(n, 0);
    ck_assert_int_eq(mem_dma_write(h->m, addr, code, n), 0);
    harness_bundle(h, addr + n, TMPL_BBB_STOP, 0, NOP_B, NOP_B);
    return addr + n;
}

/* --- the machine --- */

static void on_break(void *opaque, struct cpu *c, uint64_t imm)
{
    struct harness *h = opaque;

    (void)imm;
    h->end = c->ip;
    c->stop = true;
}

static void on_init(void *opaque, struct cpu *c)
{
    struct harness *h = opaque;

    (void)c;
    h->inits++;
}

struct harness *harness_new(enum cpu_model model)
{
    struct harness *h = calloc(1, sizeof *h);
    struct cpu_hooks hooks = {.opaque = h, .firmware = on_break, .init = on_init};

    ck_assert(h);
    h->m = mem_new();
    ck_assert(h->m);
    ck_assert_int_eq(mem_add_ram(h->m, 0, HARNESS_RAM), 0);
    h->c = cpu_new(0, model, h->m);
    ck_assert(h->c);
    cpu_set_hooks(h->c, &hooks);
    cpu_set_firmware_range(h->c, 0, HARNESS_RAM);
    for (uint64_t v = 0; v < 0x8000; v += 0x100)
        harness_bundle(h, HARNESS_IVA + v, TMPL_BBB_STOP, 0, NOP_B, NOP_B);
    h->c->cr[CR_IVA] = HARNESS_IVA;
    h->c->bsp = h->c->bspstore = HARNESS_BSP;
    h->c->deterministic = true;
    cpu_set_psr(h->c, PSR_IC | PSR_BN);
    harness_goto(h, HARNESS_CODE, 0);
    return h;
}

/* What harness_suites is at. */
static bool translated;

struct harness *harness_start(int mode)
{
    struct harness *h = harness_new(CPU_MONTECITO);

    if (translated && cpu_enable_jit(h->c))
        h->c->jit_hot = 1;
    h->stepwise = mode == 1;
    return h;
}

uint64_t harness_word(struct harness *h, uint64_t pa)
{
    uint64_t v = 0;

    ck_assert(mem_read(h->m, pa, 8, &v));
    return v;
}

static int run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}

int harness_suites(Suite *(*make)(void))
{
    int failed = run_suite(make());

    translated = true;
    failed += run_suite(make());
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void harness_free(struct harness *h)
{
    if (!h)
        return;
    cpu_free(h->c);
    mem_free(h->m);
    free(h);
}

int harness_run_slots(struct harness *h, uint64_t slots)
{
    struct cpu *c = h->c;

    c->stop = false;
    h->end = 0;
    while (!c->stop && slots > 0) {
        uint64_t n = cpu_run(c, h->stepwise ? 1 : slots);

        if (c->halted)
            break;
        n = n ? n : 1;
        slots = n < slots ? slots - n : 0;
    }
    if (!c->stop)
        return HARNESS_OUT;
    if (h->end >= HARNESS_IVA && h->end < HARNESS_IVA + 0x8000)
        return (int)(h->end - HARNESS_IVA);
    return HARNESS_END;
}

int harness_run(struct harness *h)
{
    return harness_run_slots(h, 10000);
}

int harness_exec(struct harness *h, const char *text)
{
    harness_asm(h, HARNESS_CODE, text);
    harness_goto(h, HARNESS_CODE, 0);
    return harness_run(h);
}

void harness_goto(struct harness *h, uint64_t ip, unsigned slot)
{
    h->c->ip = ip;
    h->c->psr = (h->c->psr & ~PSR_RI) | (uint64_t)slot << PSR_RI_SHIFT;
}

void harness_psr(struct harness *h, uint64_t set, uint64_t clear)
{
    cpu_set_psr(h->c, (h->c->psr & ~clear) | set);
}

void harness_cpl(struct harness *h, unsigned cpl)
{
    harness_psr(h, (uint64_t)cpl << PSR_CPL_SHIFT, PSR_CPL);
}

void harness_cfm(struct harness *h, uint64_t cfm)
{
    cpu_set_cfm(h->c, cfm);
    cpu_update_mode(h->c);
}

void harness_virtual(struct harness *h, unsigned ar, unsigned pl)
{
    uint64_t pte = HARNESS_PTE(ar, pl), itir = 24ull << 2;

    ck_assert_int_eq(tlb_insert_tr(h->c->tlb, TLB_INST, 0, 0, pte, itir, &h->c->tr, NULL), 0);
    ck_assert_int_eq(tlb_insert_tr(h->c->tlb, TLB_DATA, 0, 0, pte, itir, &h->c->tr, NULL), 0);
    harness_psr(h, PSR_IT | PSR_DT | PSR_RT, 0);
}

void harness_map(struct harness *h, enum tlb_side side, uint64_t va, uint64_t pa, unsigned ps,
                 uint64_t bits)
{
    ck_assert_int_eq(
        tlb_insert_tc(h->c->tlb, side, va, pa | bits, (uint64_t)ps << 2, &h->c->tr, NULL), 0);
}
