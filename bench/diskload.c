/* Guest program of bench/disk.py: 4 KB reads at random places of a block device, past the guest's
 * cache, by one or more processes at once.
 *
 *   diskload DEVICE READS PROCESSES
 *
 * prints "reads N seconds S". Static IA-64 binary; never part of the tree.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Places follow from the seed: every run reads the same ones. */
static int read_all(const char *device, long reads, uint64_t seed)
{
    int fd = open(device, O_RDONLY | O_DIRECT);
    void *buffer = NULL;
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (size < BLOCK || posix_memalign(&buffer, BLOCK, BLOCK) != 0) {
        perror(device);
        return 1;
    }
    for (long i = 0; i < reads; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        off_t at = (off_t)((seed >> 20) % (uint64_t)(size / BLOCK)) * BLOCK;
        if (pread(fd, buffer, BLOCK, at) != BLOCK) {
            perror(device);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    long reads = argc == 4 ? atol(argv[2]) : 0, processes = argc == 4 ? atol(argv[3]) : 0;
    double start = now();
    int failed = 0, status;

    if (reads < 1 || processes < 1) {
        fprintf(stderr, "usage: diskload DEVICE READS PROCESSES\n");
        return 2;
    }
    for (long i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(read_all(argv[1], reads / processes, 1030 + (uint64_t)i));
        failed |= pid < 0;
    }
    while (wait(&status) > 0)
        failed |= status != 0;
    printf("reads %ld seconds %.3f\n", reads / processes * processes, now() - start);
    return failed;
}
