/* Resource statements: every form the manuals print, refusals, and ones made to hurt. */
#include "guest_config.h"
#include "resource.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct accepted {
    const char *text;
    enum resource_use use;
    const char *type, *storage, *device;
    int bus, slot, target, port;
};

static const struct accepted accepted[] = {
    {"disk:scsi::disk:/dev/rdsk/c1t2d0", RESOURCE_ADD, "disk", "disk", "/dev/rdsk/c1t2d0", -1, -1,
     -1, 0},
    {"disk:scsi::lv:/dev/vg00/rguestvol1", RESOURCE_ADD, "disk", "lv", "/dev/vg00/rguestvol1", -1,
     -1, -1, 0},
    {"dvd:scsi::file:/ISO/a.iso", RESOURCE_ADD, "dvd", "file", "/ISO/a.iso", -1, -1, -1, 0},
    {"dvd:scsi::null:/ISO", RESOURCE_ADD, "dvd", "null", "/ISO", -1, -1, -1, 0},
    {"disk:scsi:,,2:file:/f", RESOURCE_ADD, "disk", "file", "/f", -1, -1, 2, 0},
    {"disk:scsi:6,7,14:file:/f", RESOURCE_ADD, "disk", "file", "/f", 6, 7, 14, 0},
    {"tape:scsi::attach:/dev/rscsi/c2t0d0", RESOURCE_ADD, "tape", "attach", "/dev/rscsi/c2t0d0", -1,
     -1, -1, 0},
    {"disk:avio_stor:1,0,0:disk:/dev/rdisk/disk1", RESOURCE_ADD, "disk", "disk", "/dev/rdisk/disk1",
     1, 0, 0, 0},
    {"hba:avio_stor:0,5,0:disk:/dev/rdisk/disk7", RESOURCE_MODIFY, "hba", "disk",
     "/dev/rdisk/disk7", 0, 5, 0, 0},
    {"hba:avio_stor:0,5", RESOURCE_MODIFY, "hba", "", "", 0, 5, -1, 0},
    {"hba:scsi::0,5", RESOURCE_MODIFY, "hba", "", "", 0, 5, -1, 0},
    {"disk:scsi:0,0,2", RESOURCE_DELETE, "disk", "", "", 0, 0, 2, 0},
    {"disk:scsi::disk:/dev/rdsk/c3t2d0", RESOURCE_DELETE, "disk", "disk", "/dev/rdsk/c3t2d0", -1,
     -1, -1, 0},
    {"network:lan::vswitch:clan0", RESOURCE_ADD, "network", "vswitch", "clan0", -1, -1, -1, 0},
    {"network:lan:,,:vswitch:myswitch", RESOURCE_ADD, "network", "vswitch", "myswitch", -1, -1, -1,
     0},
    {"network:lan::vswitch:vmlan4:portid:1", RESOURCE_ADD, "network", "vswitch", "vmlan4", -1, -1,
     -1, 1},
    {"network:lan:0,0,0x00306E39F70B:vswitch:clan1", RESOURCE_ADD, "network", "vswitch", "clan1", 0,
     0, -1, 0},
    {"network:lan:0,2,1a-01-5a-8e-99-fa:vswitch:myswitch", RESOURCE_MODIFY, "network", "vswitch",
     "myswitch", 0, 2, -1, 0},
    {"network:lan:0,1", RESOURCE_DELETE, "network", "", "", 0, 1, -1, 0},
};

START_TEST(accepts)
{
    const struct accepted *a = &accepted[_i];
    struct resource r;
    char why[300] = "";
    ck_assert_msg(resource_parse(a->text, a->use, &r, why, sizeof why) == 0, "%s: %s", a->text,
                  why);
    ck_assert_str_eq(r.type, a->type);
    ck_assert_str_eq(r.storage, a->storage);
    ck_assert_str_eq(r.device, a->device);
    ck_assert_int_eq(r.bus, a->bus);
    ck_assert_int_eq(r.slot, a->slot);
    ck_assert_int_eq(r.target, a->target);
    ck_assert_int_eq(r.port, a->port);
}
END_TEST

struct refused {
    const char *text;
    enum resource_use use;
    const char *why;
};

