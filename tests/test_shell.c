/* The EFI shell's parts that need no machine: text, command lines, scripts, line editing. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "keys.h"
#include "shell_line.h"
#include "shell_parse.h"
#include "shell_script.h"
#include "shell_text.h"

/* --- text --- */

START_TEST(test_conversion)
{
    static const uint16_t odd[] = {'a', 0xe9, 0x20ac, 0xd800, 0xdfff, 0xffff, 'z', 0};
    char *s = shell_utf8(odd);
    uint16_t *back = shell_utf16(s);

    ck_assert_mem_eq(back, odd, sizeof(odd));
    g_free(back);
    g_free(s);
    back = shell_utf16("a\xff\xc3");
    ck_assert_uint_eq(back[1], 0xff);
    ck_assert_uint_eq(back[2], 0xc3);
    ck_assert_uint_eq(back[3], 0);
    g_free(back);
    s = shell_file_text((const uint8_t *)"\xff\xfe"
                                         "a\0\r\0\n\0\0\0b",
                        11);
    ck_assert_str_eq(s, "a\n ");
    g_free(s);
    s = shell_file_text((const uint8_t *)"a\r\nb\0c", 6);
    ck_assert_str_eq(s, "a\nb c");
    g_free(s);
}
END_TEST

START_TEST(test_match)
{
    static const struct {
        const char *pattern, *name;
        bool yes;
    } t[] = {{"*", "", true},           {"*", "abc", true},          {"", "a", false},
             {"*.txt", "A.TXT", true},  {"*.txt", "a.txt.b", false}, {"a?c", "abc", true},
             {"a?c", "ac", false},      {"[a-c]x", "Bx", true},      {"[a-c]x", "dx", false},
             {"[xyz]*", "zoo", true},   {"[abc", "a", false},        {"*a*b*c*", "xxaxxbxxc", true},
             {"*a*b*c*", "cba", false}, {"a*", "b", false},          {"**", "x", true},
             {"[a-]", "-", true}};

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++)
        ck_assert_msg(shell_match(t[i].pattern, t[i].name) == t[i].yes, "%s against %s",
                      t[i].pattern, t[i].name);
}
END_TEST

