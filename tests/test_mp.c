/* The virtual console's menus: every screen and dialogue byte for byte (tests/vmp), keys, roles,
 * actions under way, hostile input. */
#include "mp.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A virtual machine of wishes: what the tests want it to answer, and what it was asked to do. */
static struct machine {
    bool on, loaded, writer, slow;
    int status; /* of the next actions */
    unsigned attached;
    const char *console, *events, *progress, *disc;
    const char *media[6];
    struct mp_request asked;
    char text[200];
    unsigned actions;
    GString *typed;
} machine;

static int get_status(void *opaque, struct mp_status *s)
{
    (void)opaque;
    *s = (struct mp_status){.on = machine.on, .number = 12, .vcpus = 2, .memory = 2048};
    g_strlcpy(s->state, machine.on ? "On (OS)" : "Off", sizeof s->state);
    g_strlcpy(s->os_type, "LINUX", sizeof s->os_type);
    g_strlcpy(s->uuid, "8ba249f2-3399-11db-aacc-00306ef392e0", sizeof s->uuid);
    g_strlcpy(s->serial, "VM01010012", sizeof s->serial);
    g_strlcpy(s->label, "a\033[2Jlabel", sizeof s->label);
    return 0;
}

static void get_drives(void *opaque, GArray *out)
{
    bool disk = machine.disc[1] == 'd';
    struct mp_drive d = {.bus = 0, .slot = 1, .target = 7, .loaded = machine.loaded};
    (void)opaque;
    g_strlcpy(d.type, "dvd", sizeof d.type);
    g_strlcpy(d.storage, disk ? "disk" : "file", sizeof d.storage);
    g_strlcpy(d.path, machine.disc, sizeof d.path);
    g_array_append_val(out, d);
}

static void get_media(void *opaque, const struct mp_drive *d, GPtrArray *out)
{
    (void)opaque;
    ck_assert_int_eq(d->target, 7);
    for (size_t i = 0; machine.media[i] != NULL; i++)
        g_ptr_array_add(out, g_strdup(machine.media[i]));
}

static void get_log(void *opaque, enum mp_log which, GString *out)
{
    const char *const texts[] = {machine.console, machine.events, machine.progress};
    (void)opaque;
    g_string_append(out, texts[which]);
}

static void get_viewers(void *opaque, GPtrArray *out)
{
    (void)opaque;
    g_ptr_array_add(out, g_strdup("alice (admin) types"));
    g_ptr_array_add(out, g_strdup("bob\007 (oper)"));
}

static int act(void *opaque, const struct mp_request *r, char *why, size_t size)
{
    machine.asked = *r;
    machine.actions++;
    g_strlcpy(machine.text, r->text != NULL ? r->text : "", sizeof machine.text);
    if (machine.status == -EBUSY)
        g_snprintf(why, size, "The guest has locked the drive.");
    else if (machine.status == 0 && r->action == MP_POWER_ON)
        mp_print(*(struct mp **)opaque, "Daemonizing....\n"
                                        "hpvmstart: Successful start initiation of guest 'win1'\n");
    return machine.slow ? -EINPROGRESS : machine.status;
}

static bool attach(void *opaque, GString *prior, char *writer, size_t size)
{
    (void)opaque;
    machine.attached++;
    g_string_append(prior, "Shell> ");
    g_strlcpy(writer, "alice", size);
    return machine.writer;
}

static void detach(void *opaque)
{
    (void)opaque;
    machine.attached--;
}

static bool type(void *opaque, const uint8_t *bytes, size_t count)
{
    (void)opaque;
    if (machine.writer)
        g_string_append_len(machine.typed, (const char *)bytes, (gssize)count);
    return machine.writer;
}

static bool claim(void *opaque)
{
    (void)opaque;
    machine.writer = true;
    return true;
}

static const struct mp_ops ops = {
    .status = get_status,
    .drives = get_drives,
    .media = get_media,
    .log = get_log,
    .viewers = get_viewers,
    .act = act,
    .attach = attach,
    .detach = detach,
    .claim = claim,
    .type = type,
};

