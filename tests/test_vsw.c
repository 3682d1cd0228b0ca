/* hpvmnet's listings byte for byte as the manuals print them, from switches made here; and the file
 * of switches written and read back. Cycles, which are not counted, are 0 where the manual has
 * figures; the older heading "PPA" is "NamePPA". */
#include "vsw.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char four_switches[] =
    "Name     Number State   Mode      NamePPA  MAC Address    IP Address\n"
    "======== ====== ======= ========= ======== ============== ===============\n"
    "localnet      1 Up      Shared             N/A            N/A\n"
    "hostnet     296 Up      Shared    lan1     0x00306e4a92ef 16.116.8.99\n"
    "vmvlan       13 Up      Shared    lan900   0x00306e4bc7bf\n"
    "myswitch    241 Up      Shared    lan0     0x00306e4a93e6\n";
static const char halted_switch[] =
    "Name     Number State   Mode      NamePPA  MAC Address    IP Address\n"
    "======== ====== ======= ========= ======== ============== ===============\n"
    "localnet      1 Up      Shared             N/A            N/A\n"
    "clan1         2 Down    Shared    lan0\n";
static const char copied_switch[] =
    "Name     Number State   Mode      NamePPA  MAC Address    IP Address\n"
    "======== ====== ======= ========= ======== ============== ===============\n"
    "clnvlan     320 Down    Shared    lan1\n"
    "\n"
    "[Port Configuration Details]\n"
    "Port    Port         Untagged Number of    Active VM\n"
    "Number  state        VLANID   Reserved VMs\n"
    "======= ============ ======== ============ ============\n"
    "2       Available    20       0\n";
static const char ports_of_two[] = "\n"
                                   "[Port Configuration Details]\n"
                                   "Port    Port         Untagged Number of    Active VM\n"
                                   "Number  state        VLANID   Reserved VMs\n"
                                   "======= ============ ======== ============ ============\n"
                                   "1       Active       100      2            vm1\n"
                                   "2       Active       100      1            vm2\n"
                                   "3       Active       none     2            vm1\n"
                                   "4       Active       none     1            vm2\n";
static const char all_ports[] = "Vswitch Name            : vmlan4\n"
                                "Max Number of Ports     : 100\n"
                                "Configured Ports        : 4\n"
                                "Port Number             : 1\n"
                                "Port State              : Active\n"
                                "Active VM               : vm1\n"
                                "Untagged VlanId         : none\n"
                                "Reserved VMs            : vm1\n"
                                "Port Number             : 2\n"
                                "Port State              : Active\n"
                                "Active VM               : vm1\n"
                                "Untagged VlanId         : 100\n"
                                "Reserved VMs            : vm1\n"
                                "Port Number             : 3\n"
                                "Port State              : Active\n"
                                "Active VM               : vm2\n"
                                "Untagged VlanId         : none\n"
                                "Reserved VMs            : vm2\n"
                                "Port Number             : 4\n"
                                "Port State              : Active\n"
                                "Active VM               : vm2\n"
                                "Untagged VlanId         : 100\n"
                                "Reserved VMs            : vm2\n";
