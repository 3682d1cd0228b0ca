/* Lists of endpoint and transfer descriptors: OHCI 1.0a sections 4.2, 4.3 and 6.4.
 *
 * All of it is in guest memory and may say anything: a frame looks at so many endpoints and no
 * more, however they are chained, each once in a periodic list, and at one transfer descriptor for
 * each. Memory that is not there is an unrecoverable error, which stops the controller. */
#include "ohci_impl.h"

#define PERIODIC_LOOKS 64u /* at endpoints in a frame */
#define LOOKS          64u /* the same on control and bulk lists */

#define POINTER 0xfffffff0u

/* An endpoint descriptor (4.2). */
struct ed {
    uint32_t flags, tail, head, next;
};
#define ED_ADDRESS(f)  ((f)&0x7fu)
#define ED_ENDPOINT(f) ((f) >> 7 & 0xfu)
#define ED_DIR(f)      ((f) >> 11 & 3u) /* 1 OUT, 2 IN, else the transfer says */
#define ED_SKIP        0x4000u
#define ED_ISO         0x8000u
#define ED_SIZE(f)     ((f) >> 16 & 0x7ffu)
#define ED_HALTED      1u
#define ED_CARRY       2u

/* A general transfer descriptor (4.3.1). */
struct td {
    uint32_t flags, at, next, end;
};
#define TD_ROUNDING  0x00040000u
#define TD_DIR(f)    ((f) >> 19 & 3u)
#define TD_DELAY(f)  ((f) >> 21 & 7u)
#define TD_TOGGLE    0x01000000u
#define TD_OWN       0x02000000u /* the toggle is here, not in the endpoint */
#define TD_ERRORS    0x0c000000u
#define TD_ERROR     0x04000000u
#define TD_CC(cc)    ((uint32_t)(cc) << 28)
#define TD_CC_MASK   0xf0000000u
#define TRIES        3u
#define DIR_SETUP    0u
#define DIR_OUT      1u
#define DIR_IN       2u
#define ISO_SIZE     32u
#define ISO_COUNT(f) (((f) >> 24 & 7u) + 1)

/* Completion codes (4.3.3). */
enum {
    CC_NONE = 0,
    CC_STALL = 4,
    CC_SILENT = 5,
    CC_PID = 7,
    CC_OVERRUN = 8,
    CC_UNDERRUN = 9,
    CC_AGAIN = 16 /* not one of them: the transfer stays */
};

/* --- memory --- */

static bool load(struct ohci *o, uint32_t addr, void *p, unsigned size)
{
    if (pci_dma_read(o->function, addr, p, size) == 0)
        return true;
    ohci_raise(o, INT_ERROR);
    return false;
}

static bool store(struct ohci *o, uint32_t addr, const void *p, unsigned size)
{
    if (pci_dma_write(o->function, addr, p, size) == 0)
        return true;
    ohci_raise(o, INT_ERROR);
    return false;
}

/* --- buffers: one page, or the end of one and the start of another --- */

/* Bytes left; an end before the start is none. */
static unsigned left(const struct td *t)
{
    unsigned first = t->at & 0xfff, last = t->end & 0xfff;

    if (t->at == 0)
        return 0;
    if ((t->at ^ t->end) & ~0xfffu)
        return 0x1000 - first + last + 1;
    return last + 1 > first ? last + 1 - first : 0;
}

static bool move(struct ohci *o, struct td *t, uint8_t *data, unsigned n, bool in)
{
    unsigned room = 0x1000 - (t->at & 0xfff), first = n < room ? n : room;

    if (first > 0 && !(in ? store(o, t->at, data, first) : load(o, t->at, data, first)))
        return false;
    if (n >= room) {
        t->at = t->end & ~0xfffu;
        n -= room;
        data += room;
        if (n > 0 && !(in ? store(o, t->at, data, n) : load(o, t->at, data, n)))
            return false;
    }
    t->at += n;
    return true;
}

/* --- transactions --- */

static unsigned direction(const struct ed *e, const struct td *t)
{
    unsigned d = ED_DIR(e->flags);

    return d == DIR_OUT || d == DIR_IN ? d : TD_DIR(t->flags);
}

