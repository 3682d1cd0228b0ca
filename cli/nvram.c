/* `kittson nvram`: the variables of a variable store as text, and back. */
#include "cli.h"
#include "log.h"
#include "nvram.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHY_SIZE 5000 /* a path and a sentence */

static int export_store(const char *path, char *why, size_t size)
{
    struct nvram_list l;
    int err = nvram_read(path, &l, why, size), out = 0;

    if (!err || err == -EBADMSG)
        out = nvram_export(&l, stdout);
    if (out)
        snprintf(why, size, "standard output: %s", strerror(-out));
    nvram_list_free(&l);
    return err ? err : out;
}

static int import_store(const char *path, char *why, size_t size)
{
    struct nvram_list fresh, old = {0};
    char line[200];
    struct nvram *n;
    int err = nvram_import(stdin, &fresh, line, sizeof line);

    if (err) {
        snprintf(why, size, "standard input, %s", line);
        return err;
    }
    err = nvram_open(path, &n, &old, why, size);
    if (!err) {
        if (why[0])
            log_warn("%s", why);
        err = nvram_write(n, &fresh);
        if (err)
            snprintf(why, size, "%s: %s", path,
                     err == -ENOSPC ? "too many variables, or no room" : strerror(-err));
        nvram_close(n);
    }
    nvram_list_free(&fresh);
    nvram_list_free(&old);
    return err;
}

int cmd_nvram(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const char *path, char *why, size_t size);
    } actions[] = {{"export", export_store}, {"import", import_store}};
    char why[WHY_SIZE] = "";

    if (argc != 3) {
        log_error("usage: kittson nvram export|import FILE");
        return CLI_USAGE;
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(argv[1], actions[i].name) != 0)
            continue;
        if (actions[i].run(argv[2], why, sizeof why) == 0)
            return CLI_OK;
        log_error("%s", why);
        return CLI_USAGE;
    }
    log_error("nvram %s: the choice is export or import", argv[1]);
    return CLI_USAGE;
}