static struct mp *session;
static struct mp_config config;

static void setup(void)
{
    machine = (struct machine){
        .on = true,
        .loaded = true,
        .writer = true,
        .console = "EFI\033[2J\r\nShell> ",
        .events = "2026-11-21 03:55:42 Started\n2026-11-21 03:56:01 Reset\033[2J\n",
        .progress = "2026-11-21 03:55:43 Firmware\n",
        .disc = "/dev/rdsk/c0t0d0",
        .media = {"/dev/rdsk/c0t0d0"},
        .typed = g_string_new(NULL),
    };
    config = (struct mp_config){
        .name = "compass1",
        .role = MP_ADMIN,
        .attention = MP_ATTENTION,
        .now = "Wed Feb 21 2007 07h13m54s PST",
    };
    session = NULL;
}

static void teardown(void)
{
    mp_free(session);
    ck_assert_uint_eq(machine.attached, 0);
    g_string_free(machine.typed, TRUE);
}

static void begin(void)
{
    session = mp_new(&config, &ops, &session);
}

static void keys(const char *text)
{
    mp_input(session, text, strlen(text));
}

/* What was shown since the last call. */
static char *shown(void)
{
    GString *out = mp_output(session);
    char *text = g_strdup(out->str);
    g_string_truncate(out, 0);
    return text;
}

static void expect(const char *text)
{
    g_autofree char *got = shown();
    ck_assert_str_eq(got, text);
}

static void expect_part(const char *text)
{
    g_autofree char *got = shown();
    ck_assert_msg(strstr(got, text) != NULL, "'%s' is not in '%s'", text, got);
}

/* Everything shown is the file's text. */
static void same(const char *file)
{
    g_autofree char *path = g_build_filename(KITTSON_SOURCE_DIR, "tests", "vmp", file, NULL);
    g_autofree char *text = NULL;
    g_autofree char *got = shown();
    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "%s is missing:\n%s", path, got);
    g_auto(GStrv) parts = g_strsplit(text, "@VERSION@", 2);
    g_autofree char *wanted = g_strjoinv(KITTSON_VERSION, parts);
    ck_assert_msg(strcmp(got, wanted) == 0, "%s differs; shown was:\n%s", file, got);
}

START_TEST(main_menu)
{
    begin();
    mp_start(session, MP_START_MENU);
    keys("zz\r");
    same("main-menu.txt");
    keys("\r");
    expect("\n[compass1] vMP> ");
    mp_free(session);
    begin();
    mp_start(session, MP_START_LOGIN);
    expect_part("\n   MP MAIN MENU\n\n         CO: Console\n");
}
END_TEST

START_TEST(continued)
{
    begin();
    mp_start(session, MP_START_SILENT);
    mp_command(session, "");
    expect("");
    mp_free(session);
    begin();
    mp_start(session, MP_START_CONSOLE);
    ck_assert(mp_in_console(session));
    expect("Shell> ");
}
END_TEST

START_TEST(menus)
{
    begin();
    keys("cm\rvm\rma\rcm\r\002");
    same("menus.txt");
}
END_TEST

START_TEST(menus_of_operators)
{
    config.role = MP_OPERATOR;
    begin();
    keys("cm\rsay hello\rhe say\rhe\rq\rx\r");
    same("operator.txt");
    ck_assert_uint_eq(machine.actions, 0);
    ck_assert_uint_eq(mp_failures(session), 1);
    ck_assert(mp_finished(session));
}
END_TEST

START_TEST(help)
{
    begin();
    keys("he\rov\rlist\rTOP\rej\rnonsense\r\rq\r");
    same("help.txt");
    keys("HELP pc\r");
    same("help-pc.txt");
}
END_TEST

