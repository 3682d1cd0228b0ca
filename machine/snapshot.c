/* See snapshot.h. */
#include "snapshot.h"

#include <errno.h>
#include <string.h>
#include "archive.h"
#include "graphics.h"
#include "usb_input.h"
#include "machine_impl.h"
#include "sections.h"

#define FORMAT      1
#define RAM_PAGES   256 /* in a section */
#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define SECTION_RAM "ram"
#define SECTION_END "complete"

static const struct section_kind kind = {"KITSNAP\n", FORMAT, "snapshot"};

/* --- the machine itself --- */

#define M(member) ARCHIVE_FIELD(struct machine, member)

static const struct archive_field machine_fields[] = {
    M(ticks), M(ahead), M(rounds), M(idle_ns), M(resets), M(icount_before), M(round_at),
};

/* A number of the configuration, which must be what it was. */
static void same(struct archive *a, uint64_t value, const char *what)
{
    uint64_t then = value;

    archive_bytes(a, &then, sizeof(then));
    archive_check(a, then == value, what);
}

static void same_drives(struct machine *m, struct archive *a)
{
    static const char other[] = "the machine had other drives (--disk, --cdrom)";

    same(a, m->config.drive_count, other);
    for (unsigned i = 0; i < m->config.drive_count && a->wrong == NULL; i++) {
        const struct machine_drive *d = &m->config.drives[i];

        same(a, d->dvd, other);
        same(a, (uint64_t)d->bus << 16 | d->slot << 8 | d->target, other);
    }
}

static void same_nics(struct machine *m, struct archive *a)
{
    static const char other[] = "the machine had other network adapters (--net)";

    same(a, m->config.nic_count, other);
    for (unsigned i = 0; i < m->config.nic_count && a->wrong == NULL; i++)
        same(a, (uint64_t)m->config.nics[i].bus << 8 | m->config.nics[i].slot, other);
}

/* Machine time goes on where it was. */
static void machine_part(struct machine *m, unsigned n, struct archive *a)
{
    uint64_t now = machine_now_ns(m);

    (void)n;
    same(a, m->config.memory, "the machine had another size of memory (-m)");
    same(a, m->config.cpus, "the machine had another number of processors (-c)");
    same(a, m->config.model, "the machine had other processors (--cpu-model)");
    same(a, m->config.deterministic, "the time of the machine was another one (--deterministic)");
    same_drives(m, a);
    same_nics(m, a);
    archive_fields(a, m, machine_fields, COUNT(machine_fields));
    archive_bytes(a, &now, sizeof(now));
    if (a->loading)
        m->start_ns = machine_host_ns() - now;
}

static void cpu_part(struct machine *m, unsigned n, struct archive *a)
{
    cpu_state(m->cpu[n], a);
}

static unsigned cpu_parts(const struct machine *m)
{
    return m->config.cpus;
}

static void board_state(struct machine *m, unsigned n, struct archive *a)
{
    board_parts[n].state(m->board, a);
}

static void storage_part(struct machine *m, unsigned n, struct archive *a)
{
    (void)n;
    storage_state(board_storage(m->board), a);
}

static void network_part(struct machine *m, unsigned n, struct archive *a)
{
    (void)n;
    network_state(board_network(m->board), a);
}

static void graphics_part(struct machine *m, unsigned n, struct archive *a)
{
    (void)n;
    graphics_state(board_graphics(m->board), a);
}

static void input_part(struct machine *m, unsigned n, struct archive *a)
{
    (void)n;
    usb_input_state(board_usb_input(m->board), a);
}

static unsigned displays(const struct machine *m)
{
    return m->config.display != NULL;
}

static void firmware_part(struct machine *m, unsigned n, struct archive *a)
{
    (void)n;
    firmware_state(m->firmware, a);
}

static unsigned one(const struct machine *m)
{
    (void)m;
    return 1;
}

/* In the file's order. A layout that changes gets the next version and goes on reading the older
 * ones. */
struct part {
    const char *name;
    uint32_t version;
    unsigned (*count)(const struct machine *m);
    void (*state)(struct machine *m, unsigned n, struct archive *a);
};

static const struct part parts[] = {
    {"machine", 1, one, machine_part},
    {"cpu", 1, cpu_parts, cpu_part},
    {"board", 0, NULL, NULL}, /* those of board_parts, each with its own name */
    {"storage", 1, one, storage_part},
    {"network", 1, one, network_part},
    {"graphics", 1, displays, graphics_part},
    {"input", 1, displays, input_part},
    {"firmware", 1, one, firmware_part},
};