/* A pattern that would take exponential time with plain recursion. */
START_TEST(test_match_hostile)
{
    char name[2001], pattern[201];

    memset(name, 'a', 2000);
    name[2000] = 0;
    for (unsigned i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    pattern[200] = 0;
    ck_assert(!shell_match(pattern, name));
}
END_TEST

START_TEST(test_numbers)
{
    uint64_t v;
    char text[32];

    ck_assert(shell_number("ff", 16, &v) && v == 255);
    ck_assert(shell_number("0xFF", 10, &v) && v == 255);
    ck_assert(shell_number("18446744073709551615", 10, &v) && v == UINT64_MAX);
    ck_assert(!shell_number("18446744073709551616", 10, &v));
    ck_assert(!shell_number("", 10, &v));
    ck_assert(!shell_number("0x", 10, &v));
    ck_assert(!shell_number("12g", 16, &v));
    ck_assert(!shell_number("a", 10, &v));
    ck_assert_str_eq(shell_commas(1234567, text), "1,234,567");
    ck_assert_str_eq(shell_commas(UINT64_MAX, text), "18,446,744,073,709,551,615");
    ck_assert_str_eq(shell_status_text(1ull << 63 | 2), "Invalid Parameter");
    ck_assert_ptr_null(shell_status_text(1ull << 63 | 12345));
}
END_TEST

/* --- command lines --- */

static void words_are(const char *line, unsigned count, const char *const *words)
{
    struct shell_words w;
    const char *why = NULL;

    ck_assert_msg(shell_parse(line, &w, &why) == 0, "%s: %s", line, why ? why : "");
    ck_assert_msg(w.count == count, "%s: %u words", line, w.count);
    for (unsigned i = 0; i < count; i++)
        ck_assert_str_eq(w.word[i], words[i]);
    ck_assert_ptr_null(w.word[count]);
    shell_words_free(&w);
}

START_TEST(test_words)
{
    words_are("", 0, NULL);
    words_are("  # nothing", 0, NULL);
    words_are("ls  -b\tfs0:\\", 3, (const char *const[]){"ls", "-b", "fs0:\\"});
    words_are("echo \"a b\"c ^\"", 3, (const char *const[]){"echo", "a bc", "\""});
    words_are("echo a#b # c", 2, (const char *const[]){"echo", "a#b"});
    words_are("echo \"\" ^> ^", 4, (const char *const[]){"echo", "", ">", ""});
}
END_TEST

START_TEST(test_redirection)
{
    struct shell_words w;
    const char *why;

    ck_assert_int_eq(shell_parse("ls > a", &w, &why), 0);
    ck_assert(w.count == 1 && !w.append && !w.ascii);
    ck_assert_str_eq(w.file, "a");
    shell_words_free(&w);
    ck_assert_int_eq(shell_parse("ls 1>>a \"b c\" x", &w, &why), 0);
    ck_assert(w.count == 2 && w.append && w.ascii);
    ck_assert_str_eq(w.file, "b c");
    ck_assert_str_eq(w.word[1], "x");
    shell_words_free(&w);
    ck_assert_int_eq(shell_parse("ls >a.txt", &w, &why), 0);
    ck_assert(!w.ascii);
    ck_assert_str_eq(w.file, "a.txt");
    shell_words_free(&w);
    ck_assert_int_lt(shell_parse("ls >", &w, &why), 0);
    ck_assert_int_lt(shell_parse("ls > a > b", &w, &why), 0);
    ck_assert_int_lt(shell_parse("ls \"a", &w, &why), 0);
    ck_assert_int_lt(shell_parse("> >", &w, &why), 0);
}
END_TEST

START_TEST(test_many_words)
{
    GString *g = g_string_new(NULL);
    struct shell_words w;
    const char *why;

    for (unsigned i = 0; i < SHELL_WORDS; i++)
        g_string_append(g, "a ");
    ck_assert_int_eq(shell_parse(g->str, &w, &why), 0);
    shell_words_remove(&w, SHELL_WORDS - 1);
    shell_words_remove(&w, 0);
    ck_assert_uint_eq(w.count, SHELL_WORDS - 2);
    shell_words_free(&w);
    g_string_append(g, "a");
    ck_assert_int_lt(shell_parse(g->str, &w, &why), 0);
    g_string_free(g, TRUE);
}
END_TEST

static char *lookup(void *opaque, const char *name)
{
    (void)opaque;
    if (strcmp(name, "a") == 0)
        return g_strdup("%b%");
    if (strcmp(name, "%i") == 0)
        return g_strdup("item");
    if (strcmp(name, "1") == 0)
        return g_strdup("one");
    if (strcmp(name, "big") == 0)
        return g_strnfill(40000, 'x');
    return NULL;
}

START_TEST(test_expand)
{
    static const char *const t[][2] = {
        {"%a%-%A1%", "%b%-"}, {"%1%2", "one"}, {"%i x%i%.", "item xitem."}, {"100%", "100%"},
        {"^%a%", "^%a%"},     {"%%", "%%"},    {"%index", "%index"}};

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        char *s = shell_expand(t[i][0], lookup, NULL);

        ck_assert_str_eq(s, t[i][1]);
        g_free(s);
    }
    ck_assert_ptr_null(shell_expand("%big%%big%", lookup, NULL));
}
END_TEST

/* --- scripts --- */

static char *variable(void *opaque, const char *name)
{
    (void)opaque;
    return g_strdup(strcmp(name, "os") == 0 ? "hpux" : "");
}

static bool exists(void *opaque, const char *file)
{
    (void)opaque;
    return strcmp(file, "here") == 0;
}

static void files(void *opaque, const char *word, GPtrArray *out)
{
    (void)opaque;
    g_ptr_array_add(out, g_strconcat("one-", word, NULL));
    g_ptr_array_add(out, g_strdup("two"));
}

/* Lines the script hands out, joined with semicolons, then the complaint. */
static char *run(const char *text)
{
    static const char *const words[] = {"s.nsh", "first", "second"};
    struct script_ops ops = {NULL, variable, exists, files};
    const char *why = NULL;
    struct script *s = script_new(g_strdup(text), words, 3, &ops, &why);
    GString *g = g_string_new(NULL);
    char *line;

    ck_assert_ptr_nonnull(s);
    for (unsigned i = 0; i < 1000 && (line = script_next(s, &why)); i++) {
        g_string_append_printf(g, "%s;", line);
        g_free(line);
    }
    if (why)
        g_string_append_printf(g, "!%s", why);
    script_free(s);
    return g_string_free(g, FALSE);
}