static int answer(const struct ohci *o, const struct ed *e, enum usb_token token, uint8_t *data,
                  unsigned size)
{
    const struct usb_device *d = ohci_hub_find(o, ED_ADDRESS(e->flags));

    if (d == NULL)
        return USB_SILENT;
    return d->packet(d->opaque, token, ED_ENDPOINT(e->flags), data, size);
}

static unsigned refused(struct td *t, int why)
{
    if (why == USB_NAK)
        return CC_AGAIN;
    if (why == USB_STALL)
        return CC_STALL;
    if ((t->flags & TD_ERRORS) >= TD_ERROR * (TRIES - 1))
        return CC_SILENT;
    t->flags += TD_ERROR;
    return CC_AGAIN;
}

static void toggle(struct ed *e, struct td *t)
{
    bool last = t->flags & TD_OWN ? t->flags & TD_TOGGLE : e->head & ED_CARRY;

    t->flags = (t->flags & ~(TD_ERRORS | TD_TOGGLE)) | TD_OWN | (last ? 0 : TD_TOGGLE);
    e->head = (e->head & ~ED_CARRY) | (last ? 0 : ED_CARRY);
}

static unsigned receive(struct ohci *o, struct ed *e, struct td *t)
{
    uint8_t data[USB_PACKET_MAX];
    unsigned want = left(t), most = ED_SIZE(e->flags);
    int n = answer(o, e, USB_IN, data, sizeof data);

    if (n < 0)
        return refused(t, n);
    toggle(e, t);
    if ((unsigned)n > most || (unsigned)n > want) {
        unsigned fits = most < want ? most : want;
        return move(o, t, data, fits, true) ? CC_OVERRUN : CC_AGAIN;
    }
    if (!move(o, t, data, (unsigned)n, true))
        return CC_AGAIN;
    if ((unsigned)n == want) {
        t->at = 0;
        return CC_NONE;
    }
    if ((unsigned)n == most)
        return CC_AGAIN;
    return t->flags & TD_ROUNDING ? CC_NONE : CC_UNDERRUN;
}

static unsigned transmit(struct ohci *o, struct ed *e, struct td *t, enum usb_token token)
{
    uint8_t data[USB_PACKET_MAX] = {0};
    unsigned want = left(t), most = ED_SIZE(e->flags);
    struct td after = *t;
    unsigned n = want < most ? want : most;
    int taken;

    n = n < USB_PACKET_MAX ? n : USB_PACKET_MAX;
    if (!move(o, &after, data, n, false))
        return CC_AGAIN;
    taken = answer(o, e, token, data, n);
    if (taken < 0)
        return refused(t, taken);
    *t = after;
    toggle(e, t);
    if (n < want)
        return CC_AGAIN;
    t->at = 0;
    return CC_NONE;
}

static unsigned transact(struct ohci *o, struct ed *e, struct td *t)
{
    switch (direction(e, t)) {
    case DIR_SETUP:
        return transmit(o, e, t, USB_SETUP);
    case DIR_OUT:
        return transmit(o, e, t, USB_OUT);
    case DIR_IN:
        return receive(o, e, t);
    default:
        return CC_PID;
    }
}

/* --- transfers --- */

/* The done queue and its delay (5.2.9, 6.4.4.3). */
static void retire(struct ohci *o, struct ed *e, uint32_t addr, uint32_t *next, unsigned delay,
                   bool error)
{
    e->head = (*next & POINTER) | (e->head & ED_CARRY) | (error ? ED_HALTED : 0);
    *next = o->reg[HC_DONE_HEAD];
    o->reg[HC_DONE_HEAD] = addr;
    if (error)
        delay = 0;
    if (delay < o->delay)
        o->delay = delay;
    o->ignored = 0;
}

static void general(struct ohci *o, struct ed *e)
{
    uint32_t addr = e->head & POINTER;
    struct td t;
    unsigned cc;

    if (!load(o, addr, &t, sizeof t))
        return;
    cc = transact(o, e, &t);
    if (!ohci_running(o))
        return;
    if (cc != CC_AGAIN) {
        t.flags = (t.flags & ~TD_CC_MASK) | TD_CC(cc);
        retire(o, e, addr, &t.next, TD_DELAY(t.flags), cc != CC_NONE);
    }
    store(o, addr, &t, sizeof t);
}

