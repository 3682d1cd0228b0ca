/* Building a machine: RAM, firmware, processors, board; and starting it over after a reset. */
#define _GNU_SOURCE /* memfd_create */
#include "machine_impl.h"
#include "machine_events.h"
#include "gdb_server.h"
#include "itrace.h"
#include "log.h"
#include "monitor.h"
#include "pause.h"
#include "snapshot.h"
#include "vcpus.h"
#include "symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

uint64_t machine_host_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

uint64_t machine_ticks_to_ns(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * 1000000000ull / HPVM_ITC_HZ);
}

uint64_t machine_ns_to_ticks(uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * HPVM_ITC_HZ / 1000000000ull);
}

uint64_t machine_now_ns(void *machine)
{
    const struct machine *m = machine;
    uint64_t ticks = m->ticks;
    if (!m->config.deterministic)
        return m->paused ? m->paused_ns : machine_host_ns() - m->start_ns;
    if (m->current != NULL)
        ticks += cpu_icount(m->current) - m->turn_icount + m->turn_waited;
    return machine_ticks_to_ns(ticks);
}

/* Both callbacks run inside a processor's turn, which then ends. */
static void request(struct machine *m, enum machine_request r)
{
    m->request = r;
    if (m->vcpus != NULL)
        vcpus_end(m->vcpus);
    else if (m->current != NULL)
        m->current->stop = true;
}

void machine_power_off(void *machine)
{
    request(machine, REQUEST_POWER_OFF);
}

void machine_reset(void *machine)
{
    request(machine, REQUEST_RESET);
}

/* --- hooks of the processors --- */

static void on_firmware(void *opaque, struct cpu *c, uint64_t imm)
{
    struct machine *m = opaque;
    vcpus_lock(m->vcpus);
    firmware_call(m->firmware, c, imm);
    vcpus_unlock(m->vcpus);
}

static void on_init(void *opaque, struct cpu *c)
{
    struct machine *m = opaque;
    vcpus_lock(m->vcpus);
    firmware_init(m->firmware, c);
    vcpus_unlock(m->vcpus);
}

static void on_purge(void *opaque, struct cpu *from, uint64_t va, unsigned ps, uint32_t rid)
{
    struct machine *m = opaque;
    if (m->vcpus != NULL) {
        vcpus_purge(m->vcpus, from, va, ps, rid);
        return;
    }
    for (unsigned i = 0; i < m->config.cpus; i++)
        if (m->cpu[i] != from)
            cpu_remote_purge(m->cpu[i], va, ps, rid);
}

static void on_code_page(void *opaque, uint64_t page)
{
    struct machine *m = opaque;
    if (m->vcpus != NULL) {
        vcpus_code_page(m->vcpus, page);
        return;
    }
    for (unsigned i = 0; i < m->config.cpus; i++)
        cpu_watch_page(m->cpu[i], page);
}

static void on_code_changed(void *opaque, uint64_t page)
{
    struct machine *m = opaque;
    if (m->vcpus != NULL) {
        vcpus_code_changed(m->vcpus, page);
        return;
    }
    for (unsigned i = 0; i < m->config.cpus; i++)
        if (m->cpu[i] != NULL)
            cpu_code_changed(m->cpu[i], page);
}

static void on_kicked(void *opaque, struct cpu *c)
{
    struct machine *m = opaque;
    vcpus_kicked(m->vcpus, c);
}

static void on_progress(void *opaque, enum firmware_event event, const char *text)
{
    const struct machine_watch *w = &((struct machine *)opaque)->config.watch;
    if (w->progress != NULL)
        w->progress(w->opaque, event, text);
}

/* --- parts --- */

static int add_ram(struct machine *m, char *why, size_t size)
{
    struct efi_range ranges[EFI_MAX_RAM_RANGES];
    unsigned n = efi_ram_ranges(m->config.memory, ranges);
    for (unsigned i = 0; i < n; i++) {
        int err = mem_add_ram(m->mem, ranges[i].start, ranges[i].size);
        if (err != 0) {
            snprintf(why, size, "-m %lluM: the host has not that much memory (%s)",
                     (unsigned long long)(m->config.memory >> 20), strerror(-err));
            return err;
        }
    }
    return 0;
}