/* Calls f for each part and number until it returns something else than 0. */
static int each_part(struct machine *m, void *opaque,
                     int (*f)(void *opaque, struct machine *m, const struct part *p, unsigned n))
{
    int err = 0;

    for (size_t i = 0; i < COUNT(parts) && err == 0; i++) {
        if (parts[i].state != NULL) {
            for (unsigned n = 0; n < parts[i].count(m) && err == 0; n++)
                err = f(opaque, m, &parts[i], n);
            continue;
        }
        for (unsigned n = 0; n < board_part_count && err == 0; n++) {
            const struct part p = {board_parts[n].name, board_parts[n].version, NULL, board_state};

            err = f(opaque, m, &p, n);
        }
    }
    return err;
}

/* --- saving --- */

struct saving {
    struct section_writer *out;
    const char *wrong;
};

static int save_part(void *opaque, struct machine *m, const struct part *p, unsigned n)
{
    struct saving *s = opaque;
    struct archive a;

    archive_write_init(&a, p->version);
    p->state(m, n, &a);
    s->wrong = archive_verdict(&a);
    if (s->wrong == NULL)
        section_write(s->out, p->name, p->version, a.out->data, a.out->len);
    archive_done(&a);
    return s->wrong == NULL ? 0 : -EBUSY;
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, MEM_PAGE_SIZE - 1) == 0;
}

/* Pages that are not zeros, each behind its address. */
static void save_range(struct section_writer *out, uint64_t addr, uint64_t size,
                       const uint8_t *host)
{
    g_autoptr(GByteArray) pages = g_byte_array_new();

    for (uint64_t at = 0; at < size; at += MEM_PAGE_SIZE) {
        uint64_t page = addr + at;

        if (is_zero(host + at))
            continue;
        g_byte_array_append(pages, (const uint8_t *)&page, sizeof(page));
        g_byte_array_append(pages, host + at, MEM_PAGE_SIZE);
        if (pages->len < RAM_PAGES * (sizeof(page) + MEM_PAGE_SIZE))
            continue;
        section_write(out, SECTION_RAM, 1, pages->data, pages->len);
        g_byte_array_set_size(pages, 0);
    }
    if (pages->len > 0)
        section_write(out, SECTION_RAM, 1, pages->data, pages->len);
}

static void save_ram(struct machine *m, struct section_writer *out)
{
    uint64_t addr, size;
    uint8_t *host;

    for (unsigned n = 0; mem_ram_range(m->mem, n, &addr, &size, &host); n++)
        save_range(out, addr, size, host);
}

static int save_to(struct machine *m, struct section_writer *out, char *why, size_t size)
{
    struct saving s = {.out = out};
    int err = each_part(m, &s, save_part);

    if (err != 0) {
        snprintf(why, size, "the machine cannot be saved now: %s", s.wrong);
        return err;
    }
    save_ram(m, out);
    err = storage_save_blocks(board_storage(m->board), out, why, size);
    section_write(out, SECTION_END, 1, "", 0);
    return err;
}

int snapshot_save(struct machine *m, const char *path, bool last, char *why, size_t size)
{
    struct section_writer *out;
    int err;

    if (!firmware_can_be_saved(m->firmware)) {
        snprintf(why, size, "the firmware's boot services are running: wait for the system");
        return -EBUSY;
    }
    if (m->config.display != NULL) {
        snprintf(why, size, "a machine with a graphics adapter (--display) cannot be saved yet");
        return -ENOTSUP;
    }
    err = storage_settle(board_storage(m->board), last, why, size);
    if (err == 0)
        err = sections_create(path, &kind, true, &out, why, size);
    if (err != 0)
        return err;
    err = save_to(m, out, why, size);
    if (err == 0)
        return sections_finish(out, why, size);
    sections_abandon(out);
    return err;
}

/* --- loading --- */

struct loading {
    struct section_reader *in;
    void (*progress)(unsigned percent);
    char *why;
    size_t size;
};

static int bad(struct loading *l, const char *what)
{
    snprintf(l->why, l->size, "%s: %s", sections_name(l->in), what);
    return -EINVAL;
}

static int next(struct loading *l, struct section *s)
{
    uint64_t done, all;
    int got = section_read(l->in, s, l->why, l->size);

    sections_progress(l->in, &done, &all);
    if (l->progress != NULL && all > 0)
        l->progress((unsigned)(done * 100 / all));
    return got == 0 ? bad(l, "the snapshot is not complete") : got < 0 ? got : 0;
}

