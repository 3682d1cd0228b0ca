/* The task set of a target: order of commands, checks before them, ends of them; see target.h. */
#include "target_impl.h"
#include "channels.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const uint32_t attention_sense[UA_COUNT] = {
    [UA_POWER_ON] = SENSE_POWER_ON,
    [UA_BUS_RESET] = SENSE_BUS_RESET,
    [UA_MEDIUM_CHANGED] = SENSE_MEDIUM_CHANGED,
    [UA_MODE_CHANGED] = SENSE_MODE_CHANGED,
    [UA_RESERVATIONS_PREEMPTED] = SENSE_RESERVATIONS_PREEMPTED,
    [UA_RESERVATIONS_RELEASED] = SENSE_RESERVATIONS_RELEASED,
    [UA_REGISTRATIONS_PREEMPTED] = SENSE_REGISTRATIONS_PREEMPTED,
};

void scsi_text(uint8_t *p, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        p[i] = *text != '\0' ? (uint8_t)*text++ : ' ';
}

/* --- ends of commands --- */

static void advance(struct scsi_target *t);

static void tell_command(const struct scsi_target *t, const struct scsi_request *r)
{
    char cdb[3 * SCSI_CDB_SIZE + 1] = "";

    for (unsigned k = 0; k < SCSI_CDB_SIZE; k++)
        snprintf(cdb + 3 * k, 4, "%02x ", r->cdb[k]);
    channel_line(CHANNEL_SCSI, "%s command %sstatus %02x", t->type == SCSI_DISK ? "disk" : "dvd",
                 cdb, r->status);
}

static void finish(struct scsi_request *r)
{
    struct scsi_target *t = r->target;

    free(r->scratch);
    r->scratch = NULL;
    t->running--;
    if (t->running == 0)
        t->barrier = false;
    if (channel_on(CHANNEL_SCSI))
        tell_command(t, r);
    r->done(r);
    advance(t);
}

void scsi_good(struct scsi_request *r)
{
    r->status = SCSI_GOOD;
    finish(r);
}

/* Fixed format (SPC-3 4.5.3). */
void scsi_format_sense(uint8_t sense[SCSI_SENSE_SIZE], uint32_t code, bool valid, uint64_t info)
{
    memset(sense, 0, SCSI_SENSE_SIZE);
    valid = valid && info <= UINT32_MAX;
    sense[0] = 0x70 | (valid ? 0x80 : 0);
    sense[2] = (uint8_t)(code >> 16);
    if (valid)
        put32(sense + 3, info);
    sense[7] = SCSI_SENSE_SIZE - 8;
    sense[12] = (uint8_t)(code >> 8);
    sense[13] = (uint8_t)code;
}

static void check(struct scsi_request *r, uint32_t sense, bool valid, uint64_t info)
{
    scsi_format_sense(r->sense, sense, valid, info);
    r->sense_length = SCSI_SENSE_SIZE;
    r->status = SCSI_CHECK_CONDITION;
    finish(r);
}

void scsi_check(struct scsi_request *r, uint32_t sense)
{
    check(r, sense, false, 0);
}

void scsi_check_lba(struct scsi_request *r, uint32_t sense, uint64_t lba)
{
    check(r, sense, true, lba);
}

void scsi_conflict(struct scsi_request *r)
{
    r->status = SCSI_RESERVATION_CONFLICT;
    finish(r);
}

void scsi_reply(struct scsi_request *r, const void *data, size_t len, size_t allocation)
{
    if (len > allocation)
        len = allocation;
    if (r->direction != SCSI_DATA_IN)
        len = 0;
    else if (len > r->length)
        len = r->length;
    if (len > 0)
        memmove(r->data, data, len);
    r->transferred = (uint32_t)len;
    scsi_good(r);
}

const uint8_t *scsi_parameters(struct scsi_request *r, size_t len)
{
    if (len == 0)
        return r->cdb; /* not NULL, and nothing of it is read */
    if (r->direction == SCSI_DATA_OUT && len <= r->length) {
        r->transferred = (uint32_t)len;
        return r->data;
    }
    scsi_check(r, SENSE_LIST_LENGTH);
    return NULL;
}

/* --- the medium --- */

static void job_done(struct io_job *job)
{
    struct scsi_request *r = job->opaque;

    r->then(r, job->result);
}

