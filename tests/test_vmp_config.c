/* Configuration files of guests: written and read back, damaged in every way; the state directory
 * around them; the warning block and the host listing byte for byte; storage of the host. */
#include "backing.h"
#include "guest_config.h"
#include "status.h"
#include "vmp.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *root;

static void add(struct guest *g, const char *text)
{
    struct resource r;
    char why[300] = "";
    ck_assert_msg(resource_parse(text, RESOURCE_ADD, &r, why, sizeof why) == 0, "%s", why);
    ck_assert_msg(guest_add_device(g, &r, why, sizeof why) == 0, "%s", why);
}

static struct guest *sample(const char *name)
{
    struct guest *g = guest_new();
    g_strlcpy(g->name, name, sizeof g->name);
    g_strlcpy(g->label, "a label", sizeof g->label);
    state_new_uuid(g->uuid);
    g->number = 1;
    struct grant grant = {.admin = true, .name = "testme1"};
    g_array_append_val(g->grants, grant);
    add(g, "disk:scsi:0,0,1:lv:/dev/vg01/rlv2");
    add(g, "dvd:scsi:0,0,2:null:/ISO images (old)");
    add(g, "network:lan:0,1,0x56A3E9D74099:vswitch:myswitch:portid:4");
    return g;
}

START_TEST(round_trip)
{
    struct guest *g = sample("compass1");
    GString *text = guest_write(g);
    char why[300] = "";
    struct guest *again = guest_parse(text->str, text->len, why, sizeof why);
    ck_assert_msg(again != NULL, "%s", why);
    GString *second = guest_write(again);
    ck_assert_str_eq(text->str, second->str);
    ck_assert_ptr_nonnull(strstr(text->str, "# Virtual Network Devices\n#\n"
                                            "lan(0,1).0x56A3E9D74099 = switch(myswitch).4\n"));
    g_string_free(text, TRUE);
    g_string_free(second, TRUE);
    guest_free(g);
    guest_free(again);
}
END_TEST

/* The line of chapter 8 as it stands in HP's files, with the comment above it: read, and written
 * again. */
START_TEST(line_of_the_manual)
{
    static const char lines[] = "# Virtual Network Devices\n#\n"
                                "lan(0,0).0x00306E39F70B = switch(clan1).4\n";
    struct guest *g = sample("compass1");
    char why[300] = "";
    g_array_set_size(g->devices, 0);
    GString *text = guest_write(g);
    g_auto(GStrv) parts = g_strsplit(text->str, "# Virtual Network Devices\n#\n", 2);
    g_autofree char *file = g_strjoinv(lines, parts);
    struct guest *again = guest_parse(file, strlen(file), why, sizeof why);
    ck_assert_msg(again != NULL, "%s", why);
    const struct resource *r = guest_device(again, 0);
    ck_assert(r->network && r->bus == 0 && r->slot == 0 && r->port == 4 && r->mac[5] == 0x0b);
    ck_assert_str_eq(r->device, "clan1");
    GString *second = guest_write(again);
    ck_assert_str_eq(second->str, file);
    g_string_free(text, TRUE);
    g_string_free(second, TRUE);
    guest_free(g);
    guest_free(again);
}
END_TEST

static void expect_damaged(const char *text, const char *old, const char *new, const char *reason)
{
    char why[300] = "";
    g_auto(GStrv) parts = g_strsplit(text, old, 2);
    ck_assert_ptr_nonnull(parts[1]);
    g_autofree char *changed = g_strjoinv(new, parts);
    struct guest *g = guest_parse(changed, strlen(changed), why, sizeof why);
    ck_assert_msg(g == NULL, "accepted: %s", new);
    ck_assert_msg(strstr(why, reason) != NULL, "%s", why);
}

