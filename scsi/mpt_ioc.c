/* Messages about the adapter itself: facts, start, events; and the dispatch of all messages. */
#include "mpt_impl.h"
#include "log.h"

#define MSG_VERSION 0x0102u
#define FW_VERSION  0x01032346u
#define PRODUCT_ID  0x0104u /* SCSI initiator, 1030 C0 */
#define CHAIN_DEPTH 34u

#define CONTINUATION 0x80u

static void ioc_facts(struct mpt *m, const uint8_t *frame)
{
    uint8_t r[REPLY_MAX];

    mpt_reply_init(r, frame, 0x3c, IOC_SUCCESS);
    set16(r + 0x00, MSG_VERSION);
    set16(r + 0x04, 0);
    r[0x06] = 0; /* IOC number */
    r[0x14] = CHAIN_DEPTH;
    r[0x15] = m->who_init;
    r[0x16] = 8; /* block size, in double words */
    r[0x17] = 0; /* flags: no firmware to download */
    set16(r + 0x18, REPLY_DEPTH);
    set16(r + 0x1a, FRAME_SIZE / 4);
    set16(r + 0x1c, FW_VERSION >> 16);
    set16(r + 0x1e, PRODUCT_ID);
    set32(r + 0x20, m->mfa_high);
    set16(r + 0x24, CREDITS);
    r[0x26] = 1; /* ports */
    r[0x27] = m->events;
    set32(r + 0x28, m->sense_high);
    set16(r + 0x2c, m->reply_size);
    r[0x2e] = MPT_IDS;
    r[0x2f] = 1;        /* buses */
    set32(r + 0x30, 0); /* no firmware image */
    set32(r + 0x34, 0);
    set32(r + 0x38, FW_VERSION);
    mpt_reply(m, r, 0x3c);
}

static void port_facts(struct mpt *m, const uint8_t *frame)
{
    bool there = frame[6] == 0;
    uint8_t r[REPLY_MAX];

    mpt_reply_init(r, frame, 0x28, there ? IOC_SUCCESS : IOC_INVALID_FIELD);
    if (there) {
        r[0x15] = 1; /* SCSI */
        set16(r + 0x16, MPT_IDS);
        set16(r + 0x18, MPT_HOST_ID);
        set16(r + 0x1a, 0x08); /* initiator */
    }
    mpt_reply(m, r, 0x28);
}

/* Reply frames shorter than a default reply cannot be used. */
static void ioc_init(struct mpt *m, const uint8_t *frame)
{
    uint32_t reply_size = le16(frame + 0x0c);
    unsigned status = IOC_SUCCESS;
    uint8_t r[REPLY_MAX];

    if (m->state != IOC_READY)
        status = IOC_INVALID_STATE;
    else if (reply_size < 0x14 || frame[0] == 0 || frame[0] > 5)
        status = IOC_INVALID_FIELD;
    if (status == IOC_SUCCESS) {
        m->who_init = frame[0];
        m->max_devices = frame[5];
        m->max_buses = frame[6];
        m->reply_size = reply_size < REPLY_MAX ? reply_size : REPLY_MAX;
        m->mfa_high = le32(frame + 0x10);
        m->sense_high = le32(frame + 0x14);
        m->state = IOC_OPERATIONAL;
    }
    mpt_reply_init(r, frame, 0x14, status);
    mpt_reply(m, r, 0x14);
}

static void port_enable(struct mpt *m, const uint8_t *frame)
{
    uint8_t r[REPLY_MAX];
    unsigned status = m->state != IOC_OPERATIONAL ? IOC_INVALID_STATE
                      : frame[6] != 0             ? IOC_INVALID_FIELD
                                                  : IOC_SUCCESS;

    mpt_reply_init(r, frame, 0x14, status);
    mpt_reply(m, r, 0x14);
}

/* --- events --- */

static unsigned event_reply(struct mpt *m, uint8_t *r, const uint8_t *frame, uint32_t event,
                            uint32_t data)
{
    mpt_reply_init(r, frame, 0x20, IOC_SUCCESS);
    set16(r, 1); /* double words of data */
    r[4] = r[5] = r[6] = 0;
    set32(r + 8, m->event_context);
    set32(r + 0x14, event);
    set32(r + 0x18, m->event_number);
    set32(r + 0x1c, data);
    return 0x20;
}

void mpt_event(struct mpt *m, uint32_t event, uint32_t data)
{
    uint8_t r[REPLY_MAX], head[12] = {0};

    if (!m->events || m->state != IOC_OPERATIONAL)
        return;
    m->event_number++;
    head[3] = FN_EVENT_NOTIFICATION;
    event_reply(m, r, head, event, data);
    r[7] = CONTINUATION;
    mpt_post_reply(m, r, 0x20);
}

/* The request stays open while events are on: all its replies but the last are continuations. */
static void event_notification(struct mpt *m, const uint8_t *frame)
{
    uint8_t r[REPLY_MAX];

    m->events = frame[0] == 1;
    m->event_context = le32(frame + 8);
    event_reply(m, r, frame, EVENT_EVENT_CHANGE, m->events);
    r[7] = m->events ? CONTINUATION : 0;
    mpt_reply(m, r, 0x20);
}

static void event_ack(struct mpt *m, const uint8_t *frame)
{
    uint8_t r[REPLY_MAX];

    mpt_reply_init(r, frame, 0x14, IOC_SUCCESS);
    mpt_reply(m, r, 0x14);
}

/* --- dispatch --- */

/* Everything else: integrated RAID, target mode, Fibre Channel, firmware transfers. */
static void refuse(struct mpt *m, const uint8_t *frame)
{
    uint8_t r[REPLY_MAX];

    if (log_once("mpt function", frame[3]))
        log_info("SCSI adapter: message function %#x is not there", frame[3]);
    mpt_reply_init(r, frame, 0x14, IOC_INVALID_FUNCTION);
    mpt_reply(m, r, 0x14);
}

/* Bytes a message must have to be read. */
static const struct {
    uint8_t function;
    uint8_t least;
    bool operational;
    void (*run)(struct mpt *m, const uint8_t *frame);
} messages[] = {
    {FN_SCSI_IO, 0x30, true, mpt_scsi_io},
    {FN_SCSI_TASK_MGMT, 0x34, true, mpt_task_mgmt},
    {FN_IOC_INIT, 0x18, false, ioc_init},
    {FN_IOC_FACTS, 0x0c, false, ioc_facts},
    {FN_CONFIG, 0x1c, false, mpt_config},
    {FN_PORT_FACTS, 0x0c, false, port_facts},
    {FN_PORT_ENABLE, 0x0c, false, port_enable},
    {FN_EVENT_NOTIFICATION, 0x0c, true, event_notification},
    {FN_EVENT_ACK, 0x14, true, event_ack},
};

static void fail(struct mpt *m, const uint8_t *frame, unsigned status)
{
    uint8_t r[REPLY_MAX];

    mpt_reply_init(r, frame, 0x14, status);
    mpt_reply(m, r, 0x14);
}

void mpt_message(struct mpt *m, const uint8_t *frame, unsigned size)
{
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        if (messages[i].function != frame[3])
            continue;
        if (size < messages[i].least)
            fail(m, frame, IOC_INVALID_FIELD);
        else if (messages[i].operational && m->state != IOC_OPERATIONAL)
            fail(m, frame, IOC_INVALID_STATE);
        else
            messages[i].run(m, frame);
        return;
    }
    refuse(m, frame);
}
