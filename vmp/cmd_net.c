/* hpvmnet: virtual switches, made, changed, booted, halted, listed. The switches themselves are
 * processes, hpvmnetd; nothing here sees a frame. */
#include "vmp.h"
#include "vsw.h"

#include "rundir.h"
#include "switch_ask.h"
#include "text.h"
#include "user_options.h"

#include <string.h>

#define FORWARD 1 /* --hostfwd as a letter of getopt's */

static const char help[] =
    "usage: hpvmnet [-S NAME | -s NUMBER] [-V | -M | -X] [-v]      what switches there are\n"
    "       hpvmnet -c -S NAME [-n NIC]                            create\n"
    "       hpvmnet -C -S NAME -n NIC [-N NEW]                     change the NIC, or copy\n"
    "       hpvmnet -b | -h | -r [-S NAME] [-F] [-Q]               boot, halt, restart\n"
    "       hpvmnet -d -S NAME [-F] [-Q]                           delete\n"
    "       hpvmnet -S NAME -u portid:N[,N]...:vlanid:{ID|none}    VLAN of ports\n"
    "       hpvmnet -S NAME -p {N|all}                             ports in detail\n"
    "       hpvmnet -S NAME --hostfwd {SPEC|-SPEC|list}            forwards of a user network\n\n"
    "NIC: an interface of the host by number or name, or `user', which needs no rights. On a\n"
    "bridge or a port of one guests reach the host too. Without -n they reach each other only.\n\n"
    "  hpvmnet -c -S clan1 -n br0                    a switch on bridge br0\n"
    "  hpvmnet -c -S lan1 -n user                    out through the host's user\n"
    "  hpvmnet -b -S lan1                            traffic flows from now on\n"
    "  hpvmcreate -P web -a network:lan::vswitch:lan1\n"
    "  hpvmnet -S lan1 --hostfwd tcp::2222-10.0.2.15:22\n"
    "                                                ssh to the guest at port 2222\n"
    "  hpvmnet -S lan1 -u portid:1,2:vlanid:100      ports 1 and 2 among themselves\n\n"
    "Manual: man hpvmnet. Exit status: 0 fine, 1 it failed.\n";

struct net {
    const struct vmp_options *o;
    struct state *s;
    struct vsw_list *l;
    struct vsw *one; /* NULL: all */
};

static int unable(void)
{
    return vmp_fail("Unable to continue");
}

static int fail(const char *why)
{
    vmp_fail("%s", why);
    return unable();
}

static bool selected(const struct vmp_options *o)
{
    return vmp_has(o, 'S') || vmp_has(o, 's');
}

static int open_net(struct net *n, const struct vmp_options *o, bool write)
{
    char why[300];
    n->o = o;
    n->s = state_open(write, why, sizeof why);
    n->l = n->s != NULL ? vsw_load(n->s, why, sizeof why) : NULL;
    return n->l != NULL ? 0 : fail(why);
}

/* The switch -S or -s names. */
static int select_one(struct net *n)
{
    const char *name = vmp_value(n->o, 'S'), *number = vmp_value(n->o, 's');
    uint64_t value = 0;
    if (number != NULL && text_parse_number(number, 1, VSW_NUMBERS, &value) != 0) {
        vmp_fail("Invalid vswitch number '%.20s'.", number);
        return unable();
    }
    n->one = vsw_find(n->l, name, value);
    if (n->one != NULL)
        return 0;
    vmp_fail("Vswitch '%.60s' does not exist.", name != NULL ? name : number);
    return unable();
}

static void close_net(struct net *n)
{
    vsw_list_free(n->l);
    if (n->s != NULL)
        state_close(n->s);
}

static int save(struct net *n)
{
    int err = vsw_save(n->s, n->l);
    return err == 0 ? 0 : fail(strerror(-err));
}

/* --- listings --- */

typedef void show_fn(const struct net *n, const struct vsw_view *v);