static const struct refused refused[] = {
    {"", RESOURCE_ADD, "Incomplete resource statement."},
    {"disk", RESOURCE_ADD, "Incomplete resource statement."},
    {"floppy:scsi::file:/f", RESOURCE_ADD, "Invalid device type 'floppy'."},
    {"disk:ide::file:/f", RESOURCE_ADD, "Invalid adapter type 'ide'."},
    {"disk:lan::file:/f", RESOURCE_ADD, "Invalid adapter type 'lan'."},
    {"disk:scsi:7,0,0:file:/f", RESOURCE_ADD, "Invalid bus in '7,0,0': 0 to 6."},
    {"disk:scsi:0,8,0:file:/f", RESOURCE_ADD, "Invalid device in '0,8,0': 0 to 7."},
    {"disk:scsi:0,0,15:file:/f", RESOURCE_ADD, "Invalid target in '0,0,15': 0 to 14."},
    {"disk:scsi:-1,0,0:file:/f", RESOURCE_ADD, "Invalid bus in '-1,0,0': 0 to 6."},
    {"disk:scsi:0,0,0,0:file:/f", RESOURCE_ADD, "Invalid hardware address '0,0,0,0'."},
    {"disk:scsi:99999999999999999999,,:file:/f", RESOURCE_ADD,
     "Invalid bus in '99999999999999999999,,': 0 to 6."},
    {"disk:scsi::tape:/f", RESOURCE_ADD, "Invalid storage type 'tape'."},
    {"disk:scsi::null:/f", RESOURCE_ADD, "Storage type 'null' is only valid for a dvd."},
    {"disk:scsi::attach:/f", RESOURCE_ADD, "Storage type 'attach' is not valid for a disk."},
    {"tape:scsi::file:/f", RESOURCE_ADD, "Storage type 'file' is not valid for a tape."},
    {"disk:scsi::file:relative", RESOURCE_ADD,
     "Physical device 'relative' is not an absolute path."},
    {"disk:scsi::file:/a,b", RESOURCE_ADD,
     "Physical device names must not contain ':', ';' or ','."},
    {"disk:scsi::file:/a;b", RESOURCE_ADD,
     "Physical device names must not contain ':', ';' or ','."},
    {"disk:scsi::file:/a:b", RESOURCE_ADD,
     "Physical device names must not contain ':', ';' or ','."},
    {"disk:scsi::file:/a\nb", RESOURCE_ADD, "Physical device name contains a control character."},
    {"disk:scsi::file:", RESOURCE_ADD, "Physical device missing."},
    {"disk:scsi:0,0,0", RESOURCE_ADD, "Physical device missing."},
    {"disk:scsi::disk:/d", RESOURCE_MODIFY, "Hardware address missing."},
    {"disk:scsi:0,0,1", RESOURCE_MODIFY, "Physical device missing."},
    {"disk:scsi", RESOURCE_DELETE, "Hardware address or physical device missing."},
    {"network:lan:0,0,0x01306E39F70B:vswitch:a", RESOURCE_ADD,
     "MAC address is not the address of one station."},
    {"network:lan:0,0,000000000000:vswitch:a", RESOURCE_ADD, "Invalid MAC address '000000000000'."},
    {"network:lan:0,0,0x00306E39F70:vswitch:a", RESOURCE_ADD,
     "Invalid MAC address '0x00306E39F70'."},
    {"network:lan::vswitch:ninechars", RESOURCE_ADD,
     "Vswitch name 'ninechars' is longer than 8 characters."},
    {"network:lan::vswitch:a(b)", RESOURCE_ADD, "Invalid character in the vswitch name."},
    {"network:lan::hostnet:a", RESOURCE_ADD, "Expected vswitch instead of 'hostnet'."},
    {"network:lan::vswitch:a:portid:0", RESOURCE_ADD, "Invalid port '0': 1 to 100."},
    {"network:lan::vswitch:a:port:1", RESOURCE_ADD,
     "Expected portid:<number> after the vswitch name."},
};

START_TEST(refuses)
{
    const struct refused *c = &refused[_i];
    struct resource r;
    char why[300] = "";
    ck_assert_int_lt(resource_parse(c->text, c->use, &r, why, sizeof why), 0);
    ck_assert_str_eq(why, c->why);
}
END_TEST

START_TEST(prints)
{
    static const char *const texts[] = {"disk:scsi:0,0,1:lv:/dev/vg01/rlv2",
                                        "network:lan:0,1,0x56A3E9D74099:vswitch:myswitch"};
    for (int i = 0; i < 2; i++) {
        struct resource r;
        char why[300], out[1200];
        ck_assert_int_eq(resource_parse(texts[i], RESOURCE_ADD, &r, why, sizeof why), 0);
        resource_print(&r, out, sizeof out);
        ck_assert_str_eq(out, texts[i]);
    }
}
END_TEST

