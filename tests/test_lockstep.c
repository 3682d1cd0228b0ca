/* Lockstep finds what a translation does wrong, undoes what it ran twice, and does once what cannot
 * be undone. A wrong translation is made by changing an operation of a block before it is
 * translated. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/lockstep.h"
#include "cpu_harness.h"

static struct harness *new_pair(void)
{
    struct harness *h = harness_new(CPU_MONTECITO);

    if (!cpu_enable_jit(h->c)) {
        harness_free(h);
        return NULL;
    }
    ck_assert(cpu_enable_lockstep(h->c));
    h->c->jit_hot = 1;
    return h;
}

/* Counts in memory and in registers; the loop is a block of its own. */
#define COUNT                                                                                      \
    "mov r14=r15 ;;\n mov r16=0 ;;\n mov r17=999 ;;\n mov ar.lc=r17 ;;\n br.few 1f ;;\n"           \
    "1: ld8 r18=[r14] ;;\n adds r18=3,r18 ;;\n st8 [r14]=r18 ;;\n adds r16=5,r16 ;;\n"             \
    "br.cloop.sptk 1b ;;\n"

START_TEST(stores_once)
{
    struct harness *h = new_pair();
    uint64_t v;

    if (!h)
        return;
    cpu_set_gr(h->c, 15, HARNESS_DATA);
    harness_asm(h, HARNESS_CODE, COUNT);
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_int_eq(harness_run_slots(h, 100000), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 16), 5000);
    ck_assert_int_eq(mem_dma_read(h->m, HARNESS_DATA, &v, 8), 0);
    ck_assert_uint_eq(v, 3000);
    ck_assert(!cpu_lockstep_failed(h->c));
    ck_assert_uint_ge(h->c->lock->slots, 5000);
    harness_free(h);
}
END_TEST

/* The operation of the native side's block that adds this constant. */
static struct uop *adds_of(struct block *b, int64_t imm)
{
    for (unsigned k = 1; k < b->count; k++)
        if (b->uops[k].fn && b->uops[k].op == OP_adds && b->uops[k].imm == imm)
            return &b->uops[k];
    return NULL;
}

/* Spoils the loop's block: it is the one at the first bundle that has a load. */
static void spoil(struct harness *h, int64_t was, int64_t is)
{
    for (uint64_t at = HARNESS_CODE; at < HARNESS_CODE + 0x100; at += 16) {
        struct uop *u = adds_of(block_get(h->c, at, 0), was);

        if (u)
            u->imm = is;
    }
}

static void expect_found(int64_t was, int64_t is)
{
    struct harness *h = new_pair();

    if (!h)
        return;
    cpu_set_gr(h->c, 15, HARNESS_DATA);
    harness_asm(h, HARNESS_CODE, COUNT);
    spoil(h, was, is);
    harness_goto(h, HARNESS_CODE, 0);
    harness_run(h);
    ck_assert(cpu_lockstep_failed(h->c));
    ck_assert(h->c->stop);
    harness_free(h);
}

START_TEST(wrong_register)
{
    expect_found(5, 6);
}
END_TEST

START_TEST(wrong_memory)
{
    expect_found(3, 4);
}
END_TEST

/* A word at a device: every access is seen once, in the order of the program. */
#define DEVICE 0x40000000ull

struct device {
    unsigned reads, writes;
    uint64_t last;
};

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    struct device *d = opaque;

    (void)offset;
    (void)size;
    return d->reads++;
}

static void device_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    struct device *d = opaque;

    (void)offset;
    (void)size;
    d->writes++;
    d->last = v;
}

START_TEST(devices_once)
{
    struct harness *h = new_pair();
    struct device d = {0};

    if (!h)
        return;
    ck_assert_int_eq(mem_add_device(h->m, DEVICE, MEM_PAGE_SIZE, &d, device_read, device_write), 0);
    cpu_set_gr(h->c, 15, DEVICE);
    harness_asm(h, HARNESS_CODE, COUNT);
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_int_eq(harness_run_slots(h, 100000), HARNESS_END);
    ck_assert_uint_eq(d.reads, 1000);
    ck_assert_uint_eq(d.writes, 1000);
    ck_assert_uint_eq(d.last, 999 + 3);
    ck_assert_uint_ge(h->c->lock->once_count, 2000);
    harness_free(h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lockstep");
    TCase *t = tcase_create("lockstep");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, stores_once);
    tcase_add_test(t, wrong_register);
    tcase_add_test(t, wrong_memory);
    tcase_add_test(t, devices_once);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
