/* SCSI commands and task management of the 53C1030. */
#include "mpt_impl.h"

#include <stdlib.h>

/* Fields of a SCSI IO request. */
#define IO_TARGET       0x00u
#define IO_BUS          0x01u
#define IO_CDB_LENGTH   0x04u
#define IO_SENSE_LENGTH 0x05u
#define IO_MSG_FLAGS    0x07u
#define IO_CONTEXT      0x08u
#define IO_LUN          0x0cu
#define IO_CONTROL      0x14u
#define IO_CDB          0x18u
#define IO_DATA_LENGTH  0x28u
#define IO_SENSE_ADDR   0x2cu
#define IO_SGL          0x30u
#define IO_REPLY_SIZE   0x24u

#define SENSE_IN_IOC 0x02u /* message flag: keep the sense data */

#define CONTROL_WRITE 0x01000000u
#define CONTROL_READ  0x02000000u

/* Scatter-gather elements. */
#define SGE_SIMPLE      0x10u
#define SGE_CHAIN       0x30u
#define SGE_TYPE        0x30u
#define SGE_64          0x02u
#define SGE_END_OF_LIST 0x01u

#define STATE_AUTOSENSE  0x01u
#define STATE_NO_STATUS  0x04u
#define STATE_TERMINATED 0x08u

#define NO_REPLY_DISABLE 0x10u /* IOC page 1: no context replies */

/* --- scatter-gather lists --- */

static bool element(const uint8_t *p, size_t left, uint64_t *addr, size_t *size)
{
    bool wide;

    if (left < 8)
        return false;
    wide = p[3] & SGE_64;
    *size = wide ? 12 : 8;
    if (left < *size)
        return false;
    *addr = wide ? le64(p + 4) : le32(p + 4);
    return true;
}

bool mpt_simple_element(const uint8_t *p, size_t left, struct segment *out)
{
    size_t size;

    if (!element(p, left, &out->addr, &size) || (p[3] & SGE_TYPE) != SGE_SIMPLE)
        return false;
    out->len = le32(p) & 0xffffff;
    return true;
}

#define FIRST_SEGMENTS 16u

/* The array doubles whenever it is full. */
static bool grow(struct mpt_io *io)
{
    bool full = io->count == 0 || (io->count >= FIRST_SEGMENTS && !(io->count & (io->count - 1)));
    size_t n = io->count != 0 ? 2u * io->count : FIRST_SEGMENTS;
    struct segment *s;

    if (!full)
        return true;
    s = realloc(io->segments, n * sizeof(*s));
    if (s != NULL)
        io->segments = s;
    return s != NULL;
}

static bool add_segment(struct mpt_io *io, uint64_t addr, uint32_t len)
{
    if (len == 0)
        return true;
    if (io->count == MAX_SEGMENTS || !grow(io))
        return false;
    io->segments[io->count++] = (struct segment){addr, len};
    return true;
}

/* Walks the list until it has `want` bytes or ends. Chains are followed by their elements; a list
 * that loops ends by the number of chains. */
static bool walk(struct mpt_io *io, const uint8_t *p, size_t left, uint64_t want)
{
    static _Thread_local uint8_t chain[65536];
    struct mpt *m = io->mpt;
    unsigned chains = 0;
    uint64_t total = 0;

    while (total < want) {
        uint64_t addr;
        size_t size;
        unsigned flags;

        if (!element(p, left, &addr, &size))
            return false;
        flags = p[3];
        if ((flags & SGE_TYPE) == SGE_CHAIN) {
            size_t n = le16(p);
            if (++chains > MAX_CHAINS || pci_dma_read(m->pci, addr, chain, n) != 0)
                return false;
            p = chain;
            left = n;
            continue;
        }
        if ((flags & SGE_TYPE) != SGE_SIMPLE)
            return false;
        uint32_t len = le32(p) & 0xffffff;
        if (len > want - total)
            len = (uint32_t)(want - total);
        if (!add_segment(io, addr, len))
            return false;
        total += len;
        if (flags & SGE_END_OF_LIST)
            break;
        p += size;
        left -= size;
    }
    return total == want;
}