static void show_row(const struct net *n, const struct vsw_view *v)
{
    (void)n;
    vsw_show_row(stdout, v);
}

static void show_machine(const struct net *n, const struct vsw_view *v)
{
    vsw_show_machine(stdout, v, n->one != NULL);
}

static void show_xml(const struct net *n, const struct vsw_view *v)
{
    vsw_show_xml(stdout, v, n->one != NULL);
}

/* Counters of one switch start again when they have been shown. */
static void show_verbose(const struct net *n, const struct vsw_view *v)
{
    char why[200];
    if (n->one == NULL && v->sw != n->l->all->pdata[0])
        putchar('\n');
    vsw_show_verbose(stdout, v, n->one != NULL);
    if (n->one != NULL && v->up)
        ask_switch(v->sw->name, "clear", stdout, why, sizeof why);
}

static void for_each(const struct net *n, show_fn *show)
{
    for (guint i = 0; i < n->l->all->len; i++) {
        const struct vsw *sw = n->l->all->pdata[i];
        if (n->one != NULL && n->one != sw)
            continue;
        struct vsw_view *v = vsw_view_new(sw, n->s);
        show(n, v);
        vsw_view_free(v);
    }
}

static int show_ports(const struct net *n, const char *which)
{
    uint64_t port = 0;
    bool found = strcmp(which, "all") == 0;
    if (!found && text_parse_number(which, 1, RESOURCE_PORTS, &port) != 0)
        return fail("A port is a number from 1 to 100 or all.");
    for (guint i = 0; i < n->l->all->len; i++) {
        const struct vsw *sw = n->l->all->pdata[i];
        if (n->one != NULL && n->one != sw)
            continue;
        struct vsw_view *v = vsw_view_new(sw, n->s);
        found |= vsw_show_port(stdout, v, (unsigned)port);
        vsw_view_free(v);
    }
    return found ? 0 : fail("The port is not configured.");
}

static int show(const struct net *n)
{
    if (vmp_has(n->o, 'v'))
        puts("hpvmnet: " VMP_VERSION);
    if (vmp_has(n->o, 'p') && !vmp_has(n->o, 'M') && !vmp_has(n->o, 'X'))
        return show_ports(n, vmp_value(n->o, 'p'));
    if (vmp_has(n->o, 'X')) {
        puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<hpvmnet>");
        for_each(n, show_xml);
        puts("</hpvmnet>");
    } else if (vmp_has(n->o, 'M')) {
        for_each(n, show_machine);
    } else if (vmp_has(n->o, 'V')) {
        for_each(n, show_verbose);
    } else {
        vsw_show_header(stdout);
        for_each(n, show_row);
        if (n->one != NULL) {
            struct vsw_view *v = vsw_view_new(n->one, n->s);
            vsw_show_ports(stdout, v);
            vsw_view_free(v);
        }
    }
    return 0;
}

/* --- changes of the list --- */

static int new_name(const struct net *n, const char *name)
{
    if (!rundir_switch_name(name))
        return fail("A vswitch name is 1 to 8 letters, digits, '.', '-' and '_'.");
    if (vsw_find(n->l, name, 0) == NULL)
        return 0;
    vmp_fail("Vswitch '%s' already exists.", name);
    return unable();
}

/* -n: "" when it is not given. */
static int find_nic(const struct net *n, char nic[VSW_NIC_SIZE])
{
    const char *text = vmp_value(n->o, 'n');
    char why[200];
    g_strlcpy(nic, text != NULL ? VSW_USER : "", VSW_NIC_SIZE);
    if (text == NULL || strcmp(text, VSW_USER) == 0)
        return 0;
    return vsw_nic_find(text, nic, why, sizeof why) == 0 ? 0 : fail(why);
}

