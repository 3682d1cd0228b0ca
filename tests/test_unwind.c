/* Unwind descriptors, read at each slot of a function; chains of calls through made-up frames;
 * names from ELF files. The bytes are those that the assembler makes, see the readelf listings
 * beside. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "unwind.h"
#include "unwind_info.h"

/* --- descriptors --- */

static struct unwind_rules rules;

static bool read_at(const uint8_t *desc, size_t n, int64_t slot, uint64_t preds)
{
    uint8_t info[256] = {0};
    uint64_t header = 1ull << 48 | (n + 7) / 8;

    memcpy(info, &header, 8);
    memcpy(info + 8, desc, n);
    return unwind_info_read(info, 8 + (n + 7) / 8 * 8, slot, preds, &rules);
}

#define READ(desc, slot) ck_assert(read_at(desc, sizeof(desc), slot, 0))

static void is(unsigned reg, enum unwind_where where, int64_t value)
{
    ck_assert_int_eq(rules.reg[reg].where, where);
    if (where != UNWIND_NOWHERE)
        ck_assert_int_eq(rules.reg[reg].value, value);
}

/* R2:prologue_gr(mask=[rp,ar.pfs],grsave=r33,rlen=3) pfs_when 0, rp_when 2; body 90 (rest_init) */
START_TEST(saved_in_a_row)
{
    static const uint8_t d[] = {0x46, 0x21, 3, 0xe6, 0, 0xe4, 2, 0x61, 90};

    READ(d, 0);
    is(UNWIND_PFS, UNWIND_NOWHERE, 0);
    READ(d, 1);
    is(UNWIND_PFS, UNWIND_IN_GR, 34);
    is(UNWIND_RP, UNWIND_NOWHERE, 0);
    READ(d, 3);
    is(UNWIND_RP, UNWIND_IN_GR, 33);
    READ(d, 92);
    is(UNWIND_RP, UNWIND_IN_GR, 33);
}
END_TEST

/* A frame of 32 bytes from slot 2 on, given back 3 slots before the body's end. */
START_TEST(memory_frame)
{
    static const uint8_t d[] = {0x05, 0xe0, 2, 2, 0x2a, 0xc0, 3};

    READ(d, 2);
    ck_assert_int_eq(rules.reg[UNWIND_PSP].value, 0);
    READ(d, 3);
    ck_assert_int_eq(rules.reg[UNWIND_PSP].value, 32);
    READ(d, 11);
    ck_assert_int_eq(rules.reg[UNWIND_PSP].value, 32);
    READ(d, 12);
    ck_assert_int_eq(rules.reg[UNWIND_PSP].value, 0);
}
END_TEST

/* What is spilled together goes down from the area's top: f, b, r, high ones first (11.4.2.3). */
START_TEST(spill_area)
{
    /* prologue 8: frgr_mem r4 r5, f2; br_mem b1; spill_base pspoff 4; body */
    static const uint8_t d[] = {0x08, 0xb9, 0x30, 0, 1, 0x81, 0xe2, 4, 0x2f};

    READ(d, 10);
    is(UNWIND_F2, UNWIND_AT_PSP, -16);
    is(UNWIND_B1, UNWIND_AT_PSP, -24);
    is(UNWIND_R4 + 1, UNWIND_AT_PSP, -32);
    is(UNWIND_R4, UNWIND_AT_PSP, -40);
}
END_TEST

/* The mask says in which slot: 2 a general register, 1 a floating-point one. */
START_TEST(spill_times)
{
    static const uint8_t d[] = {0x04, 0xb9, 0x30, 0, 1, 0xb8, 0x29, 0x2f};

    READ(d, 1); /* slots: 0 nothing, 1 r4, 2 r5, 3 f2 */
    is(UNWIND_R4, UNWIND_NOWHERE, 0);
    READ(d, 2);
    is(UNWIND_R4, UNWIND_AT_PSP, 16 - 16 - 16);
    is(UNWIND_R4 + 1, UNWIND_NOWHERE, 0);
    READ(d, 3);
    is(UNWIND_R4 + 1, UNWIND_AT_PSP, 16 - 16 - 8);
    is(UNWIND_F2, UNWIND_NOWHERE, 0);
}
END_TEST

