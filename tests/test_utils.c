/* Tests of utils/: sizes, numbers, UUIDs, nearest words, option tables, once-only messages. */
#include "log.h"
#include "opts.h"
#include "text.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(sizes)
{
    static const struct {
        const char *text;
        int err;
        uint64_t bytes;
    } cases[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"64K", 0, 65536},
        {"512m", 0, 512ull << 20},
        {"2G", 0, 2ull << 30},
        {"17179869183G", 0, 17179869183ull << 30},
        {"17179869184G", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"G", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"1GB", -EINVAL, 0},
        {"1.5G", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes = 0;
        ck_assert_int_eq(text_parse_size(cases[i].text, &bytes), cases[i].err);
        ck_assert_uint_eq(bytes, cases[i].bytes);
    }
}
END_TEST

START_TEST(numbers)
{
    uint64_t v = 0;
    ck_assert_int_eq(text_parse_number("16", 1, 16, &v), 0);
    ck_assert_uint_eq(v, 16);
    ck_assert_int_eq(text_parse_number("17", 1, 16, &v), -ERANGE);
    ck_assert_int_eq(text_parse_number("0", 1, 16, &v), -ERANGE);
    ck_assert_int_eq(text_parse_number("4x", 1, 16, &v), -EINVAL);
    ck_assert_int_eq(text_parse_number("", 1, 16, &v), -EINVAL);
    ck_assert_uint_eq(v, 16);
}
END_TEST

START_TEST(uuids)
{
    static const uint8_t want[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                     0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    static const char *const wrong[] = {
        "",
        "01234567",
        "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdef0",
        "01234567089ab-cdef-0123-456789abcdef",
        "0123456g-89ab-cdef-0123-456789abcdef",
    };
    uint8_t got[16];
    ck_assert_int_eq(text_parse_uuid("01234567-89aB-cdEF-0123-456789abcdef", got), 0);
    ck_assert_mem_eq(got, want, 16);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(text_parse_uuid(wrong[i], got), -EINVAL);
}
END_TEST

START_TEST(distances)
{
    ck_assert_uint_eq(text_distance("", ""), 0);
    ck_assert_uint_eq(text_distance("abc", ""), 3);
    ck_assert_uint_eq(text_distance("", "abc"), 3);
    ck_assert_uint_eq(text_distance("kernel", "kernel"), 0);
    ck_assert_uint_eq(text_distance("kernal", "kernel"), 1);
    ck_assert_uint_eq(text_distance("kenrel", "kernel"), 1);
    ck_assert_uint_eq(text_distance("kitten", "sitting"), 3);
}
END_TEST

START_TEST(nearest_words)
{
    static const char *const words[] = {"run", "vectors", "disasm", "doctor", "initrd"};
    ck_assert_str_eq(text_nearest("doctr", words, 5), "doctor");
    ck_assert_str_eq(text_nearest("rnu", words, 5), "run");
    ck_assert_str_eq(text_nearest("vec", words, 5), "vectors");
    ck_assert_str_eq(text_nearest("initdr", words, 5), "initrd");
    ck_assert_ptr_null(text_nearest("frobnicate", words, 5));
    ck_assert_ptr_null(text_nearest("x", words, 5));
}
END_TEST

enum { OPT_SIZE, OPT_FLAG, OPT_FUTURE };

static const struct opt table[] = {
    {OPT_SIZE, "size", 's', "BYTES", "how much", NULL},
    {OPT_FLAG, "flag", 0, NULL, "whether", NULL},
    {OPT_FUTURE, "future", 0, "WHAT", NULL, "the next version"},
};

struct seen {
    char text[256];
};

static int record(void *opaque, const struct opt *o, const char *value, char *why, size_t size)
{
    struct seen *s = opaque;
    char item[64];
    if (value != NULL && strcmp(value, "bad") == 0) {
        snprintf(why, size, "bad value");
        return -ERANGE;
    }
    snprintf(item, sizeof item, "%d=%s;", o->id, value != NULL ? value : "");
    strncat(s->text, item, sizeof s->text - strlen(s->text) - 1);
    return 0;
}

static int parse(struct seen *s, char *why, size_t size, const char *const *argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    memset(s, 0, sizeof *s);
    why[0] = '\0';
    return opts_parse(table, 3, argc, (char **)(uintptr_t)argv, record, s, why, size);
}

START_TEST(options_accepted)
{
    struct seen s;
    char why[128];
    const char *argv[] = {"x",   "--size", "1",  "--size=2", "-s",     "3",
                          "-s4", "--flag", "op", "--",       "--flag", NULL};
    ck_assert_int_eq(parse(&s, why, sizeof why, argv), 0);
    ck_assert_str_eq(s.text, "0=1;0=2;0=3;0=4;1=;-1=op;-1=--flag;");
    ck_assert_str_eq(why, "");
}
END_TEST

START_TEST(options_refused)
{
    static const struct {
        const char *argv[4];
        int err;
        const char *why;
    } cases[] = {
        {{"x", "--sise", "1"}, -EINVAL, "unknown option --sise: did you mean --size?"},
        {{"x", "--sise=1"}, -EINVAL, "unknown option --sise=1: did you mean --size?"},
        {{"x", "--nothing-like-it"}, -EINVAL, "unknown option --nothing-like-it"},
        {{"x", "-q"}, -EINVAL, "unknown option -q"},
        {{"x", "--size"}, -EINVAL, "--size needs a value: BYTES"},
        {{"x", "--flag=1"}, -EINVAL, "--flag takes no value"},
        {{"x", "--size", "bad"}, -ERANGE, "bad value"},
        {{"x", "--future", "1"},
         -EINVAL,
         "--future comes with the next version, which this version does not have yet"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen s;
        char why[128];
        ck_assert_int_eq(parse(&s, why, sizeof why, cases[i].argv), cases[i].err);
        ck_assert_str_eq(why, cases[i].why);
    }
}
END_TEST

START_TEST(once)
{
    ck_assert(log_once("test", 1));
    ck_assert(!log_once("test", 1));
    ck_assert(log_once("test", 2));
    ck_assert(log_once("other", 1));
    for (unsigned i = 0; i < 100000; i++)
        log_once("flood", i);
    ck_assert(!log_once("test", 2));
}
END_TEST

START_TEST(log_file)
{
    char path[] = "/tmp/kittson-log-XXXXXX", text[128] = "";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(log_set_file(path), 0);
    log_set_level(LOG_WARN);
    log_info("not shown");
    log_warn("two\nlines");
    ck_assert_int_eq(log_set_file(NULL), 0);
    ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
    ck_assert_str_eq(text, "warning: two lines\n");
    ck_assert_int_eq(log_set_file("/nonexistent/file"), -ENOENT);
    close(fd);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utils");
    TCase *tc = tcase_create("utils");
    tcase_add_test(tc, sizes);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, uuids);
    tcase_add_test(tc, distances);
    tcase_add_test(tc, nearest_words);
    tcase_add_test(tc, options_accepted);
    tcase_add_test(tc, options_refused);
    tcase_add_test(tc, once);
    tcase_add_test(tc, log_file);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
