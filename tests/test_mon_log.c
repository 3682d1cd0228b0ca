/* vmp/mon_log.h: the log of all guests: its lines, its size, the parts that are kept, writers that
 * come together. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mon_log.h"

enum { KB = 1024, WRITERS = 4, LINES = 150 };

static char directory[32];
static int common;

static void configure(const char *text)
{
    g_autofree char *path = g_build_filename(directory, "hpvmconf", NULL);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    setenv("HPVM_CONF", path, 1);
}

static void setup(void)
{
    strcpy(directory, "/tmp/mon-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    common = open(directory, O_RDONLY | O_DIRECTORY);
    configure("VMMLOGSIZE=1\n");
}

static void teardown(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
    close(common);
}

static char *contents(const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of what was set aside, oldest first. */
static GPtrArray *parts(void)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    DIR *d = opendir(directory);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (g_str_has_prefix(e->d_name, "hpvm_mon_log."))
            g_ptr_array_add(names, g_strdup(e->d_name));
    closedir(d);
    g_ptr_array_sort(names, by_name);
    return names;
}

START_TEST(lines)
{
    mon_log_line(common, "vm1", "started");
    mon_log_line(common, "vm1", "two\nlines\x1b");
    g_autofree char *text = contents("hpvm_mon_log");
    g_auto(GStrv) line = g_strsplit(text, "\n", -1);
    ck_assert_uint_eq(g_strv_length(line), 3);
    ck_assert_str_eq(line[0] + strlen("2026-01-31 12:00:00"), " vm1: started");
    ck_assert_str_eq(line[1] + strlen("2026-01-31 12:00:00"), " vm1: two?lines?");
    ck_assert_str_eq(line[2], "");
}
END_TEST

START_TEST(sizes)
{
    for (int i = 0; i < 1000; i++) {
        g_autofree char *text = g_strdup_printf("line %d", i);
        mon_log_line(common, "vm1", text);
    }
    GPtrArray *names = parts();
    ck_assert_uint_eq(names->len, MON_LOG_KEPT);
    g_ptr_array_add(names, g_strdup("hpvm_mon_log"));
    GString *all = g_string_new("");
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *text = contents(names->pdata[i]);
        ck_assert_uint_le(strlen(text), KB);
        g_string_append(all, text);
    }
    /* what is there is the end, whole and in order */
    g_auto(GStrv) line = g_strsplit(all->str, "\n", -1);
    int count = (int)g_strv_length(line) - 1;
    for (int i = 0; i < count; i++) {
        g_autofree char *text = g_strdup_printf("vm1: line %d", 1000 - count + i);
        ck_assert_ptr_nonnull(strstr(line[i], text));
    }
    ck_assert_int_gt(count, MON_LOG_KEPT * 20);
    g_string_free(all, TRUE);
    g_ptr_array_free(names, TRUE);
    /* a change counts at once */
    configure("VMMLOGSIZE=100\n");
    for (int i = 0; i < 100; i++)
        mon_log_line(common, "vm1", "one more line after the limit was raised");
    g_autofree char *text = contents("hpvm_mon_log");
    ck_assert_uint_gt(strlen(text), 3 * KB);
}
END_TEST

/* Each line of each is there once and whole. */
START_TEST(together)
{
    configure("VMMLOGSIZE=7\n");
    for (int w = 0; w < WRITERS; w++)
        if (fork() == 0) {
            for (int i = 0; i < LINES; i++) {
                g_autofree char *text = g_strdup_printf("line %d of %d.", i, w);
                mon_log_line(common, "vm1", text);
            }
            _exit(0);
        }
    while (wait(NULL) > 0)
        continue;
    GPtrArray *names = parts();
    g_ptr_array_add(names, g_strdup("hpvm_mon_log"));
    ck_assert_uint_gt(names->len, 2);
    GString *all = g_string_new("");
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *text = contents(names->pdata[i]);
        g_string_append(all, text);
    }
    for (int w = 0; w < WRITERS; w++)
        for (int i = 0; i < LINES; i++) {
            g_autofree char *text = g_strdup_printf(" vm1: line %d of %d.\n", i, w);
            const char *found = strstr(all->str, text);
            ck_assert_msg(found != NULL && strstr(found + 1, text) == NULL, "%s", text);
        }
    g_string_free(all, TRUE);
    g_ptr_array_free(names, TRUE);
}
END_TEST

/* A link or a directory in its place is left alone. */
START_TEST(hostile)
{
    g_autofree char *name = g_build_filename(directory, "hpvm_mon_log", NULL);
    g_autofree char *victim = g_build_filename(directory, "victim", NULL);
    ck_assert_int_eq(symlink(victim, name), 0);
    mon_log_line(common, "vm1", "started");
    ck_assert_int_ne(access(victim, F_OK), 0);
    unlink(name);
    mkdir(name, 0755);
    mon_log_line(common, "vm1", "started");
    mon_log_line(-1, "vm1", "started");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mon_log");
    TCase *t = tcase_create("mon_log");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, lines);
    tcase_add_test(t, sizes);
    tcase_add_test(t, together);
    tcase_add_test(t, hostile);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