static const char verbose[] = "Name                    : hostnet\n"
                              "number                  : 296\n"
                              "PID                     : 1672\n"
                              "State                   : Up\n"
                              "Mode                    : Shared\n"
                              "NamePPA                 : lan1\n"
                              "Host MAC Address        : 0x00306e4a92ef\n"
                              "Host IP Address         : 16.116.8.99\n"
                              "Number of guests        : 6\n"
                              "Guest's Name            : armyvm1\n"
                              "MAC Address             : 0xEE8D40584D28\n"
                              "IP Address              : Guest halted\n"
                              "Vswitch Port            : 1\n"
                              "Guest's Name            : armyvm1\n"
                              "MAC Address             : 0x8A0F12DD5B48\n"
                              "IP Address              : Guest halted\n"
                              "Vswitch Port            : 3\n"
                              "Guest's Name            : armyvm2\n"
                              "MAC Address             : 0x42F86E004C5D\n"
                              "IP Address              : Guest halted\n"
                              "Vswitch Port            : 4\n"
                              "Guest's Name            : armyvm4\n"
                              "MAC Address             : 0x762704ACBC4D\n"
                              "IP Address              : Guest halted\n"
                              "Vswitch Port            : 5\n"
                              "Guest's Name            : armyvm4\n"
                              "MAC Address             : 0xA286EA9E07FD\n"
                              "IP Address              : Guest halted\n"
                              "Vswitch Port            : 6\n"
                              "Guest's Name            : armyvm3\n"
                              "MAC Address             : 0xD2E856A02638\n"
                              "IP Address              : Guest halted\n"
                              "Vswitch Port            : 2\n"
                              "Packets in              : 4193925\n"
                              "Packets out to stream   : 0\n"
                              "Packets out to guest    : 0\n"
                              "Packets dropped         : 46588\n"
                              "Broadcasts              : 4147337\n"
                              "Counter 0               : 0\n"
                              "Counter 1               : 0\n"
                              "Counter 2               : 0\n"
                              "Counter 3               : 0\n"
                              "Cycles in               : 0\n"
                              "Cycles out to stream    : 0\n"
                              "Cycles out to guest     : 0\n"
                              "Cycles switch packet    : 0\n";

static struct vsw sw;
static struct vsw_view view;

static void setup(void)
{
    memset(&sw, 0, sizeof sw);
    memset(&view, 0, sizeof view);
    view.sw = &sw;
    view.uses = g_array_new(FALSE, TRUE, sizeof(struct vsw_use));
}

static void teardown(void)
{
    g_array_free(view.uses, TRUE);
}

static void name(const char *text, uint64_t number, bool up, const char *nic)
{
    g_strlcpy(sw.name, text, sizeof sw.name);
    g_strlcpy(sw.nic, nic, sizeof sw.nic);
    sw.number = number;
    view.up = up;
}

static void host(const char *mac, const char *ip)
{
    g_strlcpy(view.mac, mac, sizeof view.mac);
    g_strlcpy(view.ip, ip, sizeof view.ip);
}

static void port(unsigned n, const char *state, int vlan, unsigned reserved, const char *active)
{
    view.port[n] = (struct vsw_port){.state = state, .vlan = vlan, .reserved = reserved};
    g_strlcpy(view.port[n].active, active, sizeof view.port[n].active);
}

static void use(const char *guest, uint64_t mac, unsigned n)
{
    struct vsw_use u = {.guest = guest, .port = n};
    for (int i = 0; i < 6; i++)
        u.mac[i] = (uint8_t)(mac >> (40 - 8 * i));
    g_array_append_val(view.uses, u);
}

static FILE *out;
static char *printed;
static size_t length;

static void start(void)
{
    out = open_memstream(&printed, &length);
    ck_assert_ptr_nonnull(out);
}

static void expect(const char *text)
{
    fclose(out);
    ck_assert_str_eq(printed, text);
    free(printed);
}

START_TEST(summary)
{
    start();
    vsw_show_header(out);
    name("localnet", 1, true, "");
    vsw_show_row(out, &view);
    name("hostnet", 296, true, "lan1");
    host("0x00306e4a92ef", "16.116.8.99");
    vsw_show_row(out, &view);
    name("vmvlan", 13, true, "lan900");
    host("0x00306e4bc7bf", "");
    vsw_show_row(out, &view);
    name("myswitch", 241, true, "lan0");
    host("0x00306e4a93e6", "");
    vsw_show_row(out, &view);
    expect(four_switches);
}
END_TEST

START_TEST(halted)
{
    start();
    vsw_show_header(out);
    name("localnet", 1, true, "");
    vsw_show_row(out, &view);
    name("clan1", 2, false, "lan0");
    host("0x00306e39f70b", "1.2.3.4");
    vsw_show_row(out, &view);
    expect(halted_switch);
}
END_TEST

START_TEST(copied)
{
    start();
    name("clnvlan", 320, false, "lan1");
    port(2, "Available", 20, 0, "");
    vsw_show_header(out);
    vsw_show_row(out, &view);
    vsw_show_ports(out, &view);
    expect(copied_switch);
}
END_TEST

