/* PXE base code: Mtftp, unicast operations only, into and out of guest memory. */
#include "pxe.h"

enum { GET_SIZE = 1, READ_FILE, WRITE_FILE };

static void transmit(void *opaque, const struct udp4_datagram *d)
{
    struct pxe *p = opaque;

    udp4_output(&p->net, d); /* what does not go out is repeated */
}

static bool put(void *opaque, uint64_t at, const uint8_t *data, size_t len)
{
    struct pxe *p = opaque;

    if (p->discard)
        return true;
    return at <= p->room && len <= p->room - at &&
           (!len || boot_write(p->b, p->buffer + at, data, len));
}

static bool get(void *opaque, uint64_t at, uint8_t *data, size_t len)
{
    struct pxe *p = opaque;

    return boot_read(p->b, p->buffer + at, data, len);
}

static void input(struct pxe *p, const struct udp4_datagram *d, uint64_t now)
{
    tftp_input(&p->tftp, d, now);
}

static uint64_t failure(struct pxe *p)
{
    switch (p->tftp.failure) {
    case TFTP_REFUSED:
        p->tftp_failed = true;
        return EFI_TFTP_ERROR;
    case TFTP_TOO_LARGE:
        return EFI_BUFFER_TOO_SMALL;
    case TFTP_TIMED_OUT:
        return EFI_TIMEOUT;
    default:
        return EFI_PROTOCOL_ERROR;
    }
}

static bool over(struct pxe *p, uint64_t now, uint64_t *status)
{
    struct tftp *t = &p->tftp;

    tftp_poll(t, now);
    if (tftp_busy(t) && p->icmp_now && p->icmp_from == t->server) {
        tftp_abort(t);
        *status = EFI_ICMP_ERROR;
        return true;
    }
    if (tftp_busy(t))
        return false;
    *status = t->state == TFTP_DONE ? EFI_SUCCESS : failure(p);
    return true;
}

static void cancel(struct pxe *p)
{
    tftp_abort(&p->tftp);
}

static const struct pxe_operation operation = {.input = input, .poll = over, .abort = cancel};

void pxe_tftp_run(struct pxe *p, enum tftp_operation what, uint32_t server, const char *name,
                  unsigned blksize)
{
    struct tftp *t = &p->tftp;

    p->tftp_failed = false;
    t->operation = what;
    g_strlcpy(t->name, name, sizeof(t->name));
    t->server = server;
    t->port = pxe_port(p);
    t->blksize = blksize;
    t->file_size = p->room;
    t->opaque = p;
    t->send = transmit;
    t->put = put;
    t->get = get;
    netif_up(p->n);
    tftp_start(t, pxe_ms(p->b));
    pxe_run(p, &operation);
}

/* w[0]: where the size is. */
static void done(struct boot *b, struct task *t, uint64_t status)
{
    struct pxe *p = t->data;

    if (b->nets && p->tftp.operation != TFTP_WRITE && p->tftp.has_size &&
        (status == EFI_SUCCESS || status == EFI_BUFFER_TOO_SMALL))
        boot_write64(b, t->w[0], p->tftp.size);
    task_done(b, t, status);
}

static bool read_name(struct boot *b, uint64_t at, char name[TFTP_NAME_MAX + 1])
{
    for (unsigned i = 0; i <= TFTP_NAME_MAX; i++) {
        if (!boot_read(b, at + i, &name[i], 1))
            return false;
        if (!name[i])
            return i > 0;
    }
    return false;
}

static unsigned block_size(struct boot *b, uint64_t at)
{
    uint64_t v = 0;

    if (at)
        boot_read64(b, at, &v);
    return v > TFTP_BLOCK_MAX ? TFTP_BLOCK_MAX : (unsigned)v;
}

/* (this, operation, buffer, overwrite, *size, *block size, *server, *name, *multicast, discard) */
uint64_t pxe_mtftp(struct boot *b, struct fwcall *k)
{
    static const enum tftp_operation unicast[] = {
        [GET_SIZE] = TFTP_SIZE, [READ_FILE] = TFTP_READ, [WRITE_FILE] = TFTP_WRITE};
    uint32_t server, what = (uint32_t)k->arg[1];
    char name[TFTP_NAME_MAX + 1];
    uint64_t status, room = 0;
    struct pxe *p = pxe_of(b, k, &status);
    struct task *t;

    if (!p)
        return status;
    if (what < GET_SIZE || what > WRITE_FILE)
        return EFI_UNSUPPORTED;
    if (!p->net.ip || !boot_read64(b, k->arg[4], &room) || !pxe_read_ip(b, k->arg[6], &server) ||
        !read_name(b, k->arg[7], name) || udp4_is_multicast(server) || !server)
        return EFI_INVALID_PARAMETER;
    p->discard = what == READ_FILE && (boot_arg(b, k, 9) & 0xff);
    if (what != GET_SIZE && !p->discard && room && !boot_ram(b, k->arg[2], room))
        return EFI_INVALID_PARAMETER;
    t = pxe_task(p, k, done);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = k->arg[4];
    p->buffer = k->arg[2];
    p->room = room;
    pxe_tftp_run(p, unicast[what], server, name, block_size(b, k->arg[5]));
    return EFI_SUCCESS;
}
