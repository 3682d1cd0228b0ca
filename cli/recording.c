/* `kittson record`, and the start of a recording: what the machine is made of goes into the trace.
 */
#include "cli.h"
#include "log.h"
#include "run.h"
#include "store.h"
#include "tape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUFFER (1u << 20)

static int sum_store(struct store *s, uint64_t *size, uint8_t sum[TRACE_SUM])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree uint8_t *buffer = g_malloc(BUFFER);
    gsize length = TRACE_SUM;
    int err = 0;

    *size = store_size(s);
    for (uint64_t at = 0; at < *size && err == 0; at += BUFFER) {
        size_t n = *size - at < BUFFER ? (size_t)(*size - at) : BUFFER;

        err = store_read(s, at, buffer, n);
        g_checksum_update(checksum, buffer, (gssize)n);
    }
    g_checksum_get_digest(checksum, sum, &length);
    return err;
}

int recording_sum_drive(const struct machine_drive *d, uint64_t *size, uint8_t sum[TRACE_SUM],
                        char *why, size_t why_size)
{
    struct store_options options = {.read_only = d->overlay == NULL, .overlay = d->overlay};
    struct store *s;
    int err = store_open(d->path, &options, &s, why, why_size);

    if (err != 0)
        return err;
    err = sum_store(s, size, sum);
    if (err != 0)
        snprintf(why, why_size, "%s: %s", d->path, strerror(-err));
    store_close(s);
    return err;
}

static int add_file(struct trace_machine *t, enum trace_role role, const char *path, char *why,
                    size_t size)
{
    struct trace_image i = {.role = role, .path = g_strdup(path)};
    int err = path != NULL ? trace_sum_file(path, &i.size, i.sum) : 0;

    if (path == NULL || err != 0) {
        if (err != 0)
            snprintf(why, size, "%s: %s", path, strerror(-err));
        g_free(i.path);
        return err;
    }
    g_array_append_val(t->images, i);
    return 0;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int add_drive(struct trace_machine *t, const struct machine_drive *d, char *why, size_t size)
{
    struct trace_image i = {.role = TRACE_DRIVE, .drive = t->drive_count};
    struct machine_drive *copy = &t->drives[t->drive_count++];
    int err = 0;

    *copy = *d;
    copy->path = copy->overlay = NULL;
    if (d->path == NULL || (d->dvd && is_directory(d->path)))
        return 0;
    if (!d->dvd && !d->read_only && d->overlay == NULL)
        log_warn("%s will be written: a replay needs it as it is now, so keep a copy, or use an "
                 "overlay",
                 d->path);
    err = recording_sum_drive(d, &i.size, i.sum, why, size);
    if (err != 0)
        return err;
    i.path = g_strdup(d->path);
    g_array_append_val(t->images, i);
    return 0;
}

/* A file that is not there yet is made when the machine starts. */
static int add_nvram(struct trace_machine *t, const char *path, char *why, size_t size)
{
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    if (path == NULL)
        return 0;
    t->nvram = g_byte_array_new();
    if (!g_file_get_contents(path, &bytes, &length, &error) &&
        !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        snprintf(why, size, "%s", error->message);
        return -EIO;
    }
    if (bytes != NULL)
        g_byte_array_append(t->nvram, (const uint8_t *)bytes, (guint)length);
    return 0;
}

/* In pieces that fit into a section. */
static void embed(struct trace_writer *out, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at += BUFFER)
        trace_embed(out, 0, at, data + at, size - at < BUFFER ? size - at : BUFFER);
}

/* The built-in guest is another one in other versions: it is always in the trace. */
static int add_demo(struct trace_machine *t, const struct machine_config *c)
{
    struct trace_image i = {.role = TRACE_KERNEL,
                            .path = g_strdup("(built-in guest)"),
                            .size = c->image_size,
                            .embedded = true};
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize length = TRACE_SUM;

    g_checksum_update(checksum, c->image, (gssize)c->image_size);
    g_checksum_get_digest(checksum, i.sum, &length);
    g_array_append_val(t->images, i);
    return 0;
}

static int describe(const struct machine_config *c, struct trace_machine *t, char *why, size_t size)
{
    int err = 0;

    t->program = g_strdup(KITTSON_VERSION);
    t->memory = c->memory;
    t->cpus = c->cpus;
    t->model = c->model;
    t->no_reboot = c->no_reboot;
    t->demo = c->kernel == NULL && c->image != NULL;
    t->append = g_strdup(c->append);
    t->serial = g_strdup(c->serial);
    memcpy(t->uuid, c->uuid, sizeof(t->uuid));
    t->images = g_array_new(FALSE, TRUE, sizeof(struct trace_image));
    err = t->demo ? add_demo(t, c) : add_file(t, TRACE_KERNEL, c->kernel, why, size);
    if (err == 0)
        err = add_file(t, TRACE_INITRD, c->initrd, why, size);
    for (unsigned i = 0; i < c->drive_count && err == 0; i++)
        err = add_drive(t, &c->drives[i], why, size);
    t->nic_count = c->nic_count;
    for (unsigned i = 0; i < c->nic_count; i++)
        t->nics[i] = (struct machine_nic){.bus = c->nics[i].bus, .slot = c->nics[i].slot};
    return err == 0 ? add_nvram(t, c->nvram, why, size) : err;
}

int recording_begin(struct machine_config *config, const char *path, uint64_t every, char *why,
                    size_t size)
{
    struct trace_machine t = {.every = every};
    struct trace_writer *out;
    int err = describe(config, &t, why, size);

    if (err == 0)
        err = trace_create(path, &t, &out, why, size);
    if (err == 0 && t.demo)
        embed(out, config->image, config->image_size);
    if (err == 0)
        config->tape = tape_record(out, every);
    trace_machine_free(&t);
    return err;
}

int cmd_record(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (g_str_has_prefix(argv[i], "-o") || g_str_has_prefix(argv[i], "--record"))
            return cmd_run(argc, argv);
    log_error("usage: kittson record -o FILE RUN-OPTION...");
    return CLI_USAGE;
}
