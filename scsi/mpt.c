/* The 53C1030's registers: doorbell and handshake, queues, interrupts, diagnostics, reset. */
#include "mpt_impl.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>

#define REG_DOORBELL       0x00u
#define REG_WRITE_SEQUENCE 0x04u
#define REG_DIAGNOSTIC     0x08u
#define REG_TEST_BASE      0x0cu
#define REG_DIAG_DATA      0x10u
#define REG_DIAG_ADDRESS   0x14u
#define REG_INT_STATUS     0x30u
#define REG_INT_MASK       0x34u
#define REG_REQUEST        0x40u
#define REG_REPLY          0x44u
#define REG_HIGH_PRIORITY  0x48u
#define REG_SPACE          0x20000u /* of each memory BAR */
#define PORT_SPACE         0x100u

#define DOORBELL_ACTIVE 0x08000000u
#define INT_REPLY       0x08u
#define INT_DOORBELL    0x01u

#define DB_UNIT_RESET    0x40u
#define DB_IO_UNIT_RESET 0x41u
#define DB_HANDSHAKE     0x42u
#define DB_REPLY_REMOVE  0x43u

#define DIAG_RESET_HISTORY 0x20u
#define DIAG_DRWE          0x80u
#define DIAG_RESET         0x04u
#define DIAG_WRITABLE      0x233u /* prevent boot, reset history, RW enable, ARM off, memory */

#define ADDRESS_REPLY 0x80000000u
#define NO_REPLY      0xffffffffu

/* --- interrupts --- */

static uint32_t int_status(const struct mpt *m)
{
    return (m->post.count > 0 ? INT_REPLY : 0) | (m->doorbell_int ? INT_DOORBELL : 0);
}

static void update_irq(struct mpt *m)
{
    pci_set_irq(m->pci, int_status(m) & ~m->int_mask);
}

/* --- queues --- */

static bool push(struct fifo *f, uint32_t value)
{
    if (f->count == FIFO_SIZE)
        return false;
    f->entry[(f->head + f->count++) % FIFO_SIZE] = value;
    return true;
}

static uint32_t pop(struct fifo *f)
{
    uint32_t value = f->entry[f->head % FIFO_SIZE];

    f->head++;
    f->count--;
    return value;
}

void mpt_set_fault(struct mpt *m, unsigned code)
{
    if (m->state == IOC_FAULT)
        return;
    log_info("SCSI adapter %u,%u: fault %#x", m->bus, m->device, code);
    m->state = IOC_FAULT;
    m->fault = (uint16_t)code;
}

/* Sends what waits, as far as there are frames and room. False when it must wait on. */
static bool send(struct mpt *m, const struct pending *p)
{
    uint64_t addr;
    uint32_t frame;

    if (m->post.count == FIFO_SIZE)
        return false;
    if (p->len == 0)
        return push(&m->post, p->context);
    if (m->free.count == 0)
        return false;
    frame = pop(&m->free);
    addr = (uint64_t)m->mfa_high << 32 | frame;
    if (pci_dma_write(m->pci, addr, p->data, p->len) != 0) {
        mpt_set_fault(m, FAULT_REPLY_BUS);
        return true;
    }
    return push(&m->post, ADDRESS_REPLY | frame >> 1);
}

static void send_pending(struct mpt *m)
{
    while (m->pending != NULL && send(m, m->pending)) {
        struct pending *p = m->pending;

        m->pending = p->next;
        if (m->pending == NULL)
            m->pending_last = &m->pending;
        m->pending_count--;
        free(p);
    }
    update_irq(m);
}

static void queue(struct mpt *m, const struct pending *reply)
{
    struct pending *p = m->pending_count < PENDING_MAX ? malloc(sizeof(*p)) : NULL;

    if (p == NULL) {
        mpt_set_fault(m, FAULT_NO_REPLIES);
        return;
    }
    *p = *reply;
    p->next = NULL;
    *m->pending_last = p;
    m->pending_last = &p->next;
    m->pending_count++;
    send_pending(m);
}