/* NULL, or what is wrong. */
static const char *take_part(struct machine *m, const struct part *p, unsigned n,
                             const struct section *s)
{
    struct archive a;

    archive_read_init(&a, s->data, s->size, s->version);
    p->state(m, n, &a);
    return archive_verdict(&a);
}

static int load_part(void *opaque, struct machine *m, const struct part *p, unsigned n)
{
    struct loading *l = opaque;
    struct section s;
    const char *wrong;
    int err = next(l, &s);

    if (err != 0)
        return err;
    if (strcmp(s.name, p->name) != 0)
        return bad(l, "a part of the machine is missing");
    if (s.version == 0 || s.version > p->version)
        return bad(l, "made by a later version of Kittson");
    wrong = take_part(m, p, n, &s);
    if (wrong != NULL) {
        snprintf(l->why, l->size, "%s: %s: %s", sections_name(l->in), p->name, wrong);
        return -EINVAL;
    }
    return 0;
}

static int load_pages(struct loading *l, struct machine *m, const struct section *s)
{
    const size_t each = sizeof(uint64_t) + MEM_PAGE_SIZE;

    if (s->size % each != 0)
        return bad(l, "a piece of memory has an impossible size");
    for (size_t at = 0; at < s->size; at += each) {
        uint64_t page;

        memcpy(&page, s->data + at, sizeof(page));
        if (page % MEM_PAGE_SIZE != 0 ||
            mem_dma_write(m->mem, page, s->data + at + sizeof(page), MEM_PAGE_SIZE) != 0)
            return bad(l, "there is memory that this machine does not have");
    }
    return 0;
}

/* Memory and blocks of overlays, up to the mark behind them. */
static int load_contents(struct loading *l, struct machine *m)
{
    struct section s;
    int err = mem_clear(m->mem);

    if (err == 0)
        err = storage_empty_overlays(board_storage(m->board), l->why, l->size);
    while (err == 0) {
        err = next(l, &s);
        if (err == 0 && strcmp(s.name, SECTION_END) == 0) {
            err = section_read(l->in, &s, l->why, l->size);
            return err > 0 ? bad(l, "there is something behind its end") : err;
        }
        if (err == 0 && strcmp(s.name, SECTION_RAM) == 0)
            err = load_pages(l, m, &s);
        else if (err == 0)
            err = storage_load_blocks(board_storage(m->board), &s, l->why, l->size);
    }
    return err;
}

/* Nothing is changed before the whole file was read once without an error. */
static int check_file(const char *path, char *why, size_t size)
{
    struct section_reader *in;
    struct section s;
    int err = sections_open(path, &kind, &in, why, size);

    if (err != 0)
        return err;
    do
        err = section_read(in, &s, why, size);
    while (err > 0);
    sections_close(in);
    return err;
}

int snapshot_load(struct machine *m, const char *path, void (*progress)(unsigned percent),
                  char *why, size_t size)
{
    struct loading l = {.progress = progress, .why = why, .size = size};
    int err = check_file(path, why, size);

    if (err == 0)
        err = sections_open(path, &kind, &l.in, why, size);
    if (err != 0)
        return err;
    err = each_part(m, &l, load_part);
    if (err == 0)
        err = load_contents(&l, m);
    sections_close(l.in);
    return err;
}

/* --- one part --- */

struct single {
    unsigned place;
    struct section s;
    const char *wrong;
};

/* 1 when the part was found, so that the search ends. */
static int load_single(void *opaque, struct machine *m, const struct part *p, unsigned n)
{
    struct single *one = opaque;

    if (one->place-- > 0)
        return 0;
    if (one->s.version == 0 || one->s.version > p->version)
        one->wrong = "another version";
    else
        one->wrong = take_part(m, p, n, &one->s);
    return 1;
}

int snapshot_load_part(struct machine *m, unsigned place, unsigned version, const void *bytes,
                       size_t length, char *why, size_t size)
{
    struct single one = {
        .place = place,
        .s = {.version = version, .data = (uint8_t *)(uintptr_t)bytes, .size = length},
        .wrong = "there is no such part"};

    each_part(m, &one, load_single);
    if (one.wrong == NULL)
        return 0;
    snprintf(why, size, "%s", one.wrong);
    return -EINVAL;
}
