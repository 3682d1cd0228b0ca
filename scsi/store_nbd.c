/* NBD exports through libnbd, when the build found it; qemu-nbd serves qcow2, VMDK and others. */
#include "store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef KITTSON_LIBNBD
#include <libnbd.h>

#define CHUNK (1u << 20) /* no server refuses a request of this size */

struct nbd_store {
    struct store store;
    struct nbd_handle *nbd;
};

static struct nbd_handle *handle(struct store *s)
{
    return ((struct nbd_store *)s)->nbd;
}

static int nbd_error(void)
{
    int err = nbd_get_errno();
    return err != 0 ? -err : -EIO;
}

static int nbd_store_read(struct store *s, uint64_t offset, void *buf, size_t len)
{
    while (len > 0) {
        size_t n = len < CHUNK ? len : CHUNK;
        if (nbd_pread(handle(s), buf, n, offset, 0) != 0)
            return nbd_error();
        buf = (char *)buf + n;
        offset += n;
        len -= n;
    }
    return 0;
}

static int nbd_store_write(struct store *s, uint64_t offset, const void *buf, size_t len)
{
    while (len > 0) {
        size_t n = len < CHUNK ? len : CHUNK;
        if (nbd_pwrite(handle(s), buf, n, offset, 0) != 0)
            return nbd_error();
        buf = (const char *)buf + n;
        offset += n;
        len -= n;
    }
    return 0;
}

static int nbd_store_zero(struct store *s, uint64_t offset, uint64_t len)
{
    static const char zeros[65536];
    int err = 0;

    while (len > 0 && err == 0) {
        uint64_t n = len < CHUNK ? len : CHUNK;
        if (nbd_can_zero(handle(s)) == 1)
            err = nbd_zero(handle(s), n, offset, 0) == 0 ? 0 : nbd_error();
        else
            err = nbd_store_write(s, offset, zeros, n = n < sizeof(zeros) ? n : sizeof(zeros));
        offset += n;
        len -= n;
    }
    return err;
}

static int nbd_store_flush(struct store *s)
{
    if (nbd_can_flush(handle(s)) != 1)
        return 0;
    return nbd_flush(handle(s), 0) == 0 ? 0 : nbd_error();
}

static void nbd_store_close(struct store *s)
{
    nbd_shutdown(handle(s), 0);
    nbd_close(handle(s));
    free(s);
}

static const struct store_ops nbd_ops = {nbd_store_read, nbd_store_write, nbd_store_zero,
                                         nbd_store_flush, nbd_store_close};

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
        s->store = (struct store){&nbd_ops, strdup(uri), (uint64_t)bytes, read_only, STORE_NETWORK};
    if (s == NULL || s->store.name == NULL) {
        free(s);
        return refuse(nbd, -ENOMEM, uri, "out of memory", why, why_size);
    }
    s->nbd = nbd;
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