/* All or nothing: the rest of a machine that is paged in part waits for the host as well. */
static void lock_ram(struct machine *m)
{
    uint64_t start, size;
    void *host;
    int err = 0;
    for (unsigned n = 0; err == 0 && machine_ram(m, n, &start, &size, &host); n++)
        err = mlock(host, size) == 0 ? 0 : errno;
    m->ram_locked = err == 0;
    if (m->ram_locked)
        return;
    if (log_once("lock memory", 0))
        log_warn("the guest's memory is not locked: %s (limit of locked memory, RLIMIT_MEMLOCK)",
                 strerror(err));
    for (unsigned n = 0; machine_ram(m, n, &start, &size, &host); n++)
        munlock(host, size);
}

static int add_cpus(struct machine *m)
{
    struct cpu_hooks hooks = {.opaque = m,
                              .firmware = on_firmware,
                              .init = on_init,
                              .now_ns = machine_now_ns,
                              .code_page = on_code_page,
                              .kicked = on_kicked,
                              .ptc_global = on_purge};
    for (unsigned i = 0; i < m->config.cpus; i++) {
        m->cpu[i] = cpu_new(i, m->config.model, m->mem);
        if (m->cpu[i] == NULL)
            return -ENOMEM;
        cpu_set_hooks(m->cpu[i], &hooks);
        m->cpu[i]->deterministic = m->config.deterministic;
        m->cpu[i]->itc_hz = HPVM_ITC_HZ;
        if (m->config.jit && !cpu_enable_jit(m->cpu[i]))
            log_warn("the host refuses executable memory: running without the translator");
        if (m->config.jit_perf_map && cpu_jit_perf_map(m->cpu[i]) != 0)
            log_warn("--perf-map: no file in /tmp can be written");
        if (m->config.jit_dump && cpu_jit_dump(m->cpu[i], m->config.jit_dump_at) != 0)
            return -ENOMEM;
        if (m->config.lockstep && (!m->cpu[i]->jit || !cpu_enable_lockstep(m->cpu[i])))
            return -ENOMEM;
    }
    mem_set_code_hook(m->mem, on_code_changed, m);
    return 0;
}

/* The clock on the wall of a deterministic machine: starts at the same moment every time. */
static uint64_t fixed_wall_ns(void *opaque)
{
    static const uint64_t start = 1577836800ull * 1000000000ull; /* 1 January 2020 */
    return start + machine_now_ns(opaque);
}

/* Only once everything else is there: a refusal is one sentence. A direct start has no use for boot
 * options, so the line is for those who ask for messages then. */
static void say_volatile(const struct machine *m)
{
    static const char line[] = "EFI variables live in memory only: --nvram FILE would keep them";
    if (m->config.nvram != NULL)
        return;
    if (m->config.kernel == NULL && m->config.image == NULL)
        log_warn("%s", line);
    else
        log_info("%s", line);
}

static int add_firmware(struct machine *m, char *why, size_t size)
{
    int err = 0;
    struct firmware_config config = {.cpus = m->config.cpus,
                                     .model = m->config.model,
                                     .memory = m->config.memory,
                                     .itc_hz = HPVM_ITC_HZ,
                                     .bus_hz = HPVM_BASE_HZ,
                                     .serial = m->config.serial,
                                     .opaque = m,
                                     .wall_ns = m->config.deterministic ? fixed_wall_ns : NULL,
                                     .power_off = machine_power_off,
                                     .reset = machine_reset,
                                     .pci_read = board_pci_read,
                                     .pci_write = board_pci_write,
                                     .progress = on_progress};
    memcpy(config.uuid, m->config.uuid, sizeof config.uuid);
    m->firmware = firmware_new(m->mem, &config, &err);
    if (m->firmware == NULL) {
        snprintf(why, size, "the firmware cannot be set up: %s", strerror(-err));
        return err;
    }
    if (m->config.nvram != NULL)
        err = firmware_use_nvram(m->firmware, m->config.nvram, why, size);
    return err;
}

/* The firmware loads kernels by name; an embedded one gets a name through a memory file. */
static int boot(struct machine *m, char *why, size_t size)
{
    const struct machine_config *c = &m->config;
    const char *kernel = c->kernel;
    char name[32];
    int fd = -1, err;
    if (kernel == NULL) {
        fd = memfd_create("demo guest", MFD_CLOEXEC);
        if (fd < 0 || write(fd, c->image, c->image_size) != (ssize_t)c->image_size) {
            snprintf(why, size, "the demo guest cannot be unpacked: %s", strerror(errno));
            err = -errno;
            goto out;
        }
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        kernel = name;
    }
    err = firmware_boot_linux(m->firmware, m->cpu[0], kernel, c->initrd, c->append, why, size);
out:
    if (fd >= 0)
        close(fd);
    return err;
}

