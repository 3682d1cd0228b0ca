/* Programs and scripts of the EFI shell: finding them, giving them their command line, starting
 * and unloading them.
 *
 * A program finds its command line as load options of its LoadedImage protocol, and its words in
 * the shell interface protocol on its image handle.
 */
#include "shell_priv.h"

#include <inttypes.h>
#include "log.h"
#include "pe.h"

#define SCRIPT_MAX (4u << 20)

/* Members of the shell interface, in bytes. */
#define SI_IMAGE    0
#define SI_INFO     8
#define SI_ARGV     16
#define SI_ARGC     24
#define SI_SIZE     88
#define SI_ARG_INFO 72
#define SI_ECHO     80

static const uint8_t guid_shell_interface[16] = {0x23, 0xb2, 0xc7, 0x47, 0x2a, 0xc4, 0xd2, 0x11,
                                                 0x8e, 0x57, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b};

/* --- finding --- */

static bool is_file(struct shell *s, const char *path)
{
    struct shell_path p;
    struct fs_info info;
    bool yes = shell_resolve(s, path, &p) == EFI_SUCCESS && shell_info(&p, &info) == EFI_SUCCESS &&
               !(info.attributes & FS_ATTR_DIRECTORY);

    shell_path_clear(&p);
    return yes;
}

/* With the name's own extension, .efi, .nsh; takes the path over. */
static char *with_extension(struct shell *s, char *path)
{
    static const char *const extension[] = {"", ".efi", ".nsh"};

    for (unsigned i = 0; i < G_N_ELEMENTS(extension); i++) {
        char *full = g_strconcat(path, extension[i], NULL);

        if (is_file(s, full)) {
            g_free(path);
            return full;
        }
        g_free(full);
    }
    g_free(path);
    return NULL;
}

char *shell_find_program(struct shell *s, const char *name)
{
    char *path, **part, *found = NULL;

    if (strpbrk(name, "\\/:"))
        return with_extension(s, g_strdup(name));
    path = shell_env_get(s, "path");
    part = g_strsplit(path ? path : ".", ";", 64);
    for (unsigned i = 0; part[i] && !found; i++) {
        if (strcmp(part[i], ".") == 0)
            found = with_extension(s, g_strdup(name));
        else if (*part[i])
            found = with_extension(s, shell_join(part[i], name));
    }
    g_strfreev(part);
    g_free(path);
    return found;
}

/* --- what programs find --- */

/* The line as typed, as far as words tell: quotes around those that need them. */
static char *command_line(const struct shell_words *w)
{
    GString *g = g_string_new(NULL);

    for (unsigned i = 0; i < w->count; i++) {
        bool quotes = strpbrk(w->word[i], " \t") || !*w->word[i];

        g_string_append_printf(g, "%s%s%s%s", i ? " " : "", quotes ? "\"" : "", w->word[i],
                               quotes ? "\"" : "");
    }
    return g_string_free(g, FALSE);
}

static void set_options(struct shell *s, uint64_t image, const struct shell_words *w)
{
    char *line = command_line(w);
    uint16_t *text = shell_utf16(line);

    image_set_options(s->b, image, text, 2 * ((uint32_t)fs_name_length(text) + 1));
    g_free(text);
    g_free(line);
}

static uint64_t put_word(struct boot *b, const char *word)
{
    uint16_t *text = shell_utf16(word);
    uint32_t size = 2 * ((uint32_t)fs_name_length(text) + 1);
    uint64_t at = boot_alloc(b, size);

    if (at)
        boot_write(b, at, text, size);
    g_free(text);
    return at;
}

static void drop_interface(struct boot *b, uint64_t image, uint64_t at, const struct shell_words *w)
{
    uint64_t argv = 0, info = 0, word;

    handle_uninstall(b, image, guid_shell_interface, at);
    boot_read64(b, at + SI_ARGV, &argv);
    boot_read64(b, at + SI_ARG_INFO, &info);
    for (unsigned i = 0; i < w->count; i++)
        if (boot_read64(b, argv + 8 * i, &word) && word)
            pool_free(b, word);
    pool_free(b, argv);
    pool_free(b, info);
    pool_free(b, at);
}

