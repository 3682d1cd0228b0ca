/* Reservations: RESERVE and RELEASE (SPC-2 5.5) and persistent ones (SPC-3 5.6).
 *
 * A registration belongs to an initiator. Simplification: "activate persist through power loss" is
 * kept over bus resets and power-on of the guest, not over the end of the process.
 */
#include "target_impl.h"

enum pr_type {
    PR_WRITE_EXCLUSIVE = 1,
    PR_EXCLUSIVE_ACCESS = 3,
    PR_WRITE_EXCLUSIVE_REGISTRANTS = 5,
    PR_EXCLUSIVE_ACCESS_REGISTRANTS = 6,
    PR_WRITE_EXCLUSIVE_ALL = 7,
    PR_EXCLUSIVE_ACCESS_ALL = 8,
};

static bool type_valid(unsigned type)
{
    return type == 1 || type == 3 || (type >= 5 && type <= 8);
}

/* All registrants hold the reservation. */
static bool all_registrants(unsigned type)
{
    return type == PR_WRITE_EXCLUSIVE_ALL || type == PR_EXCLUSIVE_ACCESS_ALL;
}

static bool exclusive_access(unsigned type)
{
    return type == PR_EXCLUSIVE_ACCESS || type == PR_EXCLUSIVE_ACCESS_REGISTRANTS ||
           type == PR_EXCLUSIVE_ACCESS_ALL;
}

static bool registrants_allowed(unsigned type)
{
    return type >= PR_WRITE_EXCLUSIVE_REGISTRANTS;
}

static bool holds(const struct reservation *v, unsigned i)
{
    if (v->holder < 0)
        return false;
    return all_registrants(v->type) ? v->key[i] != 0 : v->holder == (int)i;
}

static bool any_registered(const struct reservation *v)
{
    for (unsigned i = 0; i < RESERVE_KEYS; i++)
        if (v->key[i] != 0)
            return true;
    return false;
}

bool scsi_reserved_against(const struct scsi_target *t, const struct scsi_request *r,
                           unsigned flags)
{
    const struct reservation *v = &t->reservation;
    unsigned i = r->initiator;

    if (flags & (CMD_ANY_TIME | CMD_NO_RESERVE))
        return false;
    if (v->legacy >= 0)
        return v->legacy != (int)i;
    if (v->holder < 0 || holds(v, i) || (registrants_allowed(v->type) && v->key[i] != 0))
        return false;
    return (flags & CMD_WRITES) || ((flags & CMD_READS) && exclusive_access(v->type));
}

void scsi_reservation_reset(struct scsi_target *t, bool power)
{
    struct reservation *v = &t->reservation;

    v->legacy = -1;
    if (power && !v->aptpl) {
        memset(v, 0, sizeof(*v));
        v->legacy = v->holder = -1;
    }
}

/* --- RESERVE, RELEASE --- */

