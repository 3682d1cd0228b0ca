/* The processes of virtual switches: started, ended, asked. See vsw.h. */
#define _GNU_SOURCE
#include "vsw.h"

#include "switch_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_TRIES 500 /* of 20 ms, until a switch that ends has ended */

static int request(const struct vsw *sw, const char *text, char *why, size_t size)
{
    size_t length = 0;
    char *raw = NULL;
    FILE *out = open_memstream(&raw, &length);
    if (out == NULL)
        return -errno;
    int err = ask_switch(sw->name, text, out, why, size);
    fclose(out);
    free(raw);
    return err;
}

bool vsw_is_up(const struct vsw *sw)
{
    char why[200];
    return request(sw, "status", why, sizeof why) == 0;
}

/* --- boot --- */

/* The program is beside ours. */
static char *program_path(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = g_path_get_dirname(self != NULL ? self : "");
    return g_build_filename(directory, "hpvmnetd", NULL);
}

static GPtrArray *arguments(const struct vsw *sw, const char *kind)
{
    GPtrArray *a = g_ptr_array_new_with_free_func(g_free);
    GString *uplink = g_string_new(kind);
    for (guint i = 0; i < sw->forwards->len; i++)
        g_string_append_printf(uplink, ",hostfwd=%s", (const char *)sw->forwards->pdata[i]);
    g_ptr_array_add(a, g_strdup("hpvmnetd"));
    g_ptr_array_add(a, g_strdup("--daemon"));
    g_ptr_array_add(a, g_strdup("--name"));
    g_ptr_array_add(a, g_strdup(sw->name));
    g_ptr_array_add(a, g_strdup("--uplink"));
    g_ptr_array_add(a, g_string_free(uplink, FALSE));
    for (int n = 1; n <= RESOURCE_PORTS; n++) {
        if (sw->vlan[n] < 0)
            continue;
        g_ptr_array_add(a, g_strdup("--port"));
        g_ptr_array_add(a, g_strdup_printf("%d,vlan=%d", n, sw->vlan[n]));
    }
    g_ptr_array_add(a, NULL);
    return a;
}

/* The last line of what it said, without the program's name. */
static void read_reason(int fd, char *why, size_t size)
{
    char text[2048];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    g_strchomp(text);
    const char *last = strrchr(text, '\n');
    last = last != NULL ? last + 1 : text;
    snprintf(why, size, "%s", last[0] != '\0' ? last : "hpvmnetd cannot be started.");
}

/* Its messages go to a file in memory: a pipe would stay open as long as the switch works. */
static int launch(const struct vsw *sw, const char *uplink, char *why, size_t size)
{
    g_autofree char *path = program_path();
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = 0, messages = memfd_create("hpvmnetd", MFD_CLOEXEC);
    if (messages < 0) {
        snprintf(why, size, "%s.", strerror(errno));
        return -errno;
    }
    GPtrArray *a = arguments(sw, uplink);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
    int err = -posix_spawn(&pid, path, &actions, NULL, (char **)a->pdata, environ);
    posix_spawn_file_actions_destroy(&actions);
    g_ptr_array_free(a, TRUE);
    while (err == 0 && waitpid(pid, &status, 0) < 0)
        err = errno == EINTR ? 0 : -errno;
    if (err != 0) {
        snprintf(why, size, "%s: %s.", path, strerror(-err));
    } else if (status != 0) {
        read_reason(messages, why, size);
        err = -ECHILD;
    }
    close(messages);
    return err;
}

static const struct vsw *rival(const struct vsw_list *l, const struct vsw *sw)
{
    for (guint i = 0; i < l->all->len; i++) {
        const struct vsw *other = l->all->pdata[i];
        if (other != sw && strcmp(other->nic, sw->nic) == 0 && vsw_is_up(other))
            return other;
    }
    return NULL;
}

static int boot_on_host(const struct vsw_list *l, const struct vsw *sw, char *why, size_t size)
{
    char uplink[VSW_UPLINK_SIZE], bridge[VSW_NIC_SIZE], ignored[200];
    const struct vsw *other = rival(l, sw);
    if (other != NULL) {
        snprintf(why, size, "Network interface '%s' is used by vswitch '%s'.", sw->nic,
                 other->name);
        return -EBUSY;
    }
    int err = vsw_nic_plan(sw->nic, sw->name, uplink, bridge, why, size);
    if (err == 0)
        err = launch(sw, uplink, why, size);
    if (err != 0 || bridge[0] == '\0')
        return err;
    err = vsw_nic_join(uplink + strlen("tap:"), bridge, why, size);
    if (err != 0)
        vsw_halt(sw, ignored, sizeof ignored);
    return err;
}

int vsw_boot(const struct vsw_list *l, const struct vsw *sw, char *why, size_t size)
{
    if (sw->nic[0] != '\0' && strcmp(sw->nic, VSW_USER) != 0)
        return boot_on_host(l, sw, why, size);
    return launch(sw, sw->nic[0] != '\0' ? "user" : "none", why, size);
}

/* --- halt --- */

int vsw_halt(const struct vsw *sw, char *why, size_t size)
{
    int err = request(sw, "shutdown", why, size);
    if (err == -ENOENT || err == -ECONNREFUSED)
        return 0;
    for (unsigned i = 0; err == 0 && vsw_is_up(sw); i++) {
        if (i == END_TRIES) {
            snprintf(why, size, "The process of vswitch '%s' does not end.", sw->name);
            err = -ETIMEDOUT;
        }
        poll(NULL, 0, 20);
    }
    return err;
}

/* --- for other commands --- */

static void report(FILE *out, const struct vsw *sw, const char *why)
{
    fprintf(out, "hpvmnet: Vswitch '%s' cannot be booted: %s\n", sw->name, why);
}

void vsw_wake(struct state *s, const struct guest *g, FILE *out)
{
    char why[400];
    struct vsw_list *l = vsw_load(s, why, sizeof why);
    for (guint i = 0; l != NULL && i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        const struct vsw *sw = r->network ? vsw_find(l, r->device, 0) : NULL;
        if (sw != NULL && !sw->halted && !vsw_is_up(sw) && vsw_boot(l, sw, why, sizeof why) != 0)
            report(out, sw, why);
    }
    vsw_list_free(l);
}

unsigned vsw_wake_all(struct state *s, FILE *out)
{
    char why[400] = "";
    unsigned failed = 0;
    struct vsw_list *l = vsw_load(s, why, sizeof why);
    if (l == NULL) {
        fprintf(out, "hpvmnet: %s\n", why);
        return 1;
    }
    for (guint i = 0; i < l->all->len; i++) {
        struct vsw *sw = l->all->pdata[i];
        bool up = vsw_is_up(sw) || vsw_boot(l, sw, why, sizeof why) == 0;
        if (!up)
            report(out, sw, why);
        failed += !up;
        sw->halted = sw->halted && !up;
    }
    vsw_save(s, l);
    vsw_list_free(l);
    return failed;
}

void vsw_halt_all(struct state *s, FILE *out)
{
    char why[400];
    struct vsw_list *l = vsw_load(s, why, sizeof why);
    for (guint i = 0; l != NULL && i < l->all->len; i++)
        if (vsw_halt(l->all->pdata[i], why, sizeof why) != 0)
            fprintf(out, "hpvmnet: %s\n", why);
    vsw_list_free(l);
}