START_TEST(damaged)
{
    struct guest *g = sample("compass1");
    GString *text = guest_write(g);
    const char *t = text->str;
    expect_damaged(t, "format = 1", "format = 2", "format 2 is not known");
    expect_damaged(t, "format = 1\n", "", "cut off");
    expect_damaged(t, "# End\n", "", "cut off");
    expect_damaged(t, "name = compass1", "name = ../compass1", "invalid name");
    expect_damaged(t, "name = compass1", "name = ..", "invalid name");
    expect_damaged(t, "vcpus = 1", "vcpus = 17", "vcpus is out of range");
    expect_damaged(t, "vcpus = 1", "vcpus = -1", "vcpus is out of range");
    expect_damaged(t, "memory = 2048", "memory = 18446744073709551616", "memory is out of range");
    expect_damaged(t, "memory = 2048", "memory = 2048\nmemory = 2048", "memory is there twice");
    expect_damaged(t, "memory = 2048\n", "", "memory is missing");
    expect_damaged(t, "os_type = UNKNOWN", "os_type = VMS", "invalid os_type");
    expect_damaged(t, "os_type = UNKNOWN", "os_type = UNKNOWNUNKNOWN", "os_type is too long");
    expect_damaged(t, "disk(0,0,1)", "disk(0,9,1)", "Invalid device");
    expect_damaged(t, "disk(0,0,1)", "disk(0,0,2)", "in use");
    expect_damaged(t, "disk(0,0,1)", "disk(,,)", "incomplete address");
    expect_damaged(t, "disk(0,0,1)", "disk(0,0,1", "unknown entry");
    expect_damaged(t, "switch(myswitch)", "switch(a:portid:1)", "Expected portid");
    expect_damaged(t, "admin_user = testme1", "admin_user = -x", "invalid name");
    expect_damaged(t, "label = a label", "label = a\x01label", "invalid character");
    expect_damaged(t, "label = a label", "label = \xff", "not a text");
    g_string_free(text, TRUE);
    guest_free(g);
}
END_TEST

/* Any file is either refused with a reason or read; none crashes. */
START_TEST(mutated)
{
    struct guest *g = sample("compass1");
    GString *text = guest_write(g);
    srand(11);
    for (int i = 0; i < 3000; i++) {
        GString *copy = g_string_new_len(text->str, (gssize)text->len);
        char why[300] = "";
        for (int n = 1 + rand() % 4; n > 0; n--)
            copy->str[(size_t)rand() % copy->len] = (char)(rand() % 128);
        if (rand() % 4 == 0)
            g_string_truncate(copy, (gsize)rand() % copy->len);
        struct guest *read = guest_parse(copy->str, copy->len, why, sizeof why);
        ck_assert(read != NULL || why[0] != '\0');
        guest_free(read);
        g_string_free(copy, TRUE);
    }
    g_string_free(text, TRUE);
    guest_free(g);
}
END_TEST

static struct state *open_state(bool write)
{
    char why[300] = "";
    struct state *s = state_open(write, why, sizeof why);
    ck_assert_msg(s != NULL, "%s", why);
    return s;
}

static void create(const char *name, const char *mac, const char *disk)
{
    struct state *s = open_state(true);
    struct guest *g = guest_new();
    g_autofree char *nic = g_strdup_printf("network:lan:0,1,%s:vswitch:localnet", mac);
    g_autofree char *storage = g_strdup_printf("disk:scsi:0,0,0:file:%s", disk);
    g_strlcpy(g->name, name, sizeof g->name);
    state_new_uuid(g->uuid);
    add(g, nic);
    add(g, storage);
    ck_assert_int_eq(state_create(s, g), 0);
    guest_free(g);
    state_close(s);
}

START_TEST(state_steps)
{
    create("one", "0x020000000001", "/a");
    create("two", "0x020000000002", "/b");
    struct state *s = open_state(true);
    struct entry *e = state_find(s, "two", 0);
    ck_assert_int_eq(e->guest->number, 2);
    ck_assert_int_eq(state_rename(s, e, "drei"), 0);
    state_close(s);
    s = open_state(true);
    ck_assert_ptr_null(state_find(s, "two", 0));
    ck_assert_int_eq(state_remove(s, state_find(s, NULL, 2)), 0);
    state_close(s);
    create("two", "0x020000000003", "/b");
    s = open_state(false);
    ck_assert_int_eq(state_find(s, "two", 0)->guest->number, 3); /* numbers are not used again */
    ck_assert_int_eq(state_entries(s)->len, 2);
    state_close(s);
}
END_TEST