/* A state that comes back behind an epilogue: label 1, epilogue, copy 1. */
START_TEST(labelled_states)
{
    static const uint8_t d[] = {0x42 | 0x04, 0x20, 2, 0x26, 0x81, 0xc0, 1, 0x28, 0xa1};

    READ(d, 5);
    is(UNWIND_RP, UNWIND_IN_GR, 32);
    READ(d, 9);
    is(UNWIND_RP, UNWIND_IN_GR, 32);
}
END_TEST

/* P10 and X1 of a prologue without length: Linux's frames of interruptions. */
START_TEST(interruption)
{
    static const uint8_t d[] = {0x00, 0xff, 3,    0x69, 0xe0, 0, 29,   0xf9,
                                0xe3, 0,    0x58, 0xf9, 0xe9, 0, 0x60, 0x26};

    READ(d, 0);
    ck_assert(rules.special);
    ck_assert_uint_eq(rules.abi, 3);
    ck_assert_uint_eq(rules.context, 'i');
    ck_assert_int_eq(rules.reg[UNWIND_PSP].value, 464);
    is(UNWIND_RP, UNWIND_AT_SP, 0x160);
    is(UNWIND_PFS, UNWIND_AT_SP, 0x180);
}
END_TEST

/* X4: r4 to r40 in slot 1 when p6 is set; X2: back in slot 4. */
START_TEST(predicated_spills)
{
    static const uint8_t d[] = {0x28, 0xfc, 6, 0x04, 40, 1, 0xfa, 0x04, 0, 4};

    ck_assert(read_at(d, sizeof d, 2, 0));
    is(UNWIND_R4, UNWIND_NOWHERE, 0);
    ck_assert(read_at(d, sizeof d, 2, 1 << 6));
    is(UNWIND_R4, UNWIND_IN_GR, 40);
    ck_assert(read_at(d, sizeof d, 5, 1 << 6));
    is(UNWIND_R4, UNWIND_NOWHERE, 0);
}
END_TEST