START_TEST(help_of_everything)
{
    static const char *const words[] = {"co", "cm",  "cl", "sl", "vm",  "dl", "ej",
                                        "in", "pc",  "ps", "id", "rec", "rs", "say",
                                        "tc", "who", "ma", "x",  "keys"};
    begin();
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *line = g_strdup_printf("he %s", words[i]);
        mp_command(session, line);
        g_autofree char *text = shown();
        g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
        ck_assert_uint_gt(g_strv_length(lines), 3);
        ck_assert_uint_eq(strlen(lines[2]), 79);
        for (guint j = 0; lines[j] != NULL; j++)
            ck_assert_uint_le(strlen(lines[j]), 84);
    }
    ck_assert_uint_eq(mp_failures(session), 0);
}
END_TEST

START_TEST(power_on)
{
    machine.on = false;
    begin();
    keys("pc -on\r");
    same("pc-on.txt");
    ck_assert_int_eq(machine.asked.action, MP_POWER_ON);
    machine.on = true;
    keys("pc -on\r");
    expect_part("-> System is already on.\n");
}
END_TEST

START_TEST(power)
{
    begin();
    keys("pc\rbad\roff\rn\rpc -off\ry\r");
    same("pc-off.txt");
    ck_assert_int_eq(machine.asked.action, MP_POWER_OFF);
    keys("pc -cycle -nc\rPC -g\rYES\rrs\ry\rtc\ry\rrs -nc\r");
    same("pc-other.txt");
    ck_assert_uint_eq(machine.actions, 6);
    ck_assert_int_eq(machine.asked.action, MP_RESET);
    keys("pc -what\rrs now\rpc - -\r");
    ck_assert_uint_eq(machine.actions, 6);
    machine.on = false;
    keys("rs\rtc\rej\rin\rpc -off\r");
    ck_assert_uint_eq(machine.actions, 6);
    ck_assert_uint_eq(mp_failures(session), 9);
}
END_TEST

START_TEST(slow_power)
{
    machine.slow = true;
    begin();
    keys("pc -graceful -nc\rps\rwho\r");
    ck_assert(mp_waiting(session));
    expect("[compass1] vMP> "
           "pc -graceful -nc\n\nSystem will be shut down.\n\n-> System is being shut down.\n" +
           strlen("[compass1] vMP> "));
    mp_notice(session, "news");
    expect("\n[news]\n");
    machine.on = false;
    mp_done(session, 0, NULL);
    ck_assert(!mp_waiting(session));
    g_autofree char *text = shown();
    ck_assert(
        g_str_has_prefix(text, "\n-> Command successful.\n\n[compass1] vMP> ps\n\nSystem Power"));
    ck_assert_ptr_nonnull(strstr(text, "vMP> who\n\nalice (admin) types\nbob? (oper)\n\n"));
    mp_done(session, 0, NULL); /* nothing is under way */
    expect("");
    machine.on = true;
    keys("rs -nc\r");
    mp_done(session, -EIO, "The process has ended.");
    expect_part("\n-> Command failed: The process has ended.\n\n[compass1] vMP> ");
    keys("rs -nc\r");
    for (int i = 0; i < 3000; i++)
        keys("ps\r"); /* bounded */
    mp_done(session, -ETIME, "");
    expect_part("-> Command failed: ");
}
END_TEST

START_TEST(eject)
{
    begin();
    keys("ej\r1\rG\r");
    same("ej-disk.txt");
    ck_assert_int_eq(machine.asked.action, MP_EJECT);
    ck_assert(!machine.asked.force);
    ck_assert_int_eq(machine.asked.drive.slot, 1);
    machine.disc = "/var/opt/hpvm/ISO-images/hpux/IOTdisc";
    machine.status = -EBUSY;
    keys("Eject\r2\r0\r1\rz\rf\r");
    same("ej-file.txt");
    ck_assert(machine.asked.force);
    ck_assert_uint_eq(machine.actions, 2);
    keys("ej\rq\rej\r1\rQ\rej 2\rej -nc\rej 1 -force -nc\r");
    ck_assert_uint_eq(machine.actions, 4);
    machine.loaded = false;
    g_free(shown());
    keys("ej\r");
    expect_part("-> There is no ejectable device.\n");
}
END_TEST

