/* What the fuzz targets share: the entry point libFuzzer calls and a file made of the input.
 *
 * Each tests/fuzz_NAME.c defines fuzz_one(). Without clang it is linked with fuzz_replay.c, which
 * runs it over the files of tests/corpus/NAME and simple mutations of them.
 */
#ifndef KITTSON_TESTS_FUZZ_H
#define KITTSON_TESTS_FUZZ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name under which the bytes can be opened; *fd is to be closed. */
static inline const char *fuzz_file(const void *data, size_t size, int *fd)
{
    static char path[32];

    *fd = memfd_create("fuzz", 0);
    if (*fd < 0 || write(*fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", *fd);
    return path;
}

/* Messages and results are of no interest. */
static inline void fuzz_silence(void)
{
    static int done;
    int null = done ? -1 : open("/dev/null", O_WRONLY);

    done = 1;
    if (null < 0)
        return;
    dup2(null, STDOUT_FILENO);
    close(null);
}

#endif