void scsi_io(struct scsi_request *r, enum io_op op, uint64_t offset, uint64_t len, void *buf,
             void (*then)(struct scsi_request *r, int err))
{
    r->then = then;
    r->job.op = op;
    r->job.store = r->target->store;
    r->job.offset = offset;
    r->job.len = len;
    r->job.buf = buf;
    r->job.opaque = r;
    r->job.done = job_done;
    io_submit(r->target->io, &r->job);
}

uint32_t scsi_io_sense(const struct scsi_request *r, int err)
{
    const struct store *s = r->job.store;
    bool reading = r->job.op == IO_READ;

    if (err == -EROFS)
        return SENSE_WRITE_PROTECTED;
    if (err != -ECANCELED && log_once(store_name(s), (unsigned long long)-err << 1 | reading))
        log_warn("%s: the host cannot %s it (%s); the guest sees a medium error", store_name(s),
                 reading ? "read" : "write", strerror(-err));
    return reading ? SENSE_READ_ERROR : SENSE_WRITE_ERROR;
}

void scsi_then_status(struct scsi_request *r, int err)
{
    if (err == 0) {
        scsi_good(r);
        return;
    }
    r->transferred = 0;
    scsi_check_lba(r, scsi_io_sense(r, err), r->lba);
}

/* --- unit attentions --- */

void scsi_attention(struct scsi_target *t, enum unit_attention ua, int except)
{
    for (int i = 0; i < SCSI_INITIATORS; i++)
        if (i != except)
            t->attention[i] |= 1u << ua;
}

uint32_t scsi_take_attention(struct scsi_target *t, unsigned initiator)
{
    for (unsigned ua = 0; ua < UA_COUNT; ua++) {
        if (!(t->attention[initiator] >> ua & 1))
            continue;
        t->attention[initiator] &= ~(1u << ua);
        return attention_sense[ua];
    }
    return 0;
}

/* --- the task set --- */

static const struct scsi_command *lookup(const struct scsi_target *t, uint8_t opcode)
{
    for (size_t i = 0; i < t->ops->count; i++)
        if (t->ops->commands[i].opcode == opcode)
            return &t->ops->commands[i];
    return scsi_spc_command(opcode);
}

/* What stands in the way of a command, as sense code; 0 nothing. */
static uint32_t obstacle(struct scsi_target *t, const struct scsi_request *r, unsigned flags)
{
    uint32_t sense;

    if (!r->lun0 && r->cdb[0] != 0x12 && r->cdb[0] != 0x03 && r->cdb[0] != 0xa0)
        return SENSE_NO_LUN;
    if (flags & CMD_ANY_TIME)
        return 0;
    sense = r->lun0 ? scsi_take_attention(t, r->initiator) : 0;
    if (sense != 0)
        return sense;
    if (!(flags & CMD_MEDIUM))
        return 0;
    if (t->store == NULL)
        return t->tray_open ? SENSE_NO_MEDIUM_OPEN : SENSE_NO_MEDIUM;
    return t->stopped ? SENSE_NEED_START : 0;
}

static void unknown(const struct scsi_target *t, const struct scsi_request *r)
{
    if (log_once("SCSI command", (unsigned long long)t->type << 8 | r->cdb[0]))
        log_info("SCSI command %#04x is unknown to a %s", r->cdb[0],
                 t->type == SCSI_DISK ? "disk" : "dvd");
}

static void start(struct scsi_target *t, struct scsi_request *r)
{
    const struct scsi_command *c = lookup(t, r->cdb[0]);
    uint32_t sense;

    t->running++;
    if (r->attribute == SCSI_ORDERED)
        t->barrier = true;
    if (c == NULL) {
        unknown(t, r);
        sense = r->lun0 ? scsi_take_attention(t, r->initiator) : SENSE_NO_LUN;
        scsi_check(r, sense != 0 ? sense : SENSE_INVALID_OPCODE);
        return;
    }
    sense = obstacle(t, r, c->flags);
    if (sense != 0)
        scsi_check(r, sense);
    else if (scsi_reserved_against(t, r, c->flags))
        scsi_conflict(r);
    else
        c->run(t, r);
}

/* An ordered command runs alone; those behind it wait. */
static bool may_start(const struct scsi_target *t, const struct scsi_request *r)
{
    if (r->attribute == SCSI_HEAD_OF_QUEUE)
        return true;
    return t->running == 0 || (!t->barrier && r->attribute != SCSI_ORDERED);
}