/* Statements put together from the grammar's own words, in any order and number. */
START_TEST(grammar_fuzz)
{
    static const char *const words[] = {"disk",
                                        "dvd",
                                        "network",
                                        "lan",
                                        "scsi",
                                        "hba",
                                        ":",
                                        ":",
                                        ":",
                                        ",",
                                        ",",
                                        "0",
                                        "14",
                                        "15",
                                        "-1",
                                        "vswitch",
                                        "portid",
                                        "file",
                                        "null",
                                        "/x",
                                        "\n",
                                        "\xff",
                                        "0x00306E39F70B",
                                        "",
                                        "(",
                                        ")",
                                        "lv"};
    srand(5);
    for (int i = 0; i < 100000; i++) {
        char text[400] = "", why[300] = "";
        struct resource r;
        for (int n = rand() % 16; n > 0; n--)
            strcat(text, words[(size_t)rand() % (sizeof words / sizeof words[0])]);
        int status = resource_parse(text, (enum resource_use)(i % 3), &r, why, sizeof why);
        ck_assert(status == 0 || why[0] != '\0');
        ck_assert_int_lt(r.bus, RESOURCE_BUSES);
        ck_assert_int_lt(r.target, RESOURCE_TARGETS);
    }
}
END_TEST

START_TEST(places)
{
    struct guest *g = guest_new();
    struct resource r;
    char why[300], text[64];
    for (int i = 0; i < GUEST_SCSI_MAX; i++) {
        snprintf(text, sizeof text, "disk:scsi::file:/f%d", i);
        ck_assert_int_eq(resource_parse(text, RESOURCE_ADD, &r, why, sizeof why), 0);
        ck_assert_int_eq(guest_add_device(g, &r, why, sizeof why), 0);
    }
    ck_assert_int_eq(guest_device(g, 14)->target, 14);
    ck_assert_int_eq(guest_device(g, 15)->slot, 1);
    resource_parse("disk:scsi::file:/more", RESOURCE_ADD, &r, why, sizeof why);
    ck_assert_int_lt(guest_add_device(g, &r, why, sizeof why), 0);
    ck_assert_str_eq(why, "A guest has at most 30 scsi devices.");
    resource_parse("network:lan:0,1:vswitch:a", RESOURCE_ADD, &r, why, sizeof why);
    ck_assert_int_lt(guest_add_device(g, &r, why, sizeof why), 0);
    guest_free(g);
}
END_TEST

static int try_add(struct guest *g, const char *start, int n, char *why, size_t size)
{
    struct resource r;
    g_autofree char *text = g_strdup_printf("%s:file:/f%d", start, n);
    ck_assert_int_eq(resource_parse(text, RESOURCE_ADD, &r, why, size), 0);
    return guest_add_device(g, &r, why, size);
}

/* 15 devices at one adapter; 256 of the accelerated kind in a guest. */
START_TEST(crowded)
{
    struct guest *g = guest_new();
    char why[300];
    for (int i = 0; i < 15; i++)
        ck_assert_int_eq(try_add(g, "disk:scsi:3,2", i, why, sizeof why), 0);
    ck_assert_int_lt(try_add(g, "disk:scsi:3,2", 15, why, sizeof why), 0);
    ck_assert_str_eq(why, "The hardware address is in use or none is free.");
    ck_assert_int_eq(try_add(g, "disk:scsi:3,3", 15, why, sizeof why), 0);
    for (int i = 100; i < 100 + 256; i++)
        ck_assert_int_eq(try_add(g, "disk:avio_stor:", i, why, sizeof why), 0);
    ck_assert_int_lt(try_add(g, "disk:avio_stor:", 400, why, sizeof why), 0);
    ck_assert_str_eq(why, "A guest has at most 256 avio_stor devices.");
    ck_assert_uint_eq(guest_count(g, false), 16 + 256);
    guest_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmp_resource");
    TCase *t = tcase_create("resource");
    tcase_add_loop_test(t, accepts, 0, sizeof accepted / sizeof accepted[0]);
    tcase_add_loop_test(t, refuses, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(t, prints);
    tcase_add_test(t, grammar_fuzz);
    tcase_add_test(t, places);
    tcase_add_test(t, crowded);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
