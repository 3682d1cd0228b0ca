/* `kittson overlay`: what an overlay file holds, writing it into its base, emptying it. */
#include "cli.h"
#include "log.h"
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int show(const char *path, char *why, size_t size)
{
    struct overlay_info info;
    int err = overlay_info(path, &info, why, size);
    if (err == 0)
        printf("base: %s\nsize: %" PRIu64 " bytes\nchanged: %" PRIu64 " blocks of %" PRIu64
               " bytes\n",
               info.base, info.size, info.blocks, info.block_size);
    return err;
}

static int commit(const char *path, char *why, size_t size)
{
    return overlay_commit(path, false, why, size);
}

static int force_commit(const char *path, char *why, size_t size)
{
    return overlay_commit(path, true, why, size);
}

int cmd_overlay(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const char *path, char *why, size_t size);
    } actions[] = {{"info", show},
                   {"commit", commit},
                   {"force-commit", force_commit},
                   {"discard", overlay_discard}};
    char why[512];

    if (argc != 3) {
        log_error("usage: kittson overlay info|commit|force-commit|discard FILE");
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
    log_error("overlay %s: the choice is info, commit, force-commit or discard", argv[1]);
    return CLI_USAGE;
}
