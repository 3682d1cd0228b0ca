/* See iosapic.h. */
#include "iosapic.h"
#include "archive.h"

#include <stdlib.h>

#define OFF_SELECT 0x00u
#define OFF_WINDOW 0x10u
#define OFF_EOI    0x40u

#define REG_ID      0x00u
#define REG_VERSION 0x01u
#define REG_RTE     0x10u /* two registers per entry, low half first */

#define VERSION 0x20u

#define RTE_VECTOR     0xffull
#define RTE_MODE_SHIFT 8
#define RTE_STATUS     (1ull << 12) /* delivery pending: never seen, delivery is immediate */
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LEVEL      (1ull << 15)
#define RTE_MASK       (1ull << 16)
#define RTE_READ_ONLY  (RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_IMPLD      (0x1ffffull | 0xffffull << 48)
#define RTE_EID_SHIFT  48
#define RTE_ID_SHIFT   56

struct iosapic {
    unsigned pins;
    iosapic_deliver_fn *deliver;
    void *opaque;
    uint32_t id;
    uint8_t select;
    uint64_t rte[IOSAPIC_MAX_PINS];
    bool level[IOSAPIC_MAX_PINS];
};

static void send(struct iosapic *s, uint64_t rte)
{
    s->deliver(s->opaque, (rte >> RTE_ID_SHIFT) & 0xff, (rte >> RTE_EID_SHIFT) & 0xff,
               (rte >> RTE_MODE_SHIFT) & 7, rte & RTE_VECTOR);
}

/* Sends a level interrupt that is asserted, enabled and not yet sent since its last EOI. */
static void service_level(struct iosapic *s, unsigned pin)
{
    uint64_t rte = s->rte[pin];

    if (!(rte & RTE_LEVEL) || (rte & (RTE_MASK | RTE_REMOTE_IRR)) || !s->level[pin])
        return;
    s->rte[pin] |= RTE_REMOTE_IRR;
    send(s, rte);
}

void iosapic_set(void *opaque, int pin, int level)
{
    struct iosapic *s = opaque;
    bool rises;

    if (pin < 0 || (unsigned)pin >= s->pins)
        return;
    rises = level && !s->level[pin];
    s->level[pin] = level != 0;
    if (s->rte[pin] & RTE_LEVEL)
        service_level(s, (unsigned)pin);
    else if (rises && !(s->rte[pin] & RTE_MASK))
        send(s, s->rte[pin]); /* an edge on a masked input is lost */
}

struct irq_line iosapic_line(struct iosapic *s, unsigned pin)
{
    return (struct irq_line){.set = iosapic_set, .opaque = s, .n = (int)pin};
}

static void eoi(struct iosapic *s, unsigned vector)
{
    for (unsigned pin = 0; pin < s->pins; pin++) {
        if ((s->rte[pin] & RTE_VECTOR) != vector || !(s->rte[pin] & RTE_REMOTE_IRR))
            continue;
        s->rte[pin] &= ~RTE_REMOTE_IRR;
        service_level(s, pin);
    }
}

/* Entry number of a window register, or pins if it is none. */
static unsigned rte_index(const struct iosapic *s)
{
    unsigned index = (s->select - REG_RTE) / 2u;

    return s->select >= REG_RTE && index < s->pins ? index : s->pins;
}

static uint32_t read_window(const struct iosapic *s)
{
    unsigned pin = rte_index(s);

    if (pin < s->pins)
        return (uint32_t)(s->rte[pin] >> (s->select & 1 ? 32 : 0));
    switch (s->select) {
    case REG_ID:
        return s->id;
    case REG_VERSION:
        return VERSION | (s->pins - 1) << 16;
    default:
        return 0;
    }
}

static void write_rte(struct iosapic *s, unsigned pin, uint32_t value)
{
    unsigned shift = s->select & 1 ? 32 : 0;
    uint64_t half = 0xffffffffull << shift;
    uint64_t writable = half & RTE_IMPLD & ~RTE_READ_ONLY;
    uint64_t rte = (s->rte[pin] & ~writable) | ((uint64_t)value << shift & writable);

    if (!(rte & RTE_LEVEL))
        rte &= ~RTE_REMOTE_IRR; /* has a meaning for level interrupts only */
    s->rte[pin] = rte;
    service_level(s, pin);
}

static void write_window(struct iosapic *s, uint32_t value)
{
    unsigned pin = rte_index(s);

    if (pin < s->pins)
        write_rte(s, pin, value);
    else if (s->select == REG_ID)
        s->id = value & 0x0f000000;
}

/* The registers are 32 bits wide at 16-byte steps; other offsets are empty. */
uint64_t iosapic_read(void *opaque, uint64_t offset, unsigned size)
{
    struct iosapic *s = opaque;

    (void)size;
    switch (offset) {
    case OFF_SELECT:
        return s->select;
    case OFF_WINDOW:
        return read_window(s);
    default:
        return 0;
    }
}

void iosapic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct iosapic *s = opaque;

    (void)size;
    switch (offset) {
    case OFF_SELECT:
        s->select = (uint8_t)value;
        break;
    case OFF_WINDOW:
        write_window(s, (uint32_t)value);
        break;
    case OFF_EOI:
        eoi(s, value & RTE_VECTOR);
        break;
    default:
        break;
    }
}

void iosapic_reset(struct iosapic *s)
{
    s->id = 0;
    s->select = 0;
    for (unsigned pin = 0; pin < s->pins; pin++)
        s->rte[pin] = RTE_MASK;
}

struct iosapic *iosapic_new(unsigned pins, iosapic_deliver_fn *deliver, void *opaque)
{
    struct iosapic *s;

    if (pins == 0 || pins > IOSAPIC_MAX_PINS)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->pins = pins;
    s->deliver = deliver;
    s->opaque = opaque;
    iosapic_reset(s);
    return s;
}

void iosapic_free(struct iosapic *s)
{
    free(s);
}

static const struct archive_field fields[] = {
    ARCHIVE_FIELD(struct iosapic, id),
    ARCHIVE_FIELD(struct iosapic, select),
    ARCHIVE_FIELD(struct iosapic, rte),
    ARCHIVE_FIELD(struct iosapic, level),
};

void iosapic_state(struct iosapic *s, struct archive *st)
{
    archive_fields(st, s, fields, sizeof(fields) / sizeof(fields[0]));
}