START_TEST(insert_drive)
{
    machine.loaded = false;
    begin();
    keys("in\r1\r1\rG\r");
    same("in-disk.txt");
    ck_assert_int_eq(machine.asked.action, MP_INSERT);
    ck_assert_str_eq(machine.text, "/dev/rdsk/c0t0d0");
}
END_TEST

START_TEST(insert_file)
{
    static const char *const names[] = {"0505-FOE.iso",    "0512-FOE.iso", "0603-FOE-D1.iso",
                                        "0603-FOE-D2.iso", "IOTdisc",      NULL};
    machine.loaded = false;
    memcpy(machine.media, names, sizeof names);
    begin();
    keys("in\r1\r5\rG\r");
    same("in-file.txt");
    ck_assert_str_eq(machine.text, "IOTdisc");
    keys("in 1 0512-FOE.iso -nc\r");
    ck_assert_str_eq(machine.text, "0512-FOE.iso");
    keys("in 1 3\rf\r");
    ck_assert_str_eq(machine.text, "0603-FOE-D1.iso");
    ck_assert(machine.asked.force);
    ck_assert_uint_eq(machine.actions, 3);
    keys("in 1 none\rin -nc\rin 1\r6\r-1\r\rq\r");
    ck_assert_uint_eq(machine.actions, 3);
    machine.media[0] = NULL; /* the directory is read each time */
    keys("in 1\r");
    expect_part("-> There is nothing to insert.\n");
    machine.loaded = true;
    keys("in\r");
    expect_part("-> There is no insertable device.\n");
}
END_TEST

START_TEST(logs)
{
    begin();
    keys("sl\rE\rsl\rx\rf\rsl -f\rrec -view\rrec\rsl -z\rdl\rid\rps\rwho\r");
    same("logs.txt");
    keys("cl\r");
    expect("cl\nEFI\033[2J\r\nShell> \n[compass1] vMP> ");
    machine.progress = "";
    keys("sl -f\r");
    expect_part("The log is empty.\n");
}
END_TEST

START_TEST(quiet)
{
    config.quiet = true;
    begin();
    mp_start(session, MP_START_MENU);
    mp_command(session, "cl");
    expect("EFI\033[2J\r\nShell> \n");
    mp_command(session, "rec -view");
    expect("2026-11-21 03:55:43 Firmware\n");
    mp_command(session, "rs -nc");
    expect("\nSystem will be reset.\n\n-> System is being reset.\n\n-> Command successful.\n\n");
    mp_command(session, "ej");
    ck_assert(mp_asking(session));
    mp_end_of_input(session);
    ck_assert(!mp_asking(session));
    ck_assert_uint_eq(mp_failures(session), 1);
    expect_part("-> Command cancelled.\n");
}
END_TEST

START_TEST(console)
{
    begin();
    keys("co\r");
    same("console.txt");
    ck_assert_uint_eq(machine.attached, 1);
    mp_console(session, "a\033[0c\0b", 7);
    ck_assert_uint_eq(mp_output(session)->len, 7); /* raw */
    g_string_truncate(mp_output(session), 0);
    keys("fs0:\r\003\025\177\t\033[A\377");
    ck_assert_str_eq(machine.typed->str, "fs0:\r\003\025\177\t\033[A\377");
    expect("");
    keys("\002");
    expect_part("\n   vMP MAIN MENU\n");
    ck_assert_uint_eq(machine.attached, 0);
    mp_console(session, "not shown", 9);
    expect("");
    g_string_truncate(machine.typed, 0);
    keys("\002x"); /* twice: the guest's */
    ck_assert_str_eq(machine.typed->str, "\002x");
    keys("\002q\002"); /* a menu again */
    ck_assert_str_eq(machine.typed->str, "\002x");
    ck_assert(!mp_in_console(session));
}
END_TEST

