/* utils/sections.c and utils/archive.c: what is written is read, and nothing else is. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "sections.h"

static const struct section_kind kind = {"KITTEST\n", 3, "test"};
static char dir[] = "/tmp/kittson-sections-XXXXXX", path[64], why[256];

static void setup(void)
{
    strcpy(dir + sizeof dir - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/file", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

static void write_file(const struct section_kind *k)
{
    struct section_writer *w;

    unlink(path);
    ck_assert_int_eq(sections_create(path, k, true, &w, why, sizeof why), 0);
    section_write(w, "first", 7, "some contents", 13);
    section_write(w, "a-name-of-sixteen", 1, "", 0);
    ck_assert_int_ne(access(path, F_OK), 0); /* not before it is whole */
    ck_assert_int_eq(sections_finish(w, why, sizeof why), 0);
}

/* Reads all of it; the result of the last call. */
static int read_all(void)
{
    struct section_reader *r;
    struct section s;
    int err = sections_open(path, &kind, &r, why, sizeof why);

    if (err != 0)
        return err;
    do
        err = section_read(r, &s, why, sizeof why);
    while (err > 0);
    sections_close(r);
    return err;
}

START_TEST(written_and_read)
{
    struct section_reader *r;
    struct section s;
    uint64_t done, all;

    write_file(&kind);
    ck_assert_int_eq(sections_open(path, &kind, &r, why, sizeof why), 0);
    ck_assert_int_eq(section_read(r, &s, why, sizeof why), 1);
    ck_assert_str_eq(s.name, "first");
    ck_assert_uint_eq(s.version, 7);
    ck_assert_uint_eq(s.size, 13);
    ck_assert_mem_eq(s.data, "some contents", 13);
    ck_assert_int_eq(section_read(r, &s, why, sizeof why), 1);
    ck_assert_str_eq(s.name, "a-name-of-sixtee");
    ck_assert_uint_eq(s.size, 0);
    ck_assert_int_eq(section_read(r, &s, why, sizeof why), 0);
    sections_progress(r, &done, &all);
    ck_assert_uint_eq(done, all);
    sections_close(r);
}
END_TEST

START_TEST(later_format_refused)
{
    struct section_kind later = kind;

    later.format = 4;
    write_file(&later);
    ck_assert_int_eq(read_all(), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(why, "format 4"));
    later.format = 2;
    write_file(&later);
    ck_assert_int_eq(read_all(), 0);
}
END_TEST

/* Every length and every flipped bit is noticed. */
START_TEST(damage_is_noticed)
{
    char whole[512];
    FILE *f;
    size_t size;

    write_file(&kind);
    f = fopen(path, "r");
    size = fread(whole, 1, sizeof whole, f);
    fclose(f);
    ck_assert_uint_lt(size, sizeof whole);
    for (size_t bit = 0; bit < 9 * size; bit++) {
        size_t cut = bit < 8 * size ? size : bit - 8 * size;

        if (bit < 8 * size)
            whole[bit / 8] ^= (char)(1 << bit % 8);
        f = fopen(path, "w");
        ck_assert_uint_eq(fwrite(whole, 1, cut, f), cut);
        fclose(f);
        ck_assert_msg(read_all() < 0, "bit or length %zu", bit);
        ck_assert_int_eq(strncmp(why, path, strlen(path)), 0);
        if (bit < 8 * size)
            whole[bit / 8] ^= (char)(1 << bit % 8);
    }
}
END_TEST

START_TEST(abandoned_leaves_the_old_file)
{
    struct section_writer *w;

    write_file(&kind);
    ck_assert_int_eq(sections_create(path, &kind, true, &w, why, sizeof why), 0);
    section_write(w, "new", 1, "x", 1);
    sections_abandon(w);
    ck_assert_int_eq(read_all(), 0);
    snprintf(why, sizeof why, "%s.part", path);
    ck_assert_int_ne(access(why, F_OK), 0);
}
END_TEST

/* --- archive.h --- */

struct thing {
    uint32_t number;
    bool truth[2];
    uint8_t bytes[3];
};

static const struct archive_field fields[] = {
    ARCHIVE_FIELD(struct thing, number),
    ARCHIVE_FIELD(struct thing, truth),
    ARCHIVE_FIELD(struct thing, bytes),
};

START_TEST(both_directions)
{
    struct thing a = {1000, {true, false}, {1, 2, 3}}, b;
    struct archive w, r;
    char *text = g_strdup("words"), *none = NULL, *back = NULL;

    archive_write_init(&w, 1);
    archive_fields(&w, &a, fields, 3);
    archive_text(&w, &text, 100);
    archive_text(&w, &none, 100);
    ck_assert_uint_eq(archive_number(&w, 9, 9, "too large"), 9);
    ck_assert_ptr_null(archive_verdict(&w));
    ck_assert_uint_eq(w.out->len, 4 + 2 + 3 + 4 + 5 + 4 + 8);
    archive_read_init(&r, w.out->data, w.out->len, 1);
    archive_fields(&r, &b, fields, 3);
    ck_assert(b.number == a.number && b.truth[0] && !b.truth[1] && b.bytes[2] == 3);
    archive_text(&r, &back, 100);
    ck_assert_str_eq(back, "words");
    archive_text(&r, &back, 100);
    ck_assert_ptr_null(back);
    ck_assert_uint_eq(archive_number(&r, 0, 8, "too large"), 0);
    ck_assert_str_eq(archive_verdict(&r), "too large");
    archive_done(&w);
    g_free(text);
}
END_TEST

START_TEST(hostile_bytes)
{
    static const uint8_t bytes[] = {2, 5, 0, 0, 0, 'a', 0, 'b', 'c', 'd'};
    struct archive r;
    bool truth = true;
    uint64_t beyond = 1;
    char *text = NULL;

    archive_read_init(&r, bytes, sizeof bytes, 1);
    archive_truth(&r, &truth, 1);
    ck_assert(!truth);
    ck_assert_str_eq(r.wrong, "a truth value is neither 0 nor 1");
    archive_read_init(&r, bytes + 1, sizeof bytes - 1, 1);
    archive_text(&r, &text, 100);
    ck_assert_str_eq(archive_verdict(&r), "a text has a zero in it");
    g_clear_pointer(&text, g_free);
    archive_read_init(&r, bytes + 1, 6, 1);
    archive_text(&r, &text, 100);
    ck_assert_ptr_null(text);
    ck_assert_str_eq(r.wrong, "a text is too long");
    archive_read_init(&r, bytes, 7, 1);
    archive_bytes(&r, &beyond, sizeof beyond);
    ck_assert_uint_eq(beyond, 0);
    ck_assert_str_eq(archive_verdict(&r), "it ends too early");
    archive_read_init(&r, bytes, 1, 1);
    ck_assert_str_eq(archive_verdict(&r), "there are bytes left over");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sections");
    TCase *t = tcase_create("sections");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, written_and_read);
    tcase_add_test(t, later_format_refused);
    tcase_add_test(t, damage_is_noticed);
    tcase_add_test(t, abandoned_leaves_the_old_file);
    tcase_add_test(t, both_directions);
    tcase_add_test(t, hostile_bytes);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