/* Starts what may start. Commands end inside start(), which comes back here: no recursion. */
static void advance(struct scsi_target *t)
{
    if (t->advancing)
        return;
    t->advancing = true;
    while (t->waiting != NULL && may_start(t, t->waiting)) {
        struct scsi_request *r = t->waiting;

        t->waiting = r->next;
        if (t->waiting == NULL)
            t->waiting_last = &t->waiting;
        start(t, r);
    }
    t->advancing = false;
}

static void enqueue(struct scsi_target *t, struct scsi_request *r)
{
    if (r->attribute == SCSI_HEAD_OF_QUEUE) {
        r->next = t->waiting;
        t->waiting = r;
        if (r->next == NULL)
            t->waiting_last = &r->next;
        return;
    }
    r->next = NULL;
    *t->waiting_last = r;
    t->waiting_last = &r->next;
}

void scsi_submit(struct scsi_target *t, struct scsi_request *r)
{
    r->target = t;
    r->status = SCSI_GOOD;
    r->sense_length = 0;
    r->transferred = 0;
    r->scratch = NULL;
    r->step = 0;
    r->lba = 0;
    memset(&r->job, 0, sizeof(r->job));
    if (r->initiator >= SCSI_INITIATORS)
        r->initiator = 0;
    enqueue(t, r);
    advance(t);
}

bool scsi_cancel(struct scsi_target *t, struct scsi_request *r)
{
    for (struct scsi_request **p = &t->waiting; *p != NULL; p = &(*p)->next) {
        if (*p != r)
            continue;
        *p = r->next;
        if (*p == NULL)
            t->waiting_last = p;
        return true;
    }
    io_cancel(t->io, &r->job);
    return false;
}

/* --- the target --- */

void scsi_medium_loaded(struct scsi_target *t)
{
    uint64_t size = t->store != NULL ? store_size(t->store) : 0;

    t->medium_number += t->store != NULL;
    t->block_size = t->type == SCSI_DISK ? 512 : 2048;
    /* a disc may end inside a block, a disk has whole ones */
    t->blocks = (size + (t->type == SCSI_DISK ? 0 : t->block_size - 1)) / t->block_size;
}

struct scsi_target *scsi_target_new(const struct scsi_target_config *config)
{
    bool valid = config->io != NULL && (config->type == SCSI_DVD || config->store != NULL);
    struct scsi_target *t = valid ? calloc(1, sizeof(*t)) : NULL;

    if (t == NULL) {
        store_close(config->store);
        return NULL;
    }
    t->type = config->type;
    t->ops = config->type == SCSI_DISK ? &scsi_disk_ops : &scsi_dvd_ops;
    t->store = config->store;
    t->io = config->io;
    t->wwn = config->wwn;
    t->waiting_last = &t->waiting;
    if (config->serial != NULL)
        snprintf(t->serial, sizeof(t->serial), "%s", config->serial);
    else
        snprintf(t->serial, sizeof(t->serial), "%016llX", (unsigned long long)config->wwn);
    scsi_medium_loaded(t);
    scsi_reset(t, true);
    return t;
}

void scsi_target_free(struct scsi_target *t)
{
    if (t == NULL)
        return;
    int err = store_close(t->store);
    if (err != 0)
        log_error("a disk image cannot be flushed: %s", strerror(-err));
    free(t);
}

void scsi_reset(struct scsi_target *t, bool power)
{
    memset(t->attention, 0, sizeof(t->attention));
    scsi_attention(t, power ? UA_POWER_ON : UA_BUS_RESET, -1);
    scsi_reservation_reset(t, power);
    scsi_mode_init(t);
    t->prevent = 0;
    t->stopped = false;
    memset(t->echo, 0, sizeof(t->echo));
}

bool scsi_target_locked(const struct scsi_target *t)
{
    return t->type == SCSI_DVD && t->prevent != 0;
}

bool scsi_busy(const struct scsi_target *t)
{
    return t->running > 0 || t->waiting != NULL;
}

enum scsi_type scsi_target_type(const struct scsi_target *t)
{
    return t->type;
}

struct store *scsi_target_store(struct scsi_target *t)
{
    return t->store;
}

uint32_t scsi_target_medium_number(const struct scsi_target *t)
{
    return t->medium_number;
}

void scsi_target_set_store(struct scsi_target *t, struct store *store)
{
    store_close(t->store);
    t->store = store;
    scsi_medium_loaded(t);
}

unsigned scsi_target_block_size(const struct scsi_target *t)
{
    return t->block_size;
}