/* 0: no room; the program then has its load options only. */
static uint64_t put_interface(struct shell *s, uint64_t image, const struct shell_words *w)
{
    struct boot *b = s->b;
    uint64_t at = boot_alloc(b, SI_SIZE), argv = boot_alloc(b, 8ull * w->count + 8);
    uint64_t info = boot_alloc(b, 4ull * w->count + 4);

    if (!at || !argv || !info)
        return 0;
    boot_write64(b, at + SI_IMAGE, image);
    boot_write64(b, at + SI_INFO, handle_interface(b, image, guid_loaded_image));
    boot_write64(b, at + SI_ARGV, argv);
    boot_write64(b, at + SI_ARGC, w->count);
    boot_write64(b, at + SI_ARG_INFO, info);
    for (unsigned i = 0; i < w->count; i++)
        boot_write64(b, argv + 8 * i, put_word(b, w->word[i]));
    boot_write64(b, at + SI_ECHO, s->scripts && s->script[s->scripts - 1].echo);
    if (handle_install(b, &image, guid_shell_interface, at) != EFI_SUCCESS)
        return 0;
    return at;
}

/* --- running --- */

/* A program that runs; also a driver of the load command. */
struct program {
    uint64_t image, interface;
    bool started;
};

static void end_program(struct shell *s, void *data)
{
    struct program *p = data;

    if (p->interface)
        drop_interface(s->b, p->image, p->interface, s->words);
    if (!p->started)
        image_unload_host(s->b, p->image);
    g_free(p);
}

static void start(struct shell *s)
{
    struct program *p = s->job.data;

    image_start(s->b, p->image);
}

static enum job_wait program_step(struct shell *s)
{
    struct program *p = s->job.data;

    if (!p->started) {
        p->started = true;
        s->job.guest = start;
        return JOB_GUEST;
    }
    s->status = s->job.result;
    return JOB_DONE;
}

/* Loads a file as an image whose path is that of its volume and its name. */
static uint64_t load(struct shell *s, const char *file, uint64_t *image)
{
    struct devpath *path;
    struct shell_path p;
    uint8_t *data;
    uint16_t *name;
    size_t size;
    uint64_t status = shell_read_file(s, file, PE_IMAGE_MAX, &data, &size);

    if (status != EFI_SUCCESS)
        return status;
    status = shell_resolve(s, file, &p);
    if (status == EFI_SUCCESS) {
        path = g_memdup2(&p.map->device->path, sizeof(*path));
        name = shell_utf16(p.path);
        devpath_add_file(path, name);
        status = image_load(s->b, 0, path, data, size, image);
        log_debug("%s loaded by the shell: status %#" PRIx64, file, status);
        g_free(name);
        g_free(path);
        shell_path_clear(&p);
    }
    g_free(data);
    return status;
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);

    return n >= m && g_ascii_strcasecmp(path + n - m, suffix) == 0;
}

static uint64_t run_script(struct shell *s, const char *path, const struct shell_words *w)
{
    uint8_t *data;
    size_t size;
    char *text;
    uint64_t status = shell_read_file(s, path, SCRIPT_MAX, &data, &size);

    if (status != EFI_SUCCESS)
        return shell_fail(s, status, "%s cannot be read", path);
    text = shell_file_text(data, size);
    g_free(data);
    return shell_run_script(s, text, w);
}

static uint64_t run_image(struct shell *s, const char *path, const struct shell_words *w)
{
    struct program *p;
    uint64_t image, status = load(s, path, &image);

    if (status != EFI_SUCCESS)
        return status;
    p = g_new0(struct program, 1);
    p->image = image;
    set_options(s, image, w);
    p->interface = put_interface(s, image, w);
    shell_begin(s, program_step, p, end_program);
    return EFI_SUCCESS;
}

uint64_t shell_run_program(struct shell *s, struct shell_words *w)
{
    char *path = *w->word[0] ? shell_find_program(s, w->word[0]) : NULL;
    uint64_t status;

    if (!path)
        return EFI_NOT_FOUND;
    if (has_suffix(path, ".nsh"))
        status = run_script(s, path, w);
    else
        status = run_image(s, path, w);
    g_free(path);
    return status == EFI_NOT_FOUND ? EFI_LOAD_ERROR : status;
}