START_TEST(test_scripts)
{
    static const char *const t[][2] = {
        {"", ""},
        {"# x\n\necho %0 %1 %2 %3\nshift\necho %1", "echo s.nsh first second ;echo second;"},
        {"if exist here then\na\nelse\nb\nendif\nc", "a;c;"},
        {"if exist gone then\na\nelse\nb\nendif\nc", "b;c;"},
        {"if not exist gone then\na\nendif\nif exist gone\nb\nendif", "a;"},
        {"IF %os% == HPUX THEN\na\nENDIF", "a;"},
        {"if \"%none%\" == \"\" then\na\nendif", "a;"},
        {"if a == b then\nif a == a then\nx\nelse\ny\nendif\nelse\nif a == a then\nz\nendif\nendif",
         "z;"},
        {"for %i in a \"b c\" *\necho %i\nendfor\nz", "echo a;echo b c;echo one-*;echo two;z;"},
        {"for %i run (1 3)\n%i\nendfor", "1;2;3;"},
        {"for %i run (3 1)\n%i\nendfor", "3;2;1;"},
        {"for %i run (1 10 4)\n%i\nendfor", "1;5;9;"},
        {"for %i in a b\nfor %j in 1 2\n%i%j\nendfor\nendfor", "a1;a2;b1;b2;"},
        {"for %i in a b\nif %i == b then\ngoto out\nendif\n%i\nendfor\n:out\nend", "a;end;"},
        {"goto x\na\n:x\nb", "b;"},
        {"goto nowhere", "!the label of a goto is not there"},
        {"if a == a then\nx", "!an if without its endif"},
        {"for %i in a\nx", "!a for without its endfor"},
        {"endfor", "!an endfor without its for"},
        {"if a b c d then\nendif", "!the condition of an if is not understood"},
        {"for x\nendfor", "!a for statement is not understood"},
        {"for %i run (1 5 0)\nx\nendfor", "!a for statement is not understood"},
        {"for %i run (0 99999999)\nx\nendfor", "!a for statement is not understood"},
        {"if a == a then\na\nelse\nb", "!an if without its endif"}};

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        char *s = run(t[i][0]);

        ck_assert_str_eq(s, t[i][1]);
        g_free(s);
    }
}
END_TEST

/* A loop without commands hands out empty lines, so that it can be stopped. */
START_TEST(test_script_loop)
{
    char *s = run(":a\ngoto a");

    ck_assert_uint_eq(strlen(s), 1000);
    ck_assert_uint_eq(strspn(s, ";"), 1000);
    g_free(s);
}
END_TEST

START_TEST(test_script_depth)
{
    GString *g = g_string_new(NULL);
    char *s;

    for (unsigned i = 0; i < SCRIPT_DEPTH_MAX + 1; i++)
        g_string_append(g, "if a == a then\n");
    g_string_append(g, "x\n");
    for (unsigned i = 0; i < SCRIPT_DEPTH_MAX + 1; i++)
        g_string_append(g, "endif\n");
    s = run(g->str);
    ck_assert_str_eq(s, "!too many statements inside each other");
    g_free(s);
    g_string_free(g, TRUE);
}
END_TEST

/* --- line editing --- */

/* A terminal of one endless row. */
struct screen {
    char cell[LINE_TYPED_MAX * 2];
    int at;
};

static void show_text(void *opaque, const char *s)
{
    struct screen *t = opaque;

    for (; *s; s++)
        if (*s == '\r' || *s == '\n')
            t->at = 0;
        else if (*s != '\a')
            t->cell[t->at++] = *s;
}

static void show_move(void *opaque, int cells)
{
    struct screen *t = opaque;

    t->at += cells;
    ck_assert_int_ge(t->at, 0);
}

static enum line_result keys(struct line_editor *e, const char *s)
{
    enum line_result r = LINE_MORE;

    for (; *s; s++)
        r = line_key(e, (struct key){0, (uint8_t)*s});
    return r;
}

static void scan(struct line_editor *e, uint16_t code, unsigned times)
{
    while (times--)
        line_key(e, (struct key){code, 0});
}

static void is(struct line_editor *e, struct screen *t, const char *text)
{
    char *s = line_text(e), *before = line_before(e);
    size_t n = strlen(text);

    ck_assert_str_eq(s, text);
    ck_assert_mem_eq(t->cell, "> ", 2);
    ck_assert_mem_eq(t->cell + 2, text, n);
    ck_assert(t->cell[2 + n] == 0 || t->cell[2 + n] == ' ');
    ck_assert_int_eq(t->at, 2 + (int)strlen(before));
    g_free(before);
    g_free(s);
}