void mpt_post_context(struct mpt *m, uint32_t context)
{
    struct pending p = {.context = context};

    queue(m, &p);
}

/* Not more than the host said its frames can take. */
void mpt_post_reply(struct mpt *m, const uint8_t *reply, unsigned len)
{
    struct pending p = {.len = len < m->reply_size ? len : m->reply_size};

    memcpy(p.data, reply, p.len);
    queue(m, &p);
}

void mpt_reply_init(uint8_t *reply, const uint8_t *request, unsigned len, unsigned ioc_status)
{
    memset(reply, 0, REPLY_MAX);
    memcpy(reply, request, 12);
    reply[2] = (uint8_t)(len / 4);
    set16(reply + 14, ioc_status);
}

void mpt_reply(struct mpt *m, const uint8_t *reply, unsigned len)
{
    if (!m->in_handshake) {
        mpt_post_reply(m, reply, len);
        return;
    }
    memcpy(m->hs_reply, reply, len);
    m->hs_size = len / 2;
    m->hs_index = 0;
}

/* --- reset --- */

static void drop_pending(struct mpt *m)
{
    while (m->pending != NULL) {
        struct pending *p = m->pending;
        m->pending = p->next;
        free(p);
    }
    m->pending_last = &m->pending;
    m->pending_count = 0;
}

/* Message unit reset: queues empty, ready for IOC_INIT. */
void mpt_reset_messages(struct mpt *m)
{
    mpt_drop_all(m);
    drop_pending(m);
    m->free.count = m->post.count = 0;
    m->doorbell = DB_IDLE;
    m->doorbell_int = false;
    m->state = IOC_READY;
    m->fault = 0;
    m->who_init = m->max_devices = m->max_buses = 0;
    m->reply_size = 0;
    m->mfa_high = m->sense_high = 0;
    m->events = false;
    update_irq(m);
}

static void hard_reset(struct mpt *m, bool power)
{
    mpt_reset_messages(m);
    mpt_settings_init(m);
    mpt_bus_reset(m, power);
    m->int_mask = INT_REPLY | INT_DOORBELL;
    m->sequence = 0;
    m->diagnostic = power ? 0 : DIAG_RESET_HISTORY;
    m->diag_address = 0;
    update_irq(m);
}

/* --- doorbell --- */

static uint32_t read_doorbell(const struct mpt *m)
{
    uint32_t v = (uint32_t)m->state << 28 | (uint32_t)m->who_init << 24;

    if (m->state == IOC_FAULT)
        v |= m->fault;
    if (m->doorbell != DB_IDLE)
        v |= DOORBELL_ACTIVE;
    if (m->doorbell == DB_REPLY && m->hs_index < m->hs_size)
        v = (v & 0xffff0000u) | le16(m->hs_reply + 2 * m->hs_index);
    return v;
}

/* All words of a handshake are here. A message without a reply of its own (task management answers
 * through the queue) ends the handshake at once. */
static void handshake_complete(struct mpt *m)
{
    uint8_t frame[4 * HANDSHAKE_MAX] = {0};
    enum ioc_state before = m->state;

    for (unsigned i = 0; i < m->hs_count; i++)
        set32(frame + 4 * i, m->hs_request[i]);
    m->hs_size = m->hs_index = 0;
    m->in_handshake = true;
    if (before == IOC_READY || before == IOC_OPERATIONAL)
        mpt_message(m, frame, 4 * m->hs_count);
    m->in_handshake = false;
    m->doorbell = m->hs_size > 0 ? DB_REPLY : DB_IDLE;
    m->doorbell_int = true;
}

static void begin_handshake(struct mpt *m, uint32_t value)
{
    m->hs_expected = value >> 16 & 0xff;
    m->hs_count = 0;
    m->doorbell = DB_REQUEST;
    m->doorbell_int = true;
    if (m->hs_expected == 0)
        handshake_complete(m);
}