static bool take_data(struct mpt_io *io)
{
    uint8_t *p = io->request.data;

    for (unsigned i = 0; i < io->count; i++) {
        if (pci_dma_read(io->mpt->pci, io->segments[i].addr, p, io->segments[i].len) != 0)
            return false;
        p += io->segments[i].len;
    }
    return true;
}

static bool give_data(struct mpt_io *io, uint32_t left)
{
    const uint8_t *p = io->request.data;

    for (unsigned i = 0; i < io->count && left > 0; i++) {
        uint32_t n = io->segments[i].len < left ? io->segments[i].len : left;
        if (pci_dma_write(io->mpt->pci, io->segments[i].addr, p, n) != 0)
            return false;
        p += n;
        left -= n;
    }
    return true;
}

/* --- ends of commands --- */

static void unlink_io(struct mpt_io *io)
{
    *io->link = io->next;
    if (io->next != NULL)
        io->next->link = io->link;
    io->mpt->io_count--;
    io->mpt->io_bytes -= io->buffer_size;
}

static void free_io(struct mpt_io *io)
{
    unlink_io(io);
    free(io->segments);
    free(io->request.data);
    free(io);
}

static void reply_status(struct mpt *m, const uint8_t *frame, unsigned ioc_status, unsigned state)
{
    uint8_t r[REPLY_MAX];

    mpt_reply_init(r, frame, IO_REPLY_SIZE, ioc_status);
    r[0x0d] = (uint8_t)state;
    set16(r + 0x20, 0xffff); /* task tag: unknown */
    mpt_post_reply(m, r, IO_REPLY_SIZE);
}

/* Sense data to the host's buffer; false when that is not to be. */
static bool give_sense(struct mpt_io *io, unsigned *count)
{
    uint64_t addr = (uint64_t)io->mpt->sense_high << 32 | le32(io->frame + IO_SENSE_ADDR);
    unsigned n = io->request.sense_length;

    if (n > io->frame[IO_SENSE_LENGTH])
        n = io->frame[IO_SENSE_LENGTH];
    *count = n;
    if (n == 0 || (io->frame[IO_MSG_FLAGS] & SENSE_IN_IOC))
        return n != 0;
    return pci_dma_write(io->mpt->pci, addr, io->request.sense, n) == 0;
}

static void reply_full(struct mpt_io *io, unsigned ioc_status)
{
    const struct scsi_request *q = &io->request;
    uint8_t r[REPLY_MAX];
    unsigned sense = 0;

    mpt_reply_init(r, io->frame, IO_REPLY_SIZE, ioc_status);
    r[0x0c] = q->status;
    set32(r + 0x14, q->transferred);
    if (q->sense_length != 0 && give_sense(io, &sense)) {
        r[0x0d] = STATE_AUTOSENSE;
        set32(r + 0x18, sense);
    }
    set16(r + 0x20, 0xffff);
    mpt_post_reply(io->mpt, r, IO_REPLY_SIZE);
}

/* A command without anything to tell needs no reply frame, only its context; contexts that do not
 * fit beside the type bits do. */
static bool context_reply_possible(const struct mpt_io *io)
{
    return !(le32(io->frame + IO_CONTEXT) & 0xe0000000u) &&
           !(io->mpt->settings.ioc1[0] & NO_REPLY_DISABLE);
}

static void account(struct mpt_io *io)
{
    struct mpt_figures *f = &io->mpt->figures;

    f->commands++;
    if (io->request.direction == SCSI_DATA_IN)
        f->bytes_read += io->request.transferred;
    else if (io->request.direction == SCSI_DATA_OUT)
        f->bytes_written += io->request.transferred;
}