/* --- load, unload --- */

struct loading {
    GPtrArray *files;
    unsigned at;
    uint64_t image;
    GArray *controllers; /* being connected afterwards; NULL before, or never */
    bool connect, running;
};

static void end_loading(struct shell *s, void *data)
{
    struct loading *l = data;

    (void)s;
    g_ptr_array_unref(l->files);
    if (l->controllers)
        g_array_unref(l->controllers);
    g_free(l);
}

static void start_driver(struct shell *s)
{
    image_start(s->b, ((struct loading *)s->job.data)->image);
}

static void connect_one(struct shell *s)
{
    struct loading *l = s->job.data;

    driver_connect(s->b, g_array_index(l->controllers, uint64_t, l->at++), 0, true);
}

static enum job_wait connect_step(struct shell *s)
{
    struct loading *l = s->job.data;

    while (l->at < l->controllers->len &&
           !handle_find(s->b, g_array_index(l->controllers, uint64_t, l->at)))
        l->at++;
    s->job.guest = connect_one;
    return l->at < l->controllers->len ? JOB_GUEST : JOB_DONE;
}

static bool begin_driver(struct shell *s, struct loading *l)
{
    const char *file = l->files->pdata[l->at];
    uint64_t status = load(s, file, &l->image);

    if (status == EFI_SUCCESS && !image_is_driver(s->b, l->image)) {
        image_unload_host(s->b, l->image);
        status = EFI_UNSUPPORTED;
        shell_print(s, "load: %s is no driver\n", file);
    }
    if (status != EFI_SUCCESS)
        s->status = shell_fail(s, status, "image %s", file);
    return status == EFI_SUCCESS;
}

static enum job_wait load_step(struct shell *s)
{
    struct loading *l = s->job.data;

    if (l->controllers)
        return connect_step(s);
    if (l->running) {
        const char *text = shell_status_text(s->job.result);

        shell_print(s, "load: image %s loaded at %" PRIX64 " - %s\n",
                    (char *)l->files->pdata[l->at], l->image, text ? text : "Error");
        l->running = false;
        l->at++;
    }
    for (; l->at < l->files->len; l->at++)
        if (begin_driver(s, l)) {
            l->running = true;
            s->job.guest = start_driver;
            return JOB_GUEST;
        }
    if (!l->connect)
        return JOB_DONE;
    l->at = 0;
    l->controllers = handles_with(s->b, guid_device_path);
    return JOB_AGAIN;
}

uint64_t cmd_load(struct shell *s, struct shell_words *w)
{
    bool connect = !shell_option(w, "-nc");
    uint64_t status = shell_check(s, w, 1, SHELL_WORDS);
    struct loading *l;
    GPtrArray *files;

    if (status != EFI_SUCCESS)
        return status;
    files = g_ptr_array_new_with_free_func(g_free);
    status = shell_word_files(s, w, 1, files);
    if (status != EFI_SUCCESS) {
        g_ptr_array_unref(files);
        return status;
    }
    l = g_new0(struct loading, 1);
    l->files = files;
    l->connect = connect;
    shell_begin(s, load_step, l, end_loading);
    return EFI_SUCCESS;
}

static void free_data(struct shell *s, void *data)
{
    (void)s;
    g_free(data);
}

static void unload(struct shell *s)
{
    struct program *p = s->job.data;

    p->started = true;
    image_unload(s->b, p->image);
}

static enum job_wait unload_step(struct shell *s)
{
    struct program *p = s->job.data;

    s->job.guest = unload;
    if (!p->started)
        return JOB_GUEST;
    s->status = s->job.result;
    if (s->status == EFI_SUCCESS)
        shell_puts(s, "unload: done\n");
    return JOB_DONE;
}

uint64_t cmd_unload(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 1, 1), image;
    struct program *p;

    if (status != EFI_SUCCESS)
        return status;
    image = shell_handle(s, w->word[1]);
    if (!image || !handle_interface(s->b, image, guid_loaded_image))
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s is not the handle of an image", w->word[1]);
    p = g_new0(struct program, 1);
    p->image = image;
    shell_begin(s, unload_step, p, free_data);
    return EFI_SUCCESS;
}