static const char expected_warnings[] =
    "HPVM guest myguest3 configuration problems:\n"
    "    Warning 1: Guest needs more vcpus than server supports.\n"
    "    Warning 2: Insufficient free memory for guest.\n"
    "    Warning 3: Insufficient swap resource for guest.\n"
    "    Warning 4: Insufficient cpu resource for guest.\n"
    "    Warning 5 on item /dev/null: Device file '/dev/null' in use by another guest.\n"
    "    Warning 6 on item /dev/rdsk/c1t1d3 backing device does not exist.\n"
    "    Warning 7 on item localnet: MAC address in use for switch localnet.\n"
    "    Warning 8 on item badnet: 'badnet' backing device does not exist.\n"
    "These problems will prevent HPVM guest myguest3 from booting.\n";

START_TEST(warning_block)
{
    struct vmp_host host = {.mhz = 900, .processors = 2, .max_vcpus = 4, .available = 1};
    struct guest *g = guest_new();
    create("other", "0x02000000000a", "/dev/null");
    struct state *s = open_state(false);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    g_strlcpy(g->name, "myguest3", sizeof g->name);
    g->vcpus = 5;
    add(g, "disk:scsi:0,0,0:disk:/dev/null");
    add(g, "disk:scsi:0,0,1:disk:/dev/rdsk/c1t1d3");
    add(g, "network:lan:0,1,0x02000000000a:vswitch:localnet");
    add(g, "network:lan:0,2,0x02000000000b:vswitch:badnet");
    ck_assert_uint_eq(vmp_warn(out, g, s, &host, VMP_CHECK_CONFIG,
                               "will prevent HPVM guest myguest3 from booting"),
                      8);
    fclose(out);
    ck_assert_str_eq(text, expected_warnings);
    free(text);
    guest_free(g);
    state_close(s);
}
END_TEST

/* What vmp_warn says about a guest by itself. The caller frees it. */
static char *warnings(const struct guest *g, const struct vmp_host *host)
{
    struct state *s = open_state(false);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    vmp_warn(out, g, s, host, VMP_CHECK_START, "x");
    fclose(out);
    state_close(s);
    return text;
}

/* 7 percent of overhead: guests of 3 GB take 3.21 GB each of what the host has left. */
START_TEST(memory_overhead)
{
    struct vmp_host host = {.mhz = 900, .processors = 2, .max_vcpus = 4, .swap = 16384};
    struct guest *g = guest_new();
    static const struct {
        uint64_t memory, needed;
    } guests[] = {{3072, 3287}, {512, 547}, {65536, 70123}};
    for (size_t i = 0; i < G_N_ELEMENTS(guests); i++) {
        g->memory = guests[i].memory;
        for (uint64_t less = 0; less < 2; less++) {
            host.available = guests[i].needed - less;
            char *text = warnings(g, &host);
            ck_assert((strstr(text, "Insufficient free memory for guest.") != NULL) == less);
            free(text);
        }
    }
    guest_free(g);
}
END_TEST

static int on_nfs(const char *path, unsigned long *type)
{
    *type = g_str_has_prefix(path, "/nfs/") ? 0x6969 : 0xef53;
    return 0;
}

START_TEST(network_file_systems)
{
    struct vmp_host host = {.mhz = 900, .processors = 2, .max_vcpus = 4};
    struct guest *g = guest_new();
    add(g, "disk:scsi:0,0,0:file:/nfs/disk");
    add(g, "dvd:scsi:0,0,1:null:/nfs/discs");
    add(g, "disk:scsi:0,0,2:file:/local/disk");
    add(g, "disk:scsi:0,0,3:disk:/nfs/device");
    backing_set_filesystem(on_nfs);
    char *text = warnings(g, &host);
    backing_set_filesystem(NULL);
    ck_assert_ptr_nonnull(strstr(text,
                                 " on item /nfs/disk: Device file '/nfs/disk' is on a network "
                                 "file system.\n"));
    ck_assert_ptr_nonnull(strstr(text, "'/nfs/discs' is on a network file system.\n"));
    ck_assert_ptr_null(strstr(text, "'/local/disk' is on"));
    ck_assert_ptr_null(strstr(text, "'/nfs/device' is on"));
    free(text);
    text = warnings(g, &host); /* the real host has no such files */
    ck_assert_ptr_null(strstr(text, "network file system"));
    free(text);
    guest_free(g);
}
END_TEST