/* From power-on or reset to the kernel's first instruction. */
int machine_start(struct machine *m, char *why, size_t size)
{
    for (unsigned i = 0; i < m->config.cpus; i++) {
        cpu_reset(m->cpu[i]);
        m->cpu[i]->stop = false;
        firmware_attach_cpu(m->firmware, m->cpu[i]);
    }
    m->cpu[0]->running = true;
    if (m->config.kernel != NULL || m->config.image != NULL)
        return boot(m, why, size);
    machine_give_drives(m);
    firmware_power_on(m->firmware, m->cpu[0]);
    return 0;
}

int machine_restart(struct machine *m, char *why, size_t size)
{
    for (unsigned i = 0; i < m->config.cpus; i++)
        m->icount_before += cpu_icount(m->cpu[i]);
    m->resets++;
    m->request = REQUEST_NONE;
    board_reset(m->board);
    int err = firmware_reset(m->firmware);
    if (err != 0) {
        snprintf(why, size, "the firmware cannot be set up again: %s", strerror(-err));
        return err;
    }
    return machine_start(m, why, size);
}

static int begin_trace(struct machine *m, char *why, size_t size)
{
    int err = itrace_open(m->config.itrace, &m->itrace, why, size);
    for (unsigned i = 0; err == 0 && i < m->config.cpus; i++)
        cpu_set_tracer(m->cpu[i], itrace_tracer(m->itrace));
    return err;
}

static int build(struct machine *m, char *why, size_t size)
{
    m->mem = mem_new();
    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->mem == NULL || m->wake_fd < 0)
        return -ENOMEM;
    int err = add_ram(m, why, size);
    if (err == 0 && m->config.tape != NULL)
        err = mem_track_writes(m->mem);
    if (err == 0 && m->config.lock_memory)
        lock_ram(m);
    if (err == 0)
        err = add_firmware(m, why, size);
    if (err == 0)
        err = add_cpus(m);
    if (err == 0)
        err = board_new(m, why, size);
    if (err == 0)
        err = machine_start(m, why, size); /* before the console: bad files leave it alone */
    if (err == 0)
        err = board_open_console(m->board, why, size);
    if (err == 0 && m->config.restore != NULL)
        err = snapshot_load(m, m->config.restore, m->config.restore_progress, why, size);
    if (err == 0 && m->config.cpus > 1 && !m->config.deterministic && !m->config.lockstep &&
        (err = vcpus_new(m)) != 0)
        snprintf(why, size, "the host gives no threads for the processors: %s", strerror(-err));
    if (err == 0 && m->config.monitor != NULL)
        err = monitor_open(m, m->config.monitor, &m->monitor, why, size);
    if (err == 0 && m->config.gdb != NULL)
        err = gdb_server_open(m, m->config.gdb, &m->gdb, why, size);
    if (err == 0 && m->config.itrace != NULL)
        err = begin_trace(m, why, size);
    if (err == 0 && m->config.wait)
        machine_pause(m);
    if (err == 0)
        say_volatile(m);
    return err;
}

int machine_new(const struct machine_config *config, struct machine **out, char *why, size_t size)
{
    struct machine *m = calloc(1, sizeof *m);
    why[0] = '\0';
    if (m == NULL)
        return -ENOMEM;
    m->config = *config;
    if (config->drive_count > MACHINE_MAX_DRIVES) {
        free(m);
        return -EINVAL;
    }
    if (config->drive_count > 0)
        memcpy(m->drive_list, config->drives, config->drive_count * sizeof m->drive_list[0]);
    m->config.drives = m->drive_list;
    m->wake_fd = -1;
    m->start_ns = machine_host_ns();
    int err = build(m, why, size);
    if (err != 0) {
        machine_free(m);
        return err;
    }
    *out = m;
    return 0;
}

void machine_free(struct machine *m)
{
    if (m == NULL)
        return;
    vcpus_free(m->vcpus);
    firmware_free(m->firmware); /* first: its file systems are on the board's drives */
    line_server_close(m->monitor);
    gdb_server_close(m->gdb);
    symbols_free(m->symbols);
    board_free(m->board);
    for (unsigned i = 0; i < m->config.cpus; i++)
        cpu_free(m->cpu[i]);
    for (unsigned i = 0; i < MACHINE_MAX_DRIVES; i++)
        free(m->drive_path[i]);
    itrace_close(m->itrace);
    mem_free(m->mem);
    if (m->wake_fd >= 0)
        close(m->wake_fd);
    free(m);
}