/* Isochronous transfers (4.3.2): no device has such an endpoint, so a packet that is to come in
 * does not, and one that goes out is heard by nobody, which nobody notices. */
static void isochronous(struct ohci *o, struct ed *e)
{
    uint32_t addr = e->head & POINTER, td[ISO_SIZE / 4];
    int16_t n;

    if (!load(o, addr, td, sizeof td))
        return;
    n = (int16_t)(o->frame - td[0]);
    if (n < 0)
        return;
    if ((unsigned)n < ISO_COUNT(td[0])) {
        uint32_t status = ED_DIR(e->flags) == DIR_IN ? CC_SILENT << 12 : 0;
        td[4 + n / 2] &= n & 1 ? 0xffffu : 0xffff0000u;
        td[4 + n / 2] |= n & 1 ? status << 16 : status;
    }
    if ((unsigned)n + 1 >= ISO_COUNT(td[0])) {
        bool late = (unsigned)n >= ISO_COUNT(td[0]);
        td[0] = (td[0] & ~TD_CC_MASK) | TD_CC(late ? CC_OVERRUN : CC_NONE);
        retire(o, e, addr, &td[2], TD_DELAY(td[0]), false);
    }
    store(o, addr, td, sizeof td);
}

/* --- lists --- */

/* Looks at an endpoint and has its next packet sent. False: memory is not there. */
static bool visit(struct ohci *o, uint32_t addr, struct ed *e, bool *work)
{
    uint32_t head;

    *work = false;
    if (!load(o, addr, e, sizeof *e))
        return false;
    if ((e->flags & ED_SKIP) || (e->head & ED_HALTED) || !((e->head ^ e->tail) & POINTER))
        return true;
    *work = true;
    if ((e->flags & ED_ISO) && !(o->reg[HC_CONTROL] & CTL_ISOCHRONOUS))
        return true;
    head = e->head;
    if (e->flags & ED_ISO)
        isochronous(o, e);
    else
        general(o, e);
    if (ohci_running(o) && e->head != head)
        store(o, addr + 8, &e->head, sizeof e->head);
    return ohci_running(o);
}

static void periodic(struct ohci *o)
{
    uint32_t addr;
    struct ed e;
    bool work;

    if (!load(o, o->reg[HC_HCCA] + 4 * (o->frame & 31), &addr, sizeof addr))
        return;
    addr &= POINTER;
    for (unsigned n = 0; n < PERIODIC_LOOKS && addr != 0; n++) {
        if (!visit(o, addr, &e, &work))
            return;
        o->reg[HC_PERIOD_CURRENT] = addr;
        addr = e.next & POINTER;
    }
}

/* A list that is gone round as long as it is "filled" (6.4.3): finding work says so again. */
static void ring(struct ohci *o, unsigned head, unsigned current, uint32_t filled)
{
    struct ed e;
    bool work;

    for (unsigned n = 0; n < LOOKS; n++) {
        if (o->reg[current] == 0) {
            if (!(o->reg[HC_COMMAND_STATUS] & filled))
                return;
            o->reg[HC_COMMAND_STATUS] &= ~filled;
            o->reg[current] = o->reg[head];
            if (o->reg[current] == 0)
                return;
        }
        if (!visit(o, o->reg[current], &e, &work))
            return;
        if (work)
            o->reg[HC_COMMAND_STATUS] |= filled;
        o->reg[current] = e.next & POINTER;
    }
}

void ohci_lists(struct ohci *o)
{
    if (o->reg[HC_CONTROL] & CTL_PERIODIC)
        periodic(o);
    if (ohci_running(o) && (o->reg[HC_CONTROL] & CTL_CONTROL))
        ring(o, HC_CONTROL_HEAD, HC_CONTROL_CURRENT, CMD_CONTROL_FULL);
    if (ohci_running(o) && (o->reg[HC_CONTROL] & CTL_BULK))
        ring(o, HC_BULK_HEAD, HC_BULK_CURRENT, CMD_BULK_FULL);
}