static int create(struct net *n)
{
    const char *name = vmp_value(n->o, 'S');
    char nic[VSW_NIC_SIZE];
    if (name == NULL)
        return fail("A vswitch name is required.");
    if (new_name(n, name) != 0 || find_nic(n, nic) != 0)
        return 1;
    return vsw_add(n->l, name, nic) != NULL ? save(n) : fail("There are too many vswitches.");
}

static int boot_one(struct net *n, struct vsw *sw)
{
    char why[400];
    if (vsw_boot(n->l, sw, why, sizeof why) != 0) {
        vmp_fail("Vswitch '%s' cannot be booted: %s", sw->name, why);
        return unable();
    }
    sw->halted = false;
    return 0;
}

static int halt_one(struct vsw *sw)
{
    char why[400];
    if (vsw_halt(sw, why, sizeof why) != 0)
        return fail(why);
    sw->halted = true;
    return 0;
}

/* Only ports with a VLAN are carried over. */
static int copy(struct net *n, const char *nic)
{
    const char *name = vmp_value(n->o, 'N');
    if (new_name(n, name) != 0)
        return 1;
    struct vsw *sw = vsw_add(n->l, name, nic);
    if (sw == NULL)
        return fail("There are too many vswitches.");
    memcpy(sw->vlan, n->one->vlan, sizeof sw->vlan);
    return save(n);
}

static int change(struct net *n)
{
    char nic[VSW_NIC_SIZE];
    if (!vmp_has(n->o, 'n'))
        return fail("A network interface (-n) is required.");
    if (find_nic(n, nic) != 0)
        return 1;
    if (vmp_has(n->o, 'N'))
        return copy(n, nic);
    bool up = vsw_is_up(n->one);
    if (up && halt_one(n->one) != 0)
        return 1;
    if (strcmp(nic, VSW_USER) != 0)
        g_ptr_array_set_size(n->one->forwards, 0);
    g_strlcpy(n->one->nic, nic, sizeof n->one->nic);
    int status = up ? boot_one(n, n->one) : 0;
    return save(n) != 0 ? 1 : status;
}

static int delete (struct net *n)
{
    if (n->one->number == 1)
        return fail("Vswitch 'localnet' cannot be removed.");
    if (vsw_is_up(n->one)) {
        vmp_fail("The vswitch is currently active");
        return unable();
    }
    vsw_remove(n->l, n->one);
    return save(n);
}

/* --- boot, halt, restart --- */

static int boot(struct net *n)
{
    int status = 0;
    if (n->one != NULL && vsw_is_up(n->one))
        return fail("The vswitch is already active");
    for (guint i = 0; i < n->l->all->len; i++) {
        struct vsw *sw = n->l->all->pdata[i];
        if ((n->one == NULL || n->one == sw) && !vsw_is_up(sw))
            status |= boot_one(n, sw);
    }
    return save(n) != 0 ? 1 : status;
}

static int halt(struct net *n)
{
    return halt_one(n->one) != 0 ? 1 : save(n);
}

static int restart(struct net *n)
{
    if (halt_one(n->one) != 0)
        return 1;
    int status = boot_one(n, n->one);
    return save(n) != 0 ? 1 : status;
}

/* --- ports and forwards --- */

static int tell(const struct net *n, const char *text)
{
    char why[300];
    if (!vsw_is_up(n->one) || ask_switch(n->one->name, text, stdout, why, sizeof why) == 0)
        return 0;
    vmp_fail("%s", why);
    return unable();
}

