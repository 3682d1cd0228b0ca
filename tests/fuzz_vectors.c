/* Fuzz target: the reader of golden vector files. Inputs of even size are only read and decoded,
 * others run. */
#include "fuzz.h"

#include "cli.h"
#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[] = "vectors", ops[] = "--ops", file[32];
    char exceptions[] = "--exceptions=/dev/null", end[] = "--";
    char *argv[] = {name, exceptions, end, file, NULL, NULL};
    int fd, argc = 4;

    fuzz_silence();
    log_set_level(LOG_ERROR);
    snprintf(file, sizeof file, "%s", fuzz_file(data, size, &fd));
    if (size % 2 == 0) {
        argv[2] = ops;
        argv[3] = end;
        argv[4] = file;
        argc = 5;
    }
    cmd_vectors(argc, argv);
    close(fd);
    return 0;
}