static const struct {
    uint8_t d[8];
} nonsense[] = {
    {{0x81, 0, 0}},                                     /* no region */
    {{0x05, 0xb6, 0x80}},                               /* P3 13 */
    {{0x05, 0xf0, 20, 1}},                              /* P8 20 */
    {{0x25, 0xe1}},                                     /* none of a body */
    {{0x25, 0xa7}},                                     /* a label nobody made */
    {{0x61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, /* a number without end */
    {{0x23, 0xc5, 1, 0x23, 0x23}},                      /* out of more prologues than in */
    {{0x05, 0xf9, 0x03, 0, 0}},                         /* r3 is not preserved */
    {{0x05, 0xe0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}},    /* a frame of gigabytes */
};

START_TEST(refused)
{
    ck_assert(!read_at(nonsense[_i].d, 8, 1000, 0));
}
END_TEST

START_TEST(headers)
{
    uint8_t info[16] = {0};
    uint64_t h = 2ull << 48 | 1;

    memcpy(info, &h, 8);
    ck_assert(!unwind_info_read(info, 16, 0, 0, &rules)); /* version */
    h = 1ull << 48 | 2;
    memcpy(info, &h, 8);
    ck_assert(!unwind_info_read(info, 16, 0, 0, &rules)); /* cut off */
    h = 1ull << 48 | 0xffffffff;
    memcpy(info, &h, 8);
    ck_assert_uint_eq(unwind_info_size(info), 0);
    ck_assert(!unwind_info_read(info, 4, 0, 0, &rules));
}
END_TEST

/* --- chains --- */

#define MEMORY 4096

static uint8_t memory[MEMORY];

static int read_memory(void *opaque, uint64_t va, void *buf, uint64_t len)
{
    (void)opaque;
    if (va > MEMORY || len > MEMORY - va)
        return -1;
    memcpy(buf, memory + va, len);
    return 0;
}

static void put(uint64_t at, uint64_t v)
{
    memcpy(memory + at, &v, 8);
}

/* A function at 0x100 to 0x200 that keeps rp in r33 and pfs in r34, called from 0x210. */
static void make_table(void)
{
    static const uint8_t d[] = {0x46, 0x21, 3, 0xe6, 0, 0xe4, 2, 0x61, 45};

    memset(memory, 0, sizeof memory);
    put(0, 0x100);
    put(8, 0x200);
    put(16, 0x40);
    put(0x40, 1ull << 48 | 2);
    memcpy(memory + 0x48, d, sizeof d);
}

START_TEST(one_call)
{
    struct unwind_table table = {0, 0, 24};
    struct unwinder u = {.read = read_memory, .tables = &table, .table_count = 1};
    struct unwind_frame f = {
        .ip = 0x152, .cfm = 10 | 8 << 7, .bsp = 0x800, .sp = 0xc00, .exact = true};

    make_table();
    put(0x808, 0x220);        /* r33 */
    put(0x810, 20 | 12 << 7); /* r34 */
    f.br[0] = (struct unwind_value){0x999, true};
    ck_assert_int_eq(unwind_step(&u, &f), UNWIND_MORE);
    ck_assert_uint_eq(f.ip, 0x220);
    ck_assert_uint_eq(f.cfm, 20 | 12 << 7);
    ck_assert_uint_eq(f.bsp, 0x800 - 8 * 13); /* a NaT collection is in between */
    ck_assert_uint_eq(f.sp, 0xc00);
    ck_assert(!f.br[0].known && !f.pfs.known);
    ck_assert_int_eq(unwind_step(&u, &f), UNWIND_LOST); /* no table, no code there */
}
END_TEST

/* In the first slots both are still where the call put them. */
START_TEST(at_the_beginning)
{
    struct unwind_table table = {0, 0, 24};
    struct unwinder u = {.read = read_memory, .tables = &table, .table_count = 1};
    struct unwind_frame f = {.ip = 0x100, .cfm = 2, .bsp = 0x800, .sp = 0xc00, .exact = true};

    make_table();
    f.br[0] = (struct unwind_value){0x230, true};
    f.pfs = (struct unwind_value){5 | 3 << 7, true};
    ck_assert_int_eq(unwind_step(&u, &f), UNWIND_MORE);
    ck_assert_uint_eq(f.ip, 0x230);
    ck_assert_uint_eq(f.cfm, 5 | 3 << 7);
}
END_TEST

START_TEST(ends)
{
    struct unwinder u = {.read = read_memory};
    struct unwind_frame f = {.ip = 0x100, .sp = 0xc00, .exact = true};

    memset(memory, 0, sizeof memory);
    f.br[0] = f.pfs = (struct unwind_value){0, true};
    ck_assert_int_eq(unwind_step(&u, &f), UNWIND_TOP);
    f.outside = true;
    ck_assert_int_eq(unwind_step(&u, &f), UNWIND_TOP);
    f = (struct unwind_frame){.ip = 0x100, .sp = 0xc00, .exact = true};
    f.br[0] = (struct unwind_value){0x100, true}; /* returns to itself */
    f.pfs = (struct unwind_value){0, true};
    ck_assert_int_eq(unwind_step(&u, &f), UNWIND_LOST);
}
END_TEST

static Suite *unwind_suite(void)
{
    Suite *s = suite_create("unwind");
    TCase *t = tcase_create("unwind");

    tcase_add_test(t, saved_in_a_row);
    tcase_add_test(t, memory_frame);
    tcase_add_test(t, spill_area);
    tcase_add_test(t, spill_times);
    tcase_add_test(t, labelled_states);
    tcase_add_test(t, interruption);
    tcase_add_test(t, predicated_spills);
    tcase_add_loop_test(t, refused, 0, sizeof nonsense / sizeof *nonsense);
    tcase_add_test(t, headers);
    tcase_add_test(t, one_call);
    tcase_add_test(t, at_the_beginning);
    tcase_add_test(t, ends);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(unwind_suite());

    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