START_TEST(ports)
{
    start();
    port(1, "Active", 100, 2, "vm1");
    port(2, "Active", 100, 1, "vm2");
    port(3, "Active", -1, 2, "vm1");
    port(4, "Active", -1, 1, "vm2");
    vsw_show_ports(out, &view);
    expect(ports_of_two);
}
END_TEST

START_TEST(details)
{
    start();
    name("vmlan4", 2, true, "lan4");
    for (unsigned n = 1; n <= 4; n++) {
        port(n, "Active", n % 2 == 0 ? 100 : -1, 1, n <= 2 ? "vm1" : "vm2");
        use(n <= 2 ? "vm1" : "vm2", n, n);
    }
    ck_assert(vsw_show_port(out, &view, 0));
    ck_assert(!vsw_show_port(out, &view, 5));
    expect(all_ports);
}
END_TEST

START_TEST(all_of_one)
{
    start();
    name("hostnet", 296, true, "lan1");
    host("0x00306e4a92ef", "16.116.8.99");
    view.pid = 1672;
    use("armyvm1", 0xEE8D40584D28, 1);
    use("armyvm1", 0x8A0F12DD5B48, 3);
    use("armyvm2", 0x42F86E004C5D, 4);
    use("armyvm4", 0x762704ACBC4D, 5);
    use("armyvm4", 0xA286EA9E07FD, 6);
    use("armyvm3", 0xD2E856A02638, 2);
    view.counters = (struct vsw_counters){.in = 4193925, .dropped = 46588, .broadcasts = 4147337};
    vsw_show_verbose(out, &view, true);
    expect(verbose);
}
END_TEST

START_TEST(file)
{
    static const char text[] =
        "# Virtual switches. Change them with hpvmnet only.\nversion = 1\n"
        "next = 321\nvswitch = localnet 1 - up\n"
        "vswitch = clnvlan 320 lan1 halted\nvlan = 2 20\n"
        "vswitch = lan1 7 user up\nhostfwd = tcp:127.0.0.1:22-10.0.2.15:22\n";
    static const char *const damaged[] = {
        "vswitch = a 1",
        "vswitch = a 0 - up",
        "vswitch = a 100000 - up",
        "vswitch = a 2 - on",
        "vswitch = ninechars 2 - up",
        "vswitch = a 2 an-interface-too-long up",
        "vswitch = a 2 - up\nvswitch = a 3 - up",
        "vswitch = a 2 - up\nvswitch = b 2 - up",
        "vlan = 1 1",
        "vswitch = a 2 - up\nhostfwd = tcp::1-10.0.2.15:1",
        "next = 1",
        "=",
        "x = y",
    };
    char why[200] = "";
    struct vsw_list *l = vsw_parse(text, why, sizeof why);
    ck_assert_msg(l != NULL, "%s", why);
    ck_assert_uint_eq(l->all->len, 3);
    ck_assert_int_eq(vsw_find(l, "clnvlan", 0)->vlan[2], 20);
    ck_assert_int_eq(vsw_find(l, NULL, 320)->vlan[3], -1);
    GString *again = vsw_write(l);
    ck_assert_str_eq(again->str, text);
    g_string_free(again, TRUE);
    vsw_list_free(l);
    for (size_t i = 0; i < G_N_ELEMENTS(damaged); i++)
        ck_assert_msg(vsw_parse(damaged[i], why, sizeof why) == NULL, "%s", damaged[i]);
    l = vsw_parse("", why, sizeof why);
    ck_assert_str_eq(vsw_find(l, NULL, 1)->name, "localnet");
    ck_assert_uint_eq(vsw_add(l, "next", "")->number, 2);
    vsw_list_free(l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vsw");
    TCase *t = tcase_create("vsw");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, summary);
    tcase_add_test(t, halted);
    tcase_add_test(t, copied);
    tcase_add_test(t, ports);
    tcase_add_test(t, details);
    tcase_add_test(t, all_of_one);
    tcase_add_test(t, file);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