static void write_doorbell(struct mpt *m, uint32_t value)
{
    if (m->doorbell == DB_REQUEST) {
        m->hs_request[m->hs_count++] = value;
        if (m->hs_count >= m->hs_expected)
            handshake_complete(m);
        return;
    }
    if (m->doorbell == DB_REPLY)
        return;
    switch (value >> 24) {
    case DB_UNIT_RESET:
        if (m->state != IOC_FAULT)
            mpt_reset_messages(m);
        break;
    case DB_IO_UNIT_RESET:
        mpt_reset_messages(m);
        mpt_bus_reset(m, false);
        break;
    case DB_HANDSHAKE:
        begin_handshake(m, value);
        break;
    case DB_REPLY_REMOVE:
        m->free.count = 0;
        break;
    default:
        break;
    }
}

/* Clears the doorbell interrupt; during a reply that asks for the next word, and after the last
 * one the interrupt comes once more, to say that the doorbell is free. */
static void acknowledge_doorbell(struct mpt *m)
{
    m->doorbell_int = false;
    if (m->doorbell != DB_REPLY)
        return;
    m->hs_index++;
    if (m->hs_index >= m->hs_size)
        m->doorbell = DB_IDLE;
    m->doorbell_int = true;
}

/* --- requests --- */

static void request(struct mpt *m, uint32_t mfa)
{
    uint8_t frame[FRAME_SIZE];

    if (m->state != IOC_OPERATIONAL) {
        if (log_once("mpt request", m->device))
            log_info("SCSI adapter %u,%u: a request before the adapter is operational", m->bus,
                     m->device);
        return;
    }
    if (pci_dma_read(m->pci, (uint64_t)m->mfa_high << 32 | (mfa & ~7u), frame, FRAME_SIZE) != 0)
        mpt_set_fault(m, FAULT_REQUEST_BUS);
    else
        mpt_message(m, frame, FRAME_SIZE);
}

static uint32_t read_reply(struct mpt *m)
{
    uint32_t value = m->post.count > 0 ? pop(&m->post) : NO_REPLY;

    send_pending(m);
    return value;
}

/* --- diagnostics --- */

static void write_sequence(struct mpt *m, uint32_t value)
{
    static const uint8_t keys[] = {4, 11, 2, 7, 13};

    m->diagnostic &= ~DIAG_DRWE;
    if ((value & 15) != keys[m->sequence]) {
        m->sequence = (value & 15) == keys[0];
        return;
    }
    if (++m->sequence < sizeof(keys))
        return;
    m->sequence = 0;
    m->diagnostic |= DIAG_DRWE;
}

static void write_diagnostic(struct mpt *m, uint32_t value)
{
    if (!(m->diagnostic & DIAG_DRWE))
        return;
    if (value & DIAG_RESET) {
        hard_reset(m, false);
        return;
    }
    m->diagnostic = (m->diagnostic & ~DIAG_WRITABLE) | (value & DIAG_WRITABLE);
}

/* --- accesses --- */

static uint64_t reg_read(void *opaque, uint64_t offset, unsigned size)
{
    struct mpt *m = opaque;

    (void)size;
    switch (offset) {
    case REG_DOORBELL:
        return read_doorbell(m);
    case REG_DIAGNOSTIC:
        return m->diagnostic;
    case REG_DIAG_DATA:
        m->diag_address += 4;
        return 0;
    case REG_DIAG_ADDRESS:
        return m->diag_address;
    case REG_INT_STATUS:
        return int_status(m);
    case REG_INT_MASK:
        return m->int_mask;
    case REG_REQUEST:
    case REG_HIGH_PRIORITY:
        return NO_REPLY;
    case REG_REPLY:
        return read_reply(m);
    default:
        return 0;
    }
}