int machine_save(struct machine *m, const char *path, bool last, char *why, size_t size)
{
    return snapshot_save(m, path, last, why, size);
}

int machine_find_drive(const struct machine *m, unsigned bus, unsigned slot, unsigned target)
{
    for (unsigned i = 0; i < m->config.drive_count; i++) {
        const struct machine_drive *d = &m->drive_list[i];
        if (storage_target(board_storage(m->board), i) != NULL && d->bus == bus &&
            d->slot == slot && d->target == target)
            return (int)i;
    }
    return -1;
}

/* A number no drive has (any more). */
static unsigned free_drive(struct machine *m)
{
    unsigned n = 0;
    while (n < m->config.drive_count && storage_target(board_storage(m->board), n) != NULL)
        n++;
    return n;
}

int machine_attach(struct machine *m, const struct machine_drive *d, char *why, size_t size)
{
    unsigned n = free_drive(m), before = m->config.drive_count;
    char *path = d->path != NULL ? strdup(d->path) : NULL;
    if (n == MACHINE_MAX_DRIVES || (d->path != NULL && path == NULL)) {
        free(path);
        snprintf(why, size, "there is no room for another drive");
        return -ENOSPC;
    }
    free(m->drive_path[n]);
    m->drive_path[n] = path;
    m->drive_list[n] = *d;
    m->drive_list[n].path = path;
    m->config.drive_count = n < before ? before : n + 1;
    int err = storage_attach(board_storage(m->board), n, why, size);
    if (err != 0)
        m->config.drive_count = before;
    machine_give_drives(m);
    return err;
}

int machine_detach(struct machine *m, unsigned drive, char *why, size_t size)
{
    int err = storage_detach(board_storage(m->board), drive, why, size);
    machine_give_drives(m);
    return err;
}

int machine_replace(struct machine *m, unsigned drive, const struct machine_drive *d, char *why,
                    size_t size)
{
    int err = storage_replace(board_storage(m->board), drive, d, why, size);
    machine_give_drives(m);
    return err;
}

int machine_eject(struct machine *m, unsigned drive, bool force, char *why, size_t size)
{
    return storage_eject(board_storage(m->board), drive, force, why, size);
}

int machine_insert(struct machine *m, unsigned drive, const char *name, char *why, size_t size)
{
    return storage_insert(board_storage(m->board), drive, name, why, size);
}

/* Only wakes the loop if it sleeps; a full counter means that it is awake. */
void machine_wake(struct machine *m)
{
    uint64_t one = 1;
    if (write(m->wake_fd, &one, sizeof one) < 0)
        return;
}

void machine_quit(struct machine *m, int signal)
{
    m->signal = signal;
    machine_wake(m);
}

void machine_power_button(struct machine *m)
{
    board_power_button(m->board);
    machine_events_tell(m, "powerdown");
}

void machine_press_reset(struct machine *m)
{
    machine_reset(m);
}

void machine_press_init(struct machine *m)
{
    for (unsigned i = 0; i < m->config.cpus; i++)
        cpu_post_init(m->cpu[i]);
}

void machine_entry(const struct machine *m, uint64_t *ip, uint64_t *gp)
{
    *ip = m->cpu[0]->ip;
    *gp = cpu_gr(m->cpu[0], 1);
}

struct machine_cpu_figures machine_cpu_figures(const struct machine *m, unsigned n)
{
    struct machine_cpu_figures f = {.run_ns = m->run_ns[n], .slots = cpu_icount(m->cpu[n])};
    uint64_t now = machine_now_ns((void *)m);
    if (m->answer[n].since_ns != 0 && now > m->answer[n].since_ns)
        f.unanswered_ns = now - m->answer[n].since_ns;
    return f;
}

void machine_print_state(const struct machine *m, FILE *out)
{
    for (unsigned i = 0; i < m->config.cpus; i++)
        cpu_print_state(m->cpu[i], out);
}

bool machine_ram(struct machine *m, unsigned n, uint64_t *start, uint64_t *size, void **host)
{
    struct efi_range ranges[EFI_MAX_RAM_RANGES];
    if (n >= efi_ram_ranges(m->config.memory, ranges))
        return false;
    *start = ranges[n].start;
    *size = ranges[n].size;
    *host = mem_ram(m->mem, *start, 1);
    return true;
}

bool machine_ram_locked(const struct machine *m)
{
    return m->ram_locked;
}