START_TEST(attention)
{
    config.attention = 20;
    begin();
    keys("co\r");
    expect_part("       (Use Ctrl-T to return to vMP main menu.)\n");
    keys("\002");
    ck_assert_str_eq(machine.typed->str, "\002");
    keys("\024");
    ck_assert(!mp_in_console(session));
    mp_free(session);
    config.attention = MP_ATTENTION;
    config.scripted = true;
    begin();
    keys("co\r\002");
    ck_assert(mp_finished(session));
}
END_TEST

START_TEST(readers)
{
    machine.writer = false;
    begin();
    keys("co\rls\r");
    same("read-only.txt");
    ck_assert_str_eq(machine.typed->str, "");
    keys("\005cf");
    expect("\n[You have write access to the console]\n");
    keys("\005ca\005\005cf\005c\002");
    ck_assert_str_eq(machine.typed->str, "\005ca\005");
}
END_TEST

START_TEST(editing)
{
    begin();
    keys("pp\bc -x\025\177\177pz\177s\n");
    expect_part("System Power State      : On\n");
    keys("ps\r\n");
    expect("ps\n\nSystem Power State      : On\nVirtual Machine State   : On (OS)\n"
           "Operating System        : LINUX\n\n[compass1] vMP> ");
    keys("p\033[?62;1cs\033OPs\r"); /* a terminal's answers */
    expect_part("Unknown command 'pss'.");
    keys("junk\003");
    expect("junk^C\n[compass1] vMP> ");
    keys("ej\r\003");
    expect_part("^C\n-> Command cancelled.\n[compass1] vMP> ");
    keys("ab");
    g_free(shown());
    mp_notice(session, "bob has taken the console");
    expect("\n[bob has taken the console]\n[compass1] vMP> ab");
}
END_TEST

START_TEST(raw_terminal)
{
    config.crlf = true;
    begin();
    keys("zz\r");
    expect("zz\r\n-> Unknown command 'zz'. Enter HE for help.\r\n[compass1] vMP> ");
}
END_TEST

START_TEST(hostile)
{
    static const char *const words[] = {"co\r",    "\002", "ej\r",         "1\r",  "in\r",
                                        "he\r",    "q\r",  "\005cf",       "pc\r", "sl\r",
                                        "say x\r", "cm\r", "pc -off -nc\r"};
    begin();
    for (int i = 0; i < 100000; i++)
        mp_input(session, "a", 1);
    ck_assert_uint_lt(mp_output(session)->len, 200000);
    keys("\r");
    g_free(shown());
    srand(7);
    machine.writer = true;
    for (int i = 0; i < 20000; i++) {
        uint8_t byte = (uint8_t)rand();
        if (rand() % 8 == 0)
            keys(words[(size_t)rand() % G_N_ELEMENTS(words)]);
        mp_input(session, &byte, 1);
        g_string_truncate(mp_output(session), 0);
        if (mp_finished(session)) {
            mp_free(session);
            begin();
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mp");
    TCase *tc = tcase_create("mp");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, main_menu);
    tcase_add_test(tc, continued);
    tcase_add_test(tc, menus);
    tcase_add_test(tc, menus_of_operators);
    tcase_add_test(tc, help);
    tcase_add_test(tc, help_of_everything);
    tcase_add_test(tc, power_on);
    tcase_add_test(tc, power);
    tcase_add_test(tc, slow_power);
    tcase_add_test(tc, eject);
    tcase_add_test(tc, insert_drive);
    tcase_add_test(tc, insert_file);
    tcase_add_test(tc, logs);
    tcase_add_test(tc, quiet);
    tcase_add_test(tc, console);
    tcase_add_test(tc, attention);
    tcase_add_test(tc, readers);
    tcase_add_test(tc, editing);
    tcase_add_test(tc, raw_terminal);
    tcase_add_test(tc, hostile);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