static void reg_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct mpt *m = opaque;
    uint32_t v = (uint32_t)value;

    (void)size;
    switch (offset) {
    case REG_DOORBELL:
        write_doorbell(m, v);
        break;
    case REG_WRITE_SEQUENCE:
        write_sequence(m, v);
        break;
    case REG_DIAGNOSTIC:
        write_diagnostic(m, v);
        break;
    case REG_DIAG_DATA:
        m->diag_address += 4;
        break;
    case REG_DIAG_ADDRESS:
        m->diag_address = v;
        break;
    case REG_INT_STATUS:
        acknowledge_doorbell(m);
        break;
    case REG_INT_MASK:
        m->int_mask = v & (INT_REPLY | INT_DOORBELL);
        break;
    case REG_REQUEST:
    case REG_HIGH_PRIORITY:
        request(m, v);
        break;
    case REG_REPLY:
        if (!push(&m->free, v & ~1u) && log_once("mpt reply frames", m->device))
            log_info("SCSI adapter %u,%u: too many reply frames", m->bus, m->device);
        send_pending(m);
        break;
    default:
        break;
    }
    update_irq(m);
}

/* The diagnostic memory behind the second memory BAR: none. */
static uint64_t memory_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    (void)offset;
    (void)size;
    return 0;
}

static void memory_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque;
    (void)offset;
    (void)value;
    (void)size;
}

/* --- the function --- */

static void power_on(void *opaque)
{
    hard_reset(opaque, true);
}

/* Power management without states that matter, PCI-X with small limits. */
static void add_capabilities(struct pci_function *f)
{
    unsigned pm = pci_capability(f, 0x01, 8), pcix = pci_capability(f, 0x07, 8);

    pci_set16(f, pm + 2, 0x0602); /* version 2, D1 and D2 */
    pci_writable(f, pm + 4, 0x00000003);
    pci_set16(f, pcix + 2, 0x0008);
    pci_writable(f, pcix, 0x007f0000);
    pci_set32(f, pcix + 4, 0x00130000); /* 64 bits, 133 MHz */
}

static int add_function(struct mpt *m, struct pci *pci)
{
    struct pci_function_config config = {
        .vendor = 0x1000,
        .device = 0x0030,
        .subsystem_vendor = 0x1000,
        .subsystem = 0x1000,
        .class_code = 0x010000,
        .revision = 0x08, /* C0 */
        .pin = 1,
        .min_grant = 0x11,
        .max_latency = 0x12,
        .bar = {{PCI_BAR_IO, false, PORT_SPACE, reg_read, reg_write},
                {PCI_BAR_MEM64, false, REG_SPACE, reg_read, reg_write},
                {0},
                {PCI_BAR_MEM64, false, REG_SPACE, memory_read, memory_write}},
        .opaque = m,
        .reset = power_on,
    };
    int err = pci_add(pci, m->bus, m->device, 0, &config, &m->pci);

    if (err == 0)
        add_capabilities(m->pci);
    return err;
}

struct mpt *mpt_new(const struct mpt_config *config, int *err)
{
    struct mpt *m = calloc(1, sizeof(*m));

    *err = -ENOMEM;
    if (m == NULL)
        return NULL;
    m->io = config->io;
    m->wwn = config->wwn;
    m->initiator = config->initiator;
    m->bus = config->bus;
    m->device = config->device;
    m->pending_last = &m->pending;
    *err = add_function(m, config->pci);
    if (*err != 0) {
        free(m);
        return NULL;
    }
    hard_reset(m, true);
    return m;
}

void mpt_free(struct mpt *m)
{
    if (m == NULL)
        return;
    mpt_drop_all(m);
    drop_pending(m);
    free(m);
}

int mpt_attach(struct mpt *m, unsigned id, struct scsi_target *t)
{
    if (id >= MPT_TARGETS)
        return -EINVAL;
    if (t != NULL && m->target[id] != NULL)
        return -EEXIST;
    m->target[id] = t;
    return 0;
}

struct scsi_target *mpt_target(struct mpt *m, unsigned id)
{
    return id < MPT_TARGETS ? m->target[id] : NULL;
}

struct mpt_figures mpt_figures(const struct mpt *m)
{
    return m->figures;
}