static void report(struct mpt_io *io)
{
    const struct scsi_request *q = &io->request;
    unsigned status = IOC_SUCCESS;

    if (q->direction == SCSI_DATA_IN && !give_data(io, q->transferred))
        status = IOC_SCSI_IO_DATA_ERROR;
    else if (q->direction != SCSI_NO_DATA && q->transferred < le32(io->frame + IO_DATA_LENGTH))
        status = IOC_SCSI_DATA_UNDERRUN;
    if (status == IOC_SUCCESS && q->status == SCSI_GOOD && context_reply_possible(io))
        mpt_post_context(io->mpt, le32(io->frame + IO_CONTEXT));
    else
        reply_full(io, status);
}

static void tasks_progress(struct mpt *m);

static void done(struct scsi_request *q)
{
    struct mpt_io *io = q->opaque;
    struct mpt *m = io->mpt;
    bool aborted = io->aborted;

    account(io);
    if (aborted && !io->dropped)
        reply_status(m, io->frame, IOC_SCSI_TASK_TERMINATED, STATE_NO_STATUS | STATE_TERMINATED);
    else if (!io->dropped)
        report(io);
    free_io(io);
    if (aborted)
        tasks_progress(m);
}

/* --- starts of commands --- */

static enum scsi_direction direction(const uint8_t *frame)
{
    uint32_t control = le32(frame + IO_CONTROL);

    if (le32(frame + IO_DATA_LENGTH) == 0)
        return SCSI_NO_DATA;
    if (control & CONTROL_READ)
        return SCSI_DATA_IN;
    return control & CONTROL_WRITE ? SCSI_DATA_OUT : SCSI_NO_DATA;
}

static enum scsi_attribute attribute(const uint8_t *frame)
{
    switch (le32(frame + IO_CONTROL) >> 8 & 7) {
    case 1:
        return SCSI_HEAD_OF_QUEUE;
    case 2:
        return SCSI_ORDERED;
    default:
        return SCSI_SIMPLE;
    }
}

/* What is wrong with the address or the frame; IOC_SUCCESS if nothing. */
static unsigned frame_status(const struct mpt *m, const uint8_t *frame)
{
    if (frame[IO_BUS] != 0)
        return IOC_SCSI_INVALID_BUS;
    if (frame[IO_TARGET] >= MPT_IDS)
        return IOC_SCSI_INVALID_TARGETID;
    if (m->target[frame[IO_TARGET]] == NULL)
        return IOC_SCSI_DEVICE_NOT_THERE;
    if (frame[IO_CDB_LENGTH] == 0 || frame[IO_CDB_LENGTH] > SCSI_CDB_SIZE)
        return IOC_INVALID_FIELD;
    return m->io_count < IOS_MAX ? IOC_SUCCESS : IOC_INSUFFICIENT_RESOURCES;
}

static struct mpt_io *new_io(struct mpt *m, const uint8_t *frame)
{
    struct mpt_io *io = calloc(1, sizeof(*io));
    uint32_t len = le32(frame + IO_DATA_LENGTH);

    if (io == NULL)
        return NULL;
    memcpy(io->frame, frame, sizeof(io->frame));
    io->request.direction = direction(frame);
    if (io->request.direction != SCSI_NO_DATA) {
        io->buffer_size = len < SCSI_MAX_TRANSFER ? len : SCSI_MAX_TRANSFER;
        io->request.data = malloc(io->buffer_size);
        if (io->request.data == NULL) {
            free(io);
            return NULL;
        }
    }
    io->mpt = m;
    io->next = m->ios;
    io->link = &m->ios;
    if (io->next != NULL)
        io->next->link = &io->next;
    m->ios = io;
    m->io_count++;
    m->io_bytes += io->buffer_size;
    return io;
}

static bool lun_zero(const uint8_t *frame)
{
    static const uint8_t zeros[8];

    return memcmp(frame + IO_LUN, zeros, sizeof(zeros)) == 0;
}