static bool shows_up(const char *type, const char *path, off_t size)
{
    g_autofree char *statement = g_strdup_printf("%s:scsi:0,0,0:file:%s", type, path);
    struct resource r;
    char why[300];
    FILE *f = fopen(path, "w");
    ck_assert(f != NULL && ftruncate(fileno(f), size) == 0);
    fclose(f);
    ck_assert_int_eq(resource_parse(statement, RESOURCE_ADD, &r, why, sizeof why), 0);
    return backing_shows_up(&r);
}

START_TEST(sizes)
{
    static const struct {
        const char *type;
        off_t size;
        bool shows;
    } files[] = {
        {"disk", 0, false},
        {"disk", 511, false},
        {"disk", 512, true},
        {"disk", 1000, false},
        {"disk", 1536, true},
        {"disk", (off_t)2 << 40, true},
        {"disk", ((off_t)2 << 40) + 512, false},
        {"dvd", 512, false},
        {"dvd", 2048, true},
        {"dvd", 3072, false},
        {"dvd", (off_t)2 << 40, true},
        {"dvd", ((off_t)2 << 40) + 2048, false},
    };
    g_autofree char *path = g_build_filename(root, "file", NULL);
    struct resource r;
    char why[300];
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        ck_assert_int_eq(shows_up(files[i].type, path, files[i].size), files[i].shows);
    ck_assert_int_eq(
        resource_parse("disk:scsi:0,0,0:file:/dev/null", RESOURCE_ADD, &r, why, sizeof why), 0);
    ck_assert(!backing_shows_up(&r));
    ck_assert_int_eq(
        resource_parse("dvd:scsi:0,0,0:null:/dev/null", RESOURCE_ADD, &r, why, sizeof why), 0);
    ck_assert(backing_shows_up(&r)); /* an empty drive */
    ck_assert_int_eq(
        resource_parse("disk:scsi:0,0,0:file:/no/such", RESOURCE_ADD, &r, why, sizeof why), 0);
    ck_assert(backing_shows_up(&r)); /* "backing device does not exist" */
}
END_TEST

static void expect_host(const struct vmp_host *host, const char *file)
{
    g_autofree char *path = g_build_filename(KITTSON_SOURCE_DIR, "tests", "hpvm", file, NULL);
    g_autofree char *expected = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    status_host(out, host);
    fclose(out);
    ck_assert(g_file_get_contents(path, &expected, NULL, NULL));
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(host_listing)
{
    expect_host(&(struct vmp_host){.mhz = 900,
                                   .processors = 2,
                                   .max_vcpus = 4,
                                   .memory = 6132,
                                   .available = 2557,
                                   .swap = 1541},
                "s6-host-900.txt");
    expect_host(&(struct vmp_host){.mhz = 1400,
                                   .processors = 2,
                                   .max_vcpus = 4,
                                   .memory = 12276,
                                   .available = 7367,
                                   .swap = 4707},
                "host-1400.txt");
}
END_TEST

static void setup(void)
{
    root = g_dir_make_tmp("vmp-XXXXXX", NULL);
    g_setenv("HPVM_ROOT", root, TRUE);
}

static void teardown(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
    g_free(root);
}

int main(void)
{
    Suite *s = suite_create("vmp_config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, line_of_the_manual);
    tcase_add_test(t, damaged);
    tcase_add_test(t, mutated);
    tcase_add_test(t, state_steps);
    tcase_add_test(t, warning_block);
    tcase_add_test(t, memory_overhead);
    tcase_add_test(t, network_file_systems);
    tcase_add_test(t, sizes);
    tcase_add_test(t, host_listing);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
