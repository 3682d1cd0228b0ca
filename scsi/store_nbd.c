/* NBD exports through libnbd, when the build found it; qemu-nbd serves qcow2, VMDK and others.
 *
 * A server that goes away or stops answering is given up: every later request is an error, flushes
 * included, because nobody knows what of the data before has become stable. There is no new
 * connection.
 */
#include "store_impl.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int nbd_store_patience = 25000; /* less than the 30 s of guests' drivers */

#ifdef KITTSON_LIBNBD
#include <glib.h>
#include <libnbd.h>
#include <pthread.h>

#define CHUNK (1u << 20) /* no server refuses a request of this size */

struct nbd_store {
    struct store store;
    pthread_mutex_t lock;   /* one request at a time */
    struct nbd_handle *nbd; /* NULL: given up */
    bool can_flush, can_zero;
};

static int nbd_error(void)
{
    int err = nbd_get_errno();
    return err != 0 ? -err : -EIO;
}

static int give_up(struct nbd_store *n, int err)
{
    nbd_close(n->nbd); /* with it go requests that still name buffers */
    n->nbd = NULL;
    return err;
}

/* The end of a request that was sent as `cookie`; a server must not take longer than allowed. */
static int wait_for(struct nbd_store *n, int64_t cookie)
{
    int64_t deadline = g_get_monotonic_time() + 1000ll * nbd_store_patience;
    int done = 0, err;

    if (cookie < 0) {
        err = nbd_error();
        return nbd_aio_is_ready(n->nbd) == 1 ? err : give_up(n, -ENOTCONN);
    }
    while ((done = nbd_aio_command_completed(n->nbd, (uint64_t)cookie)) == 0) {
        int64_t left = (deadline - g_get_monotonic_time()) / 1000;

        if (left <= 0)
            return give_up(n, -ETIMEDOUT);
        if (nbd_poll(n->nbd, (int)left) < 0 && nbd_get_errno() != EINTR)
            return give_up(n, nbd_error());
    }
    err = done > 0 ? 0 : nbd_error();
    if (done < 0 && (nbd_aio_is_dead(n->nbd) == 1 || nbd_aio_is_closed(n->nbd) == 1))
        give_up(n, err);
    return err;
}

enum request { READ, WRITE, ZERO, FLUSH };

static int one_request(struct nbd_store *n, enum request what, uint64_t offset, void *buf,
                       uint64_t len)
{
    nbd_completion_callback none = NBD_NULL_COMPLETION;
    int64_t cookie = -1;
    int err;

    pthread_mutex_lock(&n->lock);
    if (n->nbd == NULL) {
        pthread_mutex_unlock(&n->lock);
        return -ENOTCONN;
    }
    switch (what) {
    case READ:
        cookie = nbd_aio_pread(n->nbd, buf, (size_t)len, offset, none, 0);
        break;
    case WRITE:
        cookie = nbd_aio_pwrite(n->nbd, buf, (size_t)len, offset, none, 0);
        break;
    case ZERO:
        cookie = nbd_aio_zero(n->nbd, len, offset, none, 0);
        break;
    case FLUSH:
        cookie = nbd_aio_flush(n->nbd, none, 0);
        break;
    }
    err = wait_for(n, cookie);
    pthread_mutex_unlock(&n->lock);
    return err;
}

/* A long request in pieces; buf NULL: zeros. */
static int in_pieces(struct store *s, enum request what, uint64_t offset, char *buf, uint64_t len)
{
    struct nbd_store *n = (struct nbd_store *)s;
    int err = 0;

    while (len > 0 && err == 0) {
        uint64_t piece = len < CHUNK ? len : CHUNK;

        err = one_request(n, what, offset, buf, piece);
        if (buf != NULL)
            buf += piece;
        offset += piece;
        len -= piece;
    }
    return err;
}

static int nbd_store_read(struct store *s, uint64_t offset, void *buf, size_t len)
{
    return in_pieces(s, READ, offset, buf, len);
}

static int nbd_store_write(struct store *s, uint64_t offset, const void *buf, size_t len)
{
    return in_pieces(s, WRITE, offset, (char *)buf, len);
}

static int nbd_store_zero(struct store *s, uint64_t offset, uint64_t len)
{
    static char zeros[65536];
    int err = 0;

    if (((struct nbd_store *)s)->can_zero)
        return in_pieces(s, ZERO, offset, NULL, len);
    while (len > 0 && err == 0) {
        uint64_t n = len < sizeof(zeros) ? len : sizeof(zeros);

        err = nbd_store_write(s, offset, zeros, (size_t)n);
        offset += n;
        len -= n;
    }
    return err;
}

static int nbd_store_flush(struct store *s)
{
    struct nbd_store *n = (struct nbd_store *)s;

    if (n->can_flush)
        return one_request(n, FLUSH, 0, NULL, 0);
    pthread_mutex_lock(&n->lock);
    int err = n->nbd != NULL ? 0 : -ENOTCONN;
    pthread_mutex_unlock(&n->lock);
    return err;
}

/* Tells the server, but does not wait for it. */
static void nbd_store_close(struct store *s)
{
    struct nbd_store *n = (struct nbd_store *)s;

    if (n->nbd != NULL && nbd_aio_disconnect(n->nbd, 0) == 0)
        nbd_poll(n->nbd, 0);
    nbd_close(n->nbd);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

static const struct store_ops nbd_ops = {
    nbd_store_read, NULL, nbd_store_write, nbd_store_zero, nbd_store_flush, nbd_store_close};

static int refuse(struct nbd_handle *nbd, int err, const char *uri, const char *reason, char *why,
                  size_t size)
{
    store_fail(err, why, size, uri, reason);
    if (nbd != NULL)
        nbd_close(nbd);
    return err;
}

int nbd_store_open(const char *uri, bool read_only, struct store **out, char *why, size_t why_size)
{
    struct nbd_handle *nbd = nbd_create();
    struct nbd_store *s;
    int64_t bytes;

    if (nbd == NULL || nbd_connect_uri(nbd, uri) != 0)
        return refuse(nbd, nbd_error(), uri, nbd_get_error(), why, why_size);
    bytes = nbd_get_size(nbd);
    if (bytes < 0)
        return refuse(nbd, nbd_error(), uri, nbd_get_error(), why, why_size);
    if (!read_only && nbd_is_read_only(nbd) != 0)
        return refuse(nbd, -EROFS, uri, "the server gives it read-only; add ,ro", why, why_size);
    s = calloc(1, sizeof(*s));
    if (s != NULL)
        s->store =
            (struct store){&nbd_ops, strdup(uri), (uint64_t)bytes, read_only, STORE_NETWORK, 0};
    if (s == NULL || s->store.name == NULL) {
        free(s);
        return refuse(nbd, -ENOMEM, uri, "out of memory", why, why_size);
    }
    s->nbd = nbd;
    s->can_flush = nbd_can_flush(nbd) == 1;
    s->can_zero = nbd_can_zero(nbd) == 1;
    pthread_mutex_init(&s->lock, NULL);
    if (!read_only && !s->can_flush)
        log_warn("%s: the server cannot flush: what the guest has stored may be lost with it", uri);
    *out = &s->store;
    return 0;
}

#else

int nbd_store_open(const char *uri, bool read_only, struct store **out, char *why, size_t why_size)
{
    (void)read_only;
    (void)out;
    return store_fail(-ENOTSUP, why, why_size, uri,
                      "NBD needs Kittson built with libnbd: install libnbd-dev and build again");
}

#endif
