/* What helps to work on the translator: names of blocks for perf, and the code of a block in files.
 * Both are read back and compared with the code in memory. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../cpu/jit/jit_impl.h"
#include "cpu_harness.h"

#define MAX_NAMES 16u

/* The block at 1 is entered by every round of the loop: a call stands between. */
static const char program[] = "mov b6=r16 ;;\n"
                              "1: adds r20=3,r20\n br.call.sptk b0=b6 ;;\n"
                              "br.cloop.sptk 1b ;;\n";
static const char callee[] = "xor r21=r20,r21\n br.ret.sptk b0 ;;\n";

struct name {
    uint64_t at, size, guest;
};

static char directory[] = "/tmp/kittson-XXXXXX";

static void map_path(char path[64])
{
    snprintf(path, 64, "/tmp/perf-%ld.map", (long)getpid());
}

static struct harness *start(void)
{
    struct harness *h = harness_new(CPU_MONTECITO);

    ck_assert(cpu_enable_jit(h->c));
    h->c->jit_hot = 2;
    return h;
}

static void run(struct harness *h)
{
    harness_asm(h, HARNESS_DATA, callee);
    cpu_set_gr(h->c, 16, HARNESS_DATA);
    cpu_set_gr(h->c, 20, 0);
    h->c->lc = 99;
    ck_assert_int_eq(harness_exec(h, program), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 20), 300);
}

/* The host code of a name, which must lie in the arena. */
static const uint8_t *code_of(const struct jit *j, const struct name *n)
{
    uint64_t rx = (uint64_t)(uintptr_t)j->arena.rx;

    ck_assert_uint_ge(n->at, rx);
    ck_assert_uint_gt(n->size, 0);
    ck_assert_uint_le(n->at + n->size, rx + j->arena.used);
    return (const uint8_t *)(uintptr_t)n->at;
}

static unsigned read_names(struct name names[MAX_NAMES])
{
    char path[64], line[256];
    unsigned n = 0;
    FILE *f;

    map_path(path);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        int end = 0;

        ck_assert_uint_lt(n, MAX_NAMES);
        ck_assert_int_eq(sscanf(line, "%" SCNx64 " %" SCNx64 " ia64_%" SCNx64 "\n%n", &names[n].at,
                                &names[n].size, &names[n].guest, &end),
                         3);
        ck_assert_uint_eq((unsigned)end, strlen(line));
        n++;
    }
    fclose(f);
    return n;
}

START_TEST(perf_map)
{
    struct harness *h = start();
    struct name names[MAX_NAMES];
    unsigned count, found = 0;
    char path[64];

    map_path(path);
    unlink(path);
    ck_assert_int_eq(cpu_jit_perf_map(h->c), 0);
    run(h);
    count = read_names(names);
    ck_assert_uint_eq(count, h->c->jit->blocks);
    for (unsigned k = 0; k < count; k++) {
        code_of(h->c->jit, &names[k]);
        for (unsigned i = 0; i < k; i++)
            ck_assert(names[k].at >= names[i].at + names[i].size ||
                      names[i].at >= names[k].at + names[k].size);
        found += names[k].guest == HARNESS_DATA || names[k].guest == HARNESS_CODE + 16;
    }
    ck_assert_uint_ge(found, 2); /* the loop and what it calls */
    unlink(path);
    harness_free(h);
}
END_TEST

static size_t read_file(const char *end, char *buf, size_t size)
{
    char name[64];
    FILE *f;
    size_t n;

    snprintf(name, sizeof name, "jit-%016llx.%s", HARNESS_DATA, end);
    f = fopen(name, "r");
    ck_assert_ptr_nonnull(f);
    n = fread(buf, 1, size - 1, f);
    buf[n] = 0;
    fclose(f);
    ck_assert_int_eq(unlink(name), 0);
    return n;
}

START_TEST(dump)
{
    struct harness *h = start();
    struct name names[MAX_NAMES];
    char text[4096], bytes[4096], path[64];
    unsigned k = 0, count;
    size_t size;

    ck_assert_int_eq(chdir(directory), 0);
    map_path(path);
    unlink(path);
    ck_assert_int_eq(cpu_jit_perf_map(h->c), 0);
    ck_assert_int_eq(cpu_jit_dump(h->c, HARNESS_DATA + 8), 0); /* anywhere in the bundle */
    run(h);
    read_file("guest", text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "block at 0000000000300000"));
    ck_assert_ptr_nonnull(strstr(text, "xor r21=r20,r21"));
    ck_assert_ptr_nonnull(strstr(text, "br.ret.sptk"));
    size = read_file("bin", bytes, sizeof bytes);
    for (count = read_names(names); k < count && names[k].guest != HARNESS_DATA; k++)
        ;
    ck_assert_uint_lt(k, count);
    ck_assert_uint_eq(size, names[k].size);
    ck_assert_mem_eq(bytes, code_of(h->c->jit, &names[k]), size);
    unlink(path);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0); /* files of this block only */
    harness_free(h);
}
END_TEST

START_TEST(refused)
{
    struct harness *h = harness_new(CPU_MONTECITO);

    /* Nothing to look at without a translator. */
    ck_assert_int_eq(cpu_jit_perf_map(h->c), 0);
    ck_assert_int_eq(cpu_jit_dump(h->c, HARNESS_DATA), 0);
    run(h);
    harness_free(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jit tools");
    TCase *t = tcase_create("jit tools");
    SRunner *r = srunner_create(s);
    int failed;

    if (!mkdtemp(directory))
        return EXIT_FAILURE;
    tcase_add_test(t, perf_map);
    tcase_add_test(t, dump);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    rmdir(directory);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
