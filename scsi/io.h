/* Reads, writes and flushes of backing stores off the processors' thread.
 *
 * Jobs run in a few worker threads, in any order; their done functions run in io_poll(), on the
 * thread that calls it; a short read of what the host has in its cache is done inside io_submit(),
 * done function included. A pool without threads does each job inside io_submit(), done function
 * included: then everything happens at the instruction that asked for it (deterministic runs).
 */
#ifndef KITTSON_SCSI_IO_H
#define KITTSON_SCSI_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store.h"

enum io_op { IO_READ, IO_WRITE, IO_FLUSH, IO_ZERO };

struct io_job {
    enum io_op op;
    bool flush_after; /* writes: stable when done */
    struct store *store;
    uint64_t offset, len;
    void *buf; /* len bytes, or with `repeat` set a pattern of that many bytes written over and
                  over until len */
    size_t repeat;
    void *opaque;
    void (*done)(struct io_job *job);
    int result;          /* 0 or a negative errno */
    struct io_job *next; /* the pool's */
};

struct io_pool;

struct io_pool *io_new(unsigned threads);
/* Waits for what runs; done functions are called. */
void io_free(struct io_pool *p);

/* The job stays the caller's and must live until its done function was called. */
void io_submit(struct io_pool *p, struct io_job *job);
/* A job that has not begun ends with -ECANCELED; its done function is called as ever. */
void io_cancel(struct io_pool *p, struct io_job *job);
/* Calls the done functions of finished jobs. */
void io_poll(struct io_pool *p);
/* Until everything submitted is done. */
void io_drain(struct io_pool *p);
/* Readable when io_poll has something to do; -1 without threads. */
int io_fd(const struct io_pool *p);
/* Jobs submitted whose done function has not been called. */
unsigned io_pending(const struct io_pool *p);

#endif
