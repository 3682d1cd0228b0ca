/* `kittson trace`: traces as files. */
#include "cli.h"
#include "log.h"

int cmd_trace(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    log_error("usage: kittson trace info|verify|diff|cut TRACE...");
    return CLI_USAGE;
}