static void fill_request(struct mpt_io *io)
{
    struct scsi_request *q = &io->request;

    memcpy(q->cdb, io->frame + IO_CDB, io->frame[IO_CDB_LENGTH]);
    q->initiator = io->mpt->initiator;
    q->lun0 = lun_zero(io->frame);
    q->attribute = attribute(io->frame);
    q->length = io->buffer_size;
    q->opaque = io;
    q->done = done;
}

static bool prepare(struct mpt_io *io, const uint8_t *frame)
{
    if (io->buffer_size == 0)
        return true;
    if (!walk(io, frame + IO_SGL, FRAME_SIZE - IO_SGL, io->buffer_size))
        return false;
    return io->request.direction != SCSI_DATA_OUT || take_data(io);
}

void mpt_scsi_io(struct mpt *m, const uint8_t *frame)
{
    unsigned status = frame_status(m, frame);
    struct mpt_io *io;

    if (status != IOC_SUCCESS) {
        reply_status(m, frame, status, STATE_NO_STATUS);
        return;
    }
    io = new_io(m, frame);
    if (io == NULL) {
        reply_status(m, frame, IOC_INSUFFICIENT_RESOURCES, STATE_NO_STATUS);
        return;
    }
    fill_request(io);
    if (m->io_bytes > BYTES_MAX) {
        io->request.status = SCSI_TASK_SET_FULL;
        reply_full(io, IOC_SUCCESS);
        free_io(io);
    } else if (!prepare(io, frame)) {
        reply_status(m, frame, IOC_INVALID_SGL, STATE_NO_STATUS);
        free_io(io);
    } else {
        scsi_submit(m->target[frame[IO_TARGET]], &io->request);
    }
}

/* --- task management --- */

#define TM_TYPE    0x05u
#define TM_LUN     0x0cu
#define TM_CONTEXT 0x30u

enum task_type {
    TM_ABORT_TASK = 1,
    TM_ABORT_TASK_SET = 2,
    TM_TARGET_RESET = 3,
    TM_BUS_RESET = 4,
    TM_LUN_RESET = 5,
    TM_CLEAR_TASK_SET = 6,
    TM_QUERY_TASK = 7,
    TM_CLEAR_ACA = 8,
};

#define TM_RESPONSE_COMPLETE      0x00u
#define TM_RESPONSE_NOT_SUPPORTED 0x04u
#define TM_RESPONSE_SUCCEEDED     0x08u

static bool concerns(const uint8_t *task, const struct mpt_io *io)
{
    if (task[TM_TYPE] == TM_BUS_RESET)
        return true;
    if (io->frame[IO_TARGET] != task[IO_TARGET])
        return false;
    if (task[TM_TYPE] == TM_ABORT_TASK || task[TM_TYPE] == TM_QUERY_TASK)
        return le32(io->frame + IO_CONTEXT) == le32(task + TM_CONTEXT);
    return true;
}

static void task_reply(struct mpt *m, const uint8_t *frame, unsigned status, unsigned response,
                       uint32_t terminated)
{
    uint8_t r[REPLY_MAX];

    mpt_reply_init(r, frame, 0x18, status);
    r[4] = (uint8_t)response;
    r[5] = frame[TM_TYPE];
    set32(r + 0x14, terminated);
    mpt_post_reply(m, r, 0x18);
}

/* Commands that wait in the target end at once; those that run end when they can. */
static uint32_t abort_matching(struct mpt *m, const uint8_t *frame)
{
    struct mpt_io *io, *next;
    uint32_t count = 0;

    for (io = m->ios; io != NULL; io = next) {
        next = io->next;
        if (!concerns(frame, io) || io->aborted)
            continue;
        io->aborted = true;
        count++;
        if (!scsi_cancel(m->target[io->frame[IO_TARGET]], &io->request))
            continue;
        reply_status(m, io->frame, IOC_SCSI_TASK_TERMINATED, STATE_NO_STATUS | STATE_TERMINATED);
        free_io(io);
    }
    return count;
}

