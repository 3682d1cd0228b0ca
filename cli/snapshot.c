/* `kittson snapshot` and `kittson restore`: short forms of a monitor command and of a run option.
 */
#include "cli.h"
#include "log.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The machine's working directory may be another one. */
int cmd_snapshot(int argc, char **argv)
{
    bool ok = argc == 4 && (strcmp(argv[1], "save") == 0 || strcmp(argv[1], "suspend") == 0);
    if (!ok || argv[3][0] == '\0') {
        log_error("usage: kittson snapshot save|suspend unix:PATH FILE");
        return CLI_USAGE;
    }
    g_autofree char *file = g_canonicalize_filename(argv[3], NULL);
    char monitor[] = "monitor", command[] = "snapshot";
    char *ask[] = {monitor, argv[2], command, argv[1], file, NULL};
    return cmd_monitor(5, ask);
}

int cmd_restore(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        log_error("usage: kittson restore FILE RUN-OPTION...");
        return CLI_USAGE;
    }
    g_autofree char *restore = g_strconcat("--restore=", argv[1], NULL);
    argv[1] = restore;
    return cmd_run(argc, argv);
}
