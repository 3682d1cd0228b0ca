/* Virtual switches as hpvmnet keeps them: names, numbers, host interfaces, VLANs of ports,
 * forwards; and as they are now, with the guests on them.
 *
 * The truth about what is configured is the file common/vswitches of the state; localnet is there
 * without being written. Whether a switch is up says its process, hpvmnetd.
 */
#ifndef KITTSON_VMP_VSW_H
#define KITTSON_VMP_VSW_H

#include "state.h"

#define VSW_NIC_SIZE    16 /* an interface's name with its NUL */
#define VSW_UPLINK_SIZE (VSW_NIC_SIZE + 4)
#define VSW_USER        "user" /* in place of an interface: the user network */
#define VSW_NUMBERS     99999
#define VSW_MAX         1000 /* switches */

struct vsw {
    char name[RESOURCE_SWITCH_MAX + 1];
    uint64_t number;
    char nic[VSW_NIC_SIZE];       /* "": guests of this host only */
    bool halted;                  /* not to be booted for a guest that needs it */
    int vlan[RESOURCE_PORTS + 1]; /* by port number; -1: none */
    GPtrArray *forwards;          /* of the user network: strings as in net/user_options.h */
};

struct vsw_list {
    GPtrArray *all; /* struct vsw, localnet first, then as they were made */
    uint64_t next;  /* number */
};

/* The list of the state; NULL with a sentence in why when its file is damaged. */
struct vsw_list *vsw_load(struct state *s, char *why, size_t size);
int vsw_save(struct state *s, const struct vsw_list *l); /* 0 or -errno */
void vsw_list_free(struct vsw_list *l);
struct vsw_list *vsw_parse(const char *text, char *why, size_t size);
GString *vsw_write(const struct vsw_list *l);

/* By name or, with NULL, by number. NULL: none. */
struct vsw *vsw_find(const struct vsw_list *l, const char *name, uint64_t number);
/* With the next number; halted. NULL: there is no number left. */
struct vsw *vsw_add(struct vsw_list *l, const char *name, const char *nic);
void vsw_remove(struct vsw_list *l, struct vsw *sw);

/* --- as they are now: vsw_view.c --- */

struct vsw_use { /* one adapter of a guest */
    const char *guest;
    bool running;
    uint8_t mac[6];
    unsigned port;
};

struct vsw_port {
    const char *state; /* Active Down Reserved Available; NULL: nothing to list */
    int vlan;
    unsigned reserved;
    char active[GUEST_NAME_MAX + 1];
};

struct vsw_counters {
    uint64_t in, out_stream, out_guest, dropped, broadcasts;
    uint64_t cycles_in, cycles_stream, cycles_guest, cycles_switch; /* of the host, per packet */
};

struct vsw_view {
    const struct vsw *sw;
    bool up;
    uint64_t pid;
    char mac[20], ip[16]; /* of the host's interface */
    GArray *uses;         /* struct vsw_use */
    struct vsw_port port[RESOURCE_PORTS + 1];
    struct vsw_counters counters;
};

/* Asks the switch's process, unless it is not up. The entries of s must outlive the view. */
struct vsw_view *vsw_view_new(const struct vsw *sw, struct state *s);
void vsw_view_free(struct vsw_view *v);

/* The listings; none asks anybody: vsw_show.c. */
void vsw_show_header(FILE *out);
void vsw_show_row(FILE *out, const struct vsw_view *v);
void vsw_show_ports(FILE *out, const struct vsw_view *v);
/* port 0: all. false: it has nothing to list. */
bool vsw_show_port(FILE *out, const struct vsw_view *v, unsigned port);
void vsw_show_verbose(FILE *out, const struct vsw_view *v, bool counters);
void vsw_show_machine(FILE *out, const struct vsw_view *v, bool ports);
void vsw_show_xml(FILE *out, const struct vsw_view *v, bool ports);

/* --- their processes: vsw_run.c --- */

bool vsw_is_up(const struct vsw *sw);
/* Starts its process, connects it with the host's interface. 0, or a negative errno with one
 * sentence in why. Other switches of l that are up must not have its interface. */
int vsw_boot(const struct vsw_list *l, const struct vsw *sw, char *why, size_t size);
int vsw_halt(const struct vsw *sw, char *why, size_t size); /* 0 too when it is not up */
/* Boots what a guest needs and nobody has halted; each failure is a sentence on out. */
void vsw_wake(struct state *s, const struct guest *g, FILE *out);
/* All of them, for the start and stop of the whole product. */
unsigned vsw_wake_all(struct state *s, FILE *out); /* how many failed */
void vsw_halt_all(struct state *s, FILE *out);

/* --- interfaces of the host: vsw_nic.c --- */

/* By name or number, to its name. 0, or -EINVAL with one sentence: not there, no LAN, a VLAN. */
int vsw_nic_find(const char *text, char name[VSW_NIC_SIZE], char *why, size_t size);
/* Addresses for listings, "" when there is none. */
void vsw_nic_addresses(const char *nic, char mac[20], char ip[16]);
/* The uplink that connects a switch with nic, in hpvmnetd's words: the TAP interface that nic is,
 * one that is to be made and put into the bridge given (else ""), or nic beside the host. 0, or a
 * negative errno with one sentence. */
int vsw_nic_plan(const char *nic, const char *name, char uplink[VSW_UPLINK_SIZE],
                 char bridge[VSW_NIC_SIZE], char *why, size_t size);
int vsw_nic_join(const char *tap, const char *bridge, char *why, size_t size);

#endif
