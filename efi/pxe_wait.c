/* How PXE operations wait: see pxe.h. */
#include "pxe.h"

#define FRAMES_PER_STEP 64
#define SOON            1000  /* 100 ns: while frames come */
#define LATER           10000 /* while nothing does */
#define SCAN_ESCAPE     23
#define CONTROL_C       3

uint64_t pxe_ms(const struct boot *b)
{
    return (uint64_t)((unsigned __int128)boot_now(b) * 1000 / b->fw->cfg.itc_hz);
}

static void take_icmp(struct pxe *p, const struct udp4_datagram *d)
{
    memset(p->icmp, 0, sizeof(p->icmp));
    memcpy(p->icmp, d->data, MIN(d->len, sizeof(p->icmp)));
    p->icmp_received = p->icmp_now = true;
    p->icmp_from = d->src;
}

/* Takes one frame; false: there is none. */
static bool take_frame(struct pxe *p)
{
    uint8_t frame[NIC_FRAME];
    struct udp4_datagram d;
    size_t len = netif_receive(p->n, frame);
    enum udp4_kind kind = len ? udp4_input(&p->net, frame, len, &d) : UDP4_NOTHING;

    if (kind == UDP4_ICMP_ERROR)
        take_icmp(p, &d);
    if (kind == UDP4_DATAGRAM)
        p->op->input(p, &d, pxe_ms(p->b));
    return len != 0;
}

/* Frames until the operation is over: what comes later is for the next one. */
static bool pump(struct pxe *p, unsigned *frames, uint64_t *status)
{
    bool over = p->op->poll(p, pxe_ms(p->b), status);

    for (*frames = 0; !over && *frames < FRAMES_PER_STEP && take_frame(p); (*frames)++)
        over = p->op->poll(p, pxe_ms(p->b), status);
    return over;
}

/* Keys are the caller's unless the boot manager is behind it; then others are swallowed. */
static bool cancelled(struct pxe *p)
{
    struct key key;

    while (p->keys && console_key(p->b, &key))
        if (key.scan == SCAN_ESCAPE || key.unicode == CONTROL_C)
            return true;
    return false;
}

static void look(struct boot *b, struct task *t, uint64_t unused)
{
    struct pxe *p = t->data;
    uint64_t status = EFI_ABORTED;
    unsigned frames;
    bool over;

    (void)unused;
    if (!b->nets) { /* boot services ended meanwhile */
        task_done(b, t, EFI_ABORTED);
        return;
    }
    over = pump(p, &frames, &status);
    if (!over && cancelled(p)) {
        over = true;
        status = EFI_ABORTED;
        if (p->op->abort)
            p->op->abort(p);
    }
    if (!over) {
        task_wait(b, t, boot_now(b) + boot_ticks(b, frames ? SOON : LATER));
        return;
    }
    pxe_put_mode(p);
    task_done(b, t, status);
}

void pxe_run(struct pxe *p, const struct pxe_operation *op)
{
    struct task *t = task_part(p->b, look);

    t->data = p;
    p->op = op;
    p->icmp_now = false;
    netif_up(
        p->n); /* somebody may have shut it down; without it nothing comes, and time runs out */
    netif_listen(p->n, NIC_UNICAST | NIC_BROADCAST);
    look(p->b, t, EFI_SUCCESS);
}

static void not_busy(struct boot *b, struct task *t)
{
    struct pxe *p = t->data;

    if (b->nets)
        p->busy = false;
}

static void pass_on(struct boot *b, struct task *t, uint64_t status)
{
    task_done(b, t, status);
}

struct task *pxe_task(struct pxe *p, struct fwcall *k, task_step *step)
{
    struct task *t = task_service(p->b, k, step);

    if (!t)
        return NULL;
    t->data = p;
    t->drop = not_busy;
    p->busy = true;
    return t;
}

uint64_t pxe_service(struct pxe *p, struct fwcall *k, const struct pxe_operation *op)
{
    if (!pxe_task(p, k, pass_on))
        return EFI_OUT_OF_RESOURCES;
    pxe_run(p, op);
    return EFI_SUCCESS;
}