START_TEST(test_editing)
{
    struct screen t = {.at = 0};
    struct line_terminal terminal = {&t, show_text, show_move};
    struct line_editor *e = line_new(&terminal);

    line_begin(e, "> ", true);
    keys(e, "hello");
    is(e, &t, "hello");
    scan(e, SCAN_LEFT, 2);
    keys(e, "XY");
    is(e, &t, "helXYlo");
    keys(e, "\b");
    is(e, &t, "helXlo");
    scan(e, SCAN_HOME, 1);
    scan(e, SCAN_DELETE, 1);
    is(e, &t, "elXlo");
    scan(e, SCAN_LEFT, 3);
    scan(e, SCAN_INSERT, 1);
    keys(e, "AB");
    is(e, &t, "ABXlo");
    scan(e, SCAN_END, 1);
    scan(e, SCAN_RIGHT, 3);
    keys(e, "CD ef");
    is(e, &t, "ABXloCD ef");
    keys(e, "\x17");
    is(e, &t, "ABXloCD ");
    line_insert(e, "gh");
    is(e, &t, "ABXloCD gh");
    scan(e, SCAN_ESC, 1);
    is(e, &t, "");
    keys(e, "abc\x01\x0b");
    is(e, &t, "");
    keys(e, "abc\x15");
    is(e, &t, "");
    ck_assert_int_eq(keys(e, "\t"), LINE_TAB);
    ck_assert_int_eq(keys(e, "\x03"), LINE_CANCEL);
    line_free(e);
}
END_TEST

START_TEST(test_history)
{
    struct screen t = {.at = 0};
    struct line_terminal terminal = {&t, show_text, show_move};
    struct line_editor *e = line_new(&terminal);

    line_begin(e, "> ", true);
    ck_assert_int_eq(keys(e, "one\r"), LINE_DONE);
    line_begin(e, "> ", true);
    keys(e, "two\r");
    line_begin(e, "> ", true);
    keys(e, "two\r"); /* not kept twice */
    line_begin(e, "> ", false);
    keys(e, "no\r"); /* an answer, not kept */
    memset(&t, 0, sizeof(t));
    line_begin(e, "> ", true);
    keys(e, "new");
    scan(e, SCAN_UP, 1);
    is(e, &t, "two");
    scan(e, SCAN_UP, 2);
    is(e, &t, "one");
    scan(e, SCAN_DOWN, 1);
    is(e, &t, "two");
    scan(e, SCAN_DOWN, 2);
    is(e, &t, "new");
    ck_assert_str_eq(line_history(e, 0), "two");
    ck_assert_str_eq(line_history(e, 1), "one");
    ck_assert_ptr_null(line_history(e, 2));
    line_free(e);
}
END_TEST

START_TEST(test_long_line)
{
    struct screen t = {.at = 0};
    struct line_terminal terminal = {&t, show_text, show_move};
    struct line_editor *e = line_new(&terminal);
    char *s;

    line_begin(e, "> ", true);
    for (unsigned i = 0; i < LINE_TYPED_MAX + 100; i++)
        keys(e, "x");
    s = line_text(e);
    ck_assert_uint_eq(strlen(s), LINE_TYPED_MAX);
    g_free(s);
    line_insert(e, "more");
    scan(e, SCAN_HOME, 1);
    keys(e, "y");
    s = line_text(e);
    ck_assert_uint_eq(strlen(s), LINE_TYPED_MAX);
    g_free(s);
    ck_assert_int_eq(keys(e, "\r"), LINE_DONE);
    line_free(e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shell");
    TCase *text = tcase_create("text"), *parse = tcase_create("parse");
    TCase *script = tcase_create("script"), *line = tcase_create("line");
    SRunner *runner;
    int failed;

    tcase_add_test(text, test_conversion);
    tcase_add_test(text, test_match);
    tcase_add_test(text, test_match_hostile);
    tcase_add_test(text, test_numbers);
    tcase_add_test(parse, test_words);
    tcase_add_test(parse, test_redirection);
    tcase_add_test(parse, test_many_words);
    tcase_add_test(parse, test_expand);
    tcase_add_test(script, test_scripts);
    tcase_add_test(script, test_script_loop);
    tcase_add_test(script, test_script_depth);
    tcase_add_test(line, test_editing);
    tcase_add_test(line, test_history);
    tcase_add_test(line, test_long_line);
    suite_add_tcase(suite, text);
    suite_add_tcase(suite, parse);
    suite_add_tcase(suite, script);
    suite_add_tcase(suite, line);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