/* "portid:1,2:vlanid:100" */
static int set_vlan(struct net *n)
{
    g_auto(GStrv) word = g_strsplit(vmp_value(n->o, 'u'), ":", 5);
    uint64_t port, vlan = 0;
    bool none = g_strv_length(word) == 4 && strcmp(word[3], "none") == 0;
    if (g_strv_length(word) != 4 || strcmp(word[0], "portid") != 0 ||
        strcmp(word[2], "vlanid") != 0 ||
        (!none && text_parse_number(word[3], 0, 4094, &vlan) != 0))
        return fail("Give portid:NUMBER[,NUMBER]...:vlanid:ID with an ID from 0 to 4094 or none.");
    g_auto(GStrv) ports = g_strsplit(word[1], ",", -1);
    for (unsigned i = 0; ports[i] != NULL; i++)
        if (text_parse_number(ports[i], 1, RESOURCE_PORTS, &port) != 0)
            return fail("A port is a number from 1 to 100.");
    for (unsigned i = 0; ports[i] != NULL; i++) {
        text_parse_number(ports[i], 1, RESOURCE_PORTS, &port);
        n->one->vlan[port] = none ? -1 : (int)vlan;
        g_autofree char *text = g_strdup_printf("port %d vlan %s", (int)port, word[3]);
        if (tell(n, text) != 0)
            return 1;
    }
    return ports[0] != NULL ? save(n) : fail("A port is a number from 1 to 100.");
}

static bool same_listener(const char *text, const struct user_forward *f)
{
    struct user_forward other = {0};
    return user_parse_forward(text, &other) == 0 && other.udp == f->udp &&
           memcmp(&other.host, &f->host, sizeof f->host) == 0;
}

static guint find_forward(const struct vsw *sw, const struct user_forward *f)
{
    guint i = 0;
    while (i < sw->forwards->len && !same_listener(sw->forwards->pdata[i], f))
        i++;
    return i;
}

static int add_forward(struct net *n, const char *spec)
{
    struct user_forward f = {0};
    g_autofree char *text = g_strdup_printf("hostfwd add %s", spec);
    if (user_parse_forward(spec, &f) != 0)
        return fail("Give tcp:[ADDRESS]:PORT-[ADDRESS]:PORT or udp:...");
    if (find_forward(n->one, &f) < n->one->forwards->len)
        return fail("The port is forwarded already.");
    if (n->one->forwards->len >= USER_MAX_FORWARDS)
        return fail("A vswitch has at most 64 forwards.");
    if (tell(n, text) != 0)
        return 1;
    g_ptr_array_add(n->one->forwards, g_strdup(spec));
    return save(n);
}

static int remove_forward(struct net *n, const char *spec)
{
    struct user_forward f = {0};
    g_autofree char *text = g_strdup_printf("hostfwd remove %s", spec);
    if (user_parse_forward(spec, &f) != 0 && user_parse_listener(spec, &f) != 0)
        return fail("Give -tcp:[ADDRESS]:PORT or -udp:[ADDRESS]:PORT.");
    guint at = find_forward(n->one, &f);
    if (at == n->one->forwards->len)
        return fail("There is no such forward.");
    char *dash = strchr(text, '-');
    if (dash != NULL)
        *dash = '\0';
    if (tell(n, text) != 0)
        return 1;
    g_ptr_array_remove_index(n->one->forwards, at);
    return save(n);
}

static int forward(struct net *n)
{
    const char *spec = vmp_value(n->o, FORWARD);
    if (strcmp(n->one->nic, VSW_USER) != 0)
        return fail("The vswitch is not on a user network (-n user).");
    if (spec[0] == '-')
        return remove_forward(n, spec + 1);
    if (strcmp(spec, "list") != 0)
        return add_forward(n, spec);
    for (guint i = 0; i < n->one->forwards->len; i++)
        puts(n->one->forwards->pdata[i]);
    return 0;
}

/* --- the command line --- */

enum { NEEDS_ONE = 1, ASKS = 2 };

static const struct action {
    int letter;
    int (*run)(struct net *n);
    int how;
    const char *question;
} actions[] = {
    {'c', create, 0, NULL},
    {'C', change, NEEDS_ONE, NULL},
    {'d', delete, NEEDS_ONE | ASKS, "Remove"},
    {'b', boot, 0, NULL},
    {'h', halt, ASKS, "Halt"},
    {'r', restart, ASKS, "Reboot"},
    {'u', set_vlan, NEEDS_ONE, NULL},
    {FORWARD, forward, NEEDS_ONE, NULL},
};