void scsi_reserve(struct scsi_target *t, struct scsi_request *r)
{
    struct reservation *v = &t->reservation;

    if (any_registered(v) || (v->legacy >= 0 && v->legacy != (int)r->initiator)) {
        scsi_conflict(r);
        return;
    }
    if (r->cdb[1] & 0x01) { /* extents: obsolete */
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    v->legacy = (int)r->initiator;
    scsi_good(r);
}

void scsi_release(struct scsi_target *t, struct scsi_request *r)
{
    struct reservation *v = &t->reservation;

    if (any_registered(v)) {
        scsi_conflict(r);
        return;
    }
    if (v->legacy == (int)r->initiator)
        v->legacy = -1;
    scsi_good(r);
}

/* --- PERSISTENT RESERVE IN --- */

static size_t read_keys(const struct reservation *v, uint8_t *d)
{
    size_t n = 8;

    for (unsigned i = 0; i < RESERVE_KEYS; i++) {
        if (v->key[i] == 0)
            continue;
        put64(d + n, v->key[i]);
        n += 8;
    }
    return n;
}

static size_t read_reservation(const struct reservation *v, uint8_t *d)
{
    if (v->holder < 0)
        return 8;
    put64(d + 8, all_registrants(v->type) ? 0 : v->key[v->holder]);
    d[21] = v->type; /* scope 0: the logical unit */
    return 24;
}

static size_t full_status(const struct reservation *v, uint8_t *d)
{
    size_t n = 8;

    for (unsigned i = 0; i < RESERVE_KEYS; i++) {
        if (v->key[i] == 0)
            continue;
        put64(d + n, v->key[i]);
        if (holds(v, i)) {
            d[n + 12] = 1;
            d[n + 13] = v->type;
        }
        put32(d + n + 20, 24); /* a TransportID of parallel SCSI (SPC-3 7.5.4.3) */
        d[n + 24] = 1;
        put16(d + n + 26, i);
        n += 48;
    }
    return n;
}

void scsi_pr_in(struct scsi_target *t, struct scsi_request *r)
{
    const struct reservation *v = &t->reservation;
    uint8_t d[8 + RESERVE_KEYS * 48] = {0};
    size_t n;

    if (v->legacy >= 0 && v->legacy != (int)r->initiator) {
        scsi_conflict(r);
        return;
    }
    switch (r->cdb[1] & 0x1f) {
    case 0:
        n = read_keys(v, d);
        break;
    case 1:
        n = read_reservation(v, d);
        break;
    case 2: /* capabilities: APTPL, and the types there are */
        put16(d, 8);
        d[2] = 0x01;
        d[3] = 0x80 | (v->aptpl ? 1 : 0);
        put16(d + 4, 0xea01);
        scsi_reply(r, d, 8, be16(r->cdb + 7));
        return;
    case 3:
        n = full_status(v, d);
        break;
    default:
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    put32(d, v->generation);
    put32(d + 4, n - 8);
    scsi_reply(r, d, n, be16(r->cdb + 7));
}

/* --- PERSISTENT RESERVE OUT --- */

static void attention_to(struct scsi_target *t, unsigned i, enum unit_attention ua)
{
    t->attention[i] |= 1u << ua;
}

/* The reservation ends; registrants of the shared types are told. */
static void end_reservation(struct scsi_target *t, unsigned by)
{
    struct reservation *v = &t->reservation;

    if (registrants_allowed(v->type))
        for (unsigned i = 0; i < RESERVE_KEYS; i++)
            if (i != by && v->key[i] != 0)
                attention_to(t, i, UA_RESERVATIONS_RELEASED);
    v->holder = -1;
    v->type = 0;
}

static void unregister(struct scsi_target *t, unsigned i, unsigned by)
{
    struct reservation *v = &t->reservation;
    bool held = holds(v, i);

    v->key[i] = 0;
    if (!held)
        return;
    if (!all_registrants(v->type))
        end_reservation(t, by);
    else if (!any_registered(v))
        v->holder = -1;
}

static void pr_register(struct scsi_target *t, struct scsi_request *r, const uint8_t *p,
                        bool ignore)
{
    struct reservation *v = &t->reservation;
    unsigned i = r->initiator;
    uint64_t key = be64(p), new_key = be64(p + 8);

    if (p[20] & 0x0c) { /* SPEC_I_PT, ALL_TG_PT */
        scsi_check(r, SENSE_INVALID_PARAMETER);
        return;
    }
    if (!ignore && key != v->key[i]) {
        scsi_conflict(r);
        return;
    }
    if (new_key == 0)
        unregister(t, i, i);
    else
        v->key[i] = new_key;
    v->aptpl = p[20] & 1;
    v->generation++;
    scsi_good(r);
}

static void pr_reserve(struct scsi_target *t, struct scsi_request *r, unsigned type)
{
    struct reservation *v = &t->reservation;

    if (!type_valid(type)) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (v->holder >= 0 && (!holds(v, r->initiator) || v->type != type)) {
        scsi_conflict(r);
        return;
    }
    v->holder = (int)r->initiator;
    v->type = (uint8_t)type;
    scsi_good(r);
}

static void pr_release(struct scsi_target *t, struct scsi_request *r, unsigned type)
{
    struct reservation *v = &t->reservation;

    if (!holds(v, r->initiator)) {
        scsi_good(r);
        return;
    }
    if (v->type != type) {
        scsi_check(r, SENSE_INVALID_RELEASE);
        return;
    }
    end_reservation(t, r->initiator);
    scsi_good(r);
}

static void pr_clear(struct scsi_target *t, struct scsi_request *r)
{
    struct reservation *v = &t->reservation;

    for (unsigned i = 0; i < RESERVE_KEYS; i++) {
        if (v->key[i] != 0 && i != r->initiator)
            attention_to(t, i, UA_RESERVATIONS_PREEMPTED);
        v->key[i] = 0;
    }
    v->holder = -1;
    v->generation++;
    scsi_good(r);
}

/* Registrations with a key go away (0: all others); with it the reservation if they hold it. */
static bool remove_keys(struct scsi_target *t, unsigned by, uint64_t key)
{
    struct reservation *v = &t->reservation;
    bool any = false;

    for (unsigned i = 0; i < RESERVE_KEYS; i++) {
        if (v->key[i] == 0 || (key != 0 && v->key[i] != key) || (key == 0 && i == by))
            continue;
        any = true;
        if (i == by)
            continue;
        v->key[i] = 0;
        attention_to(t, i, UA_REGISTRATIONS_PREEMPTED);
    }
    return any;
}

/* PREEMPT. With AND ABORT the preempted one's commands end as they are: they were started. */
static void pr_preempt(struct scsi_target *t, struct scsi_request *r, uint64_t key, unsigned type)
{
    struct reservation *v = &t->reservation;
    bool takes = v->holder >= 0 && (all_registrants(v->type) ? key == 0 : v->key[v->holder] == key);

    if (takes && !type_valid(type)) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (key == 0 && !takes) {
        scsi_check(r, SENSE_INVALID_PARAMETER);
        return;
    }
    if (!remove_keys(t, r->initiator, key) && !takes) {
        scsi_conflict(r);
        return;
    }
    if (takes) {
        v->holder = (int)r->initiator;
        v->type = (uint8_t)type;
    }
    v->generation++;
    scsi_good(r);
}

void scsi_pr_out(struct scsi_target *t, struct scsi_request *r)
{
    struct reservation *v = &t->reservation;
    unsigned action = r->cdb[1] & 0x1f, type = r->cdb[2] & 0x0f;
    uint32_t len = be32(r->cdb + 5);
    const uint8_t *p;

    if (v->legacy >= 0) {
        scsi_conflict(r);
        return;
    }
    if (len != 24) {
        scsi_check(r, SENSE_LIST_LENGTH);
        return;
    }
    p = scsi_parameters(r, len);
    if (p == NULL)
        return;
    if (action == 0 || action == 6) {
        pr_register(t, r, p, action == 6);
        return;
    }
    if (action > 5) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (v->key[r->initiator] == 0 || v->key[r->initiator] != be64(p)) {
        scsi_conflict(r);
        return;
    }
    if (action == 1)
        pr_reserve(t, r, type);
    else if (action == 2)
        pr_release(t, r, type);
    else if (action == 3)
        pr_clear(t, r);
    else
        pr_preempt(t, r, be64(p + 8), type);
}
