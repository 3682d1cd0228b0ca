/* `kittson itrace`: a binary instruction trace as text. */
#include "cli.h"
#include "itrace.h"
#include "log.h"

#include <stdio.h>

int cmd_itrace(int argc, char **argv)
{
    char why[512];
    if (argc != 2) {
        log_error("usage: kittson itrace FILE");
        return CLI_USAGE;
    }
    if (itrace_convert(argv[1], stdout, why, sizeof why) == 0)
        return CLI_OK;
    fflush(stdout);
    log_error("%s", why);
    return CLI_USAGE;
}