static const struct action *find_action(const struct vmp_options *o)
{
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
        if (vmp_has(o, actions[i].letter))
            return &actions[i];
    return NULL;
}

/* On the switch of that name, or as -S and -s say. */
static int act(const struct vmp_options *o, const struct action *a, const char *name)
{
    struct net n = {0};
    int status = open_net(&n, o, true);
    if (status == 0 && name != NULL) {
        n.one = vsw_find(n.l, name, 0);
        status = n.one != NULL ? 0 : fail("The vswitch is gone.");
    } else if (status == 0 && selected(o) && a->letter != 'c') {
        status = select_one(&n);
    }
    if (status == 0)
        status = a->run(&n);
    close_net(&n);
    return status;
}

/* Deleting one that is up is refused before there is a question. */
static int look(const struct vmp_options *o, const struct action *a, GPtrArray *names)
{
    struct net n = {0};
    int status = open_net(&n, o, false);
    if (status == 0 && selected(o))
        status = select_one(&n);
    for (guint i = 0; status == 0 && i < n.l->all->len; i++) {
        const struct vsw *sw = n.l->all->pdata[i];
        if (n.one == sw || (n.one == NULL && vsw_is_up(sw)))
            g_ptr_array_add(names, g_strdup(sw->name));
    }
    if (status == 0 && a->letter == 'd' && vsw_is_up(n.one)) {
        vmp_fail("The vswitch is currently active");
        status = unable();
    }
    close_net(&n);
    return status;
}

/* Nobody waits for the state while somebody thinks about an answer. */
static int ask_and_act(const struct vmp_options *o, const struct action *a)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    int status = look(o, a, names);
    for (guint i = 0; status == 0 && i < names->len; i++)
        if (vmp_confirm_kind(o, a->question, "vswitch", names->pdata[i]))
            status = act(o, a, names->pdata[i]);
    g_ptr_array_free(names, TRUE);
    return status;
}

static int list(const struct vmp_options *o)
{
    struct net n = {0};
    int status = open_net(&n, o, false);
    if (status == 0 && selected(o))
        status = select_one(&n);
    if (status == 0)
        status = show(&n);
    close_net(&n);
    if (fflush(stdout) != 0)
        status = vmp_fail("The output cannot be written.");
    return status;
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    const struct action *a = find_action(o);
    struct state *s = vmp_open(o, false, argc, argv); /* rights, and the log */
    if (s == NULL)
        return 1;
    state_close(s);
    if (vmp_has(o, 'n') && !vmp_has(o, 'c') && !vmp_has(o, 'C'))
        return fail("Option '-n' needs '-c' or '-C'.");
    if (vmp_has(o, 'N') && !vmp_has(o, 'C'))
        return fail("Option '-N' needs '-C'.");
    if (a == NULL)
        return list(o);
    if ((a->how & NEEDS_ONE) != 0 && !selected(o))
        return fail("A vswitch name or number is required.");
    return (a->how & ASKS) != 0 ? ask_and_act(o, a) : act(o, a, NULL);
}

int vmp_net(int argc, char **argv)
{
    static char letter[] = {'-', FORWARD, '\0'};
    struct vmp_options o;
    if (vmp_help(argc, argv, help))
        return 0;
    g_autofree char **short_form = g_new0(char *, (size_t)argc + 1);
    for (int i = 0; i < argc; i++)
        short_form[i] = strcmp(argv[i], "--hostfwd") == 0 ? letter : argv[i];
    int status = vmp_parse(&o, argc, short_form, ":cCdbhrvVMXFQS:s:n:N:u:p:\001:", "",
                           "cCdbhrup\001 cCdbhruVMX Ss VMX pV");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