static void finish_task(struct mpt *m, const struct mpt_task *t)
{
    const uint8_t *f = t->frame;

    if (f[TM_TYPE] == TM_BUS_RESET) {
        mpt_bus_reset(m, false);
        mpt_event(m, EVENT_IOC_BUS_RESET, 0);
    } else if (f[TM_TYPE] == TM_TARGET_RESET || f[TM_TYPE] == TM_LUN_RESET) {
        scsi_reset(m->target[f[IO_TARGET]], false);
    }
    task_reply(m, f, IOC_SUCCESS, TM_RESPONSE_COMPLETE, t->terminated);
}

static bool still_running(const struct mpt *m, const uint8_t *frame)
{
    for (const struct mpt_io *io = m->ios; io != NULL; io = io->next)
        if (io->aborted && concerns(frame, io))
            return true;
    return false;
}

/* Answers the functions whose commands have all ended. */
static void tasks_progress(struct mpt *m)
{
    for (struct mpt_task **p = &m->tasks; *p != NULL;) {
        struct mpt_task *t = *p;

        if (still_running(m, t->frame)) {
            p = &t->next;
            continue;
        }
        *p = t->next;
        finish_task(m, t);
        free(t);
    }
}

static unsigned task_address_status(const struct mpt *m, const uint8_t *frame)
{
    if (frame[TM_TYPE] == TM_BUS_RESET)
        return IOC_SUCCESS;
    if (frame[IO_BUS] != 0)
        return IOC_SCSI_INVALID_BUS;
    if (frame[IO_TARGET] >= MPT_IDS)
        return IOC_SCSI_INVALID_TARGETID;
    return m->target[frame[IO_TARGET]] != NULL ? IOC_SUCCESS : IOC_SCSI_DEVICE_NOT_THERE;
}

static void query_task(struct mpt *m, const uint8_t *frame)
{
    unsigned response = TM_RESPONSE_COMPLETE;

    for (const struct mpt_io *io = m->ios; io != NULL; io = io->next)
        if (concerns(frame, io))
            response = TM_RESPONSE_SUCCEEDED;
    task_reply(m, frame, IOC_SUCCESS, response, 0);
}

void mpt_task_mgmt(struct mpt *m, const uint8_t *frame)
{
    unsigned status = task_address_status(m, frame);
    struct mpt_task *t;

    if (status != IOC_SUCCESS) {
        task_reply(m, frame, status, TM_RESPONSE_COMPLETE, 0);
        return;
    }
    if (frame[TM_TYPE] == TM_QUERY_TASK) {
        query_task(m, frame);
        return;
    }
    if (frame[TM_TYPE] == 0 || frame[TM_TYPE] > TM_CLEAR_TASK_SET) {
        task_reply(m, frame, IOC_SUCCESS, TM_RESPONSE_NOT_SUPPORTED, 0);
        return;
    }
    t = calloc(1, sizeof(*t));
    if (t == NULL) {
        task_reply(m, frame, IOC_INSUFFICIENT_RESOURCES, 0, 0);
        return;
    }
    memcpy(t->frame, frame, sizeof(t->frame));
    t->terminated = abort_matching(m, frame);
    t->next = m->tasks;
    m->tasks = t;
    tasks_progress(m);
}

/* --- everything --- */

void mpt_drop_all(struct mpt *m)
{
    struct mpt_io *io, *next;

    for (io = m->ios; io != NULL; io = io->next)
        io->dropped = true;
    for (io = m->ios; io != NULL; io = next) {
        next = io->next;
        if (scsi_cancel(m->target[io->frame[IO_TARGET]], &io->request))
            free_io(io);
    }
    io_drain(m->io);
    while (m->tasks != NULL) {
        struct mpt_task *t = m->tasks;
        m->tasks = t->next;
        free(t);
    }
}

void mpt_bus_reset(struct mpt *m, bool power)
{
    for (unsigned i = 0; i < MPT_IDS; i++) {
        m->settings.requested[i] = 0;
        if (m->target[i] != NULL)
            scsi_reset(m->target[i], power);
    }
}
