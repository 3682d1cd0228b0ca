/* Commands all devices have: identification, mode and log parameters, sense, buffers (SPC-3). */
#include "target_impl.h"

#include <stdio.h>

#define VENDOR   "HP"
#define REVISION "0.04"
#define VERSION  5 /* SPC-3 */

#define INQUIRY_SIZE 96

/* --- INQUIRY --- */

/* Parallel SCSI: wide, synchronous, tagged; byte 56 says Ultra320 with QAS and IU (SPC-3 6.4.2).
 */
static void standard_inquiry(struct scsi_target *t, struct scsi_request *r, unsigned allocation)
{
    uint8_t d[INQUIRY_SIZE] = {0};

    d[0] = r->lun0 ? t->ops->device_type : 0x7f;
    d[1] = t->type == SCSI_DVD ? 0x80 : 0;
    d[2] = VERSION;
    d[3] = 0x12; /* HiSup, response data format 2 */
    d[4] = INQUIRY_SIZE - 5;
    d[7] = 0x32; /* WBUS16, SYNC, CMDQUE */
    scsi_text(d + 8, 8, VENDOR);
    scsi_text(d + 16, 16, t->ops->product(t));
    scsi_text(d + 32, 4, REVISION);
    d[56] = 0x0f;
    put16(d + 58, 0x0060);                                 /* SAM-3 */
    put16(d + 60, 0x0300);                                 /* SPC-3 */
    put16(d + 62, t->type == SCSI_DISK ? 0x0320 : 0x03a0); /* SBC-2, MMC-5 */
    scsi_reply(r, d, sizeof(d), allocation);
}

void scsi_target_identity(const struct scsi_target *t, char text[SCSI_IDENTITY_SIZE])
{
    snprintf(text, SCSI_IDENTITY_SIZE, "%-8.8s %.16s %.4s", VENDOR, t->ops->product(t), REVISION);
}

/* Designators: T10 vendor id and a locally assigned NAA name (SPC-3 7.6.3). */
static int vpd_identification(struct scsi_target *t, uint8_t *p)
{
    uint8_t *start = p;

    p[0] = 2; /* ASCII */
    p[1] = 1;
    p[3] = 8 + 16 + 20;
    scsi_text(p + 4, 8, VENDOR);
    scsi_text(p + 12, 16, t->ops->product(t));
    scsi_text(p + 28, 20, t->serial);
    p += 4 + p[3];
    p[0] = 1; /* binary */
    p[1] = 3;
    p[3] = 8;
    put64(p + 4, 3ull << 60 | (t->wwn & 0x0fffffffffffffffull));
    p += 4 + p[3];
    return (int)(p - start);
}

static int vpd_page(struct scsi_target *t, unsigned page, uint8_t *buf)
{
    int n = 0;

    switch (page) {
    case 0x00:
        for (unsigned i = 0; i < 256; i++) {
            uint8_t ignored[256] = {0};
            if (i == 0 || vpd_page(t, i, ignored) >= 0)
                buf[n++] = (uint8_t)i;
        }
        return n;
    case 0x80:
        scsi_text(buf, 20, t->serial);
        return 20;
    case 0x83:
        return vpd_identification(t, buf);
    default:
        return t->ops->vpd(t, page, buf);
    }
}

static void inquiry(struct scsi_target *t, struct scsi_request *r)
{
    unsigned allocation = be16(r->cdb + 3), page = r->cdb[2];
    uint8_t d[260] = {0};
    int n;

    if (!(r->cdb[1] & 1)) {
        if (page != 0)
            scsi_check(r, SENSE_INVALID_FIELD);
        else
            standard_inquiry(t, r, allocation);
        return;
    }
    n = r->lun0 ? vpd_page(t, page, d + 4) : -1;
    if (n < 0) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    d[0] = t->ops->device_type;
    d[1] = (uint8_t)page;
    put16(d + 2, (unsigned)n);
    scsi_reply(r, d, 4 + (size_t)n, allocation);
}

static void report_luns(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[16] = {0};
    uint32_t allocation = be32(r->cdb + 6);
    unsigned select = r->cdb[2];

    (void)t;
    if (select > 2 || allocation < 16) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    d[3] = select == 1 ? 0 : 8; /* no well-known units */
    scsi_reply(r, d, 8u + d[3], allocation);
}

/* --- sense --- */

static void request_sense(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[SCSI_SENSE_SIZE];
    uint32_t sense = r->lun0 ? scsi_take_attention(t, r->initiator) : SENSE_NO_LUN;

    if (sense == 0 && t->store == NULL)
        sense = t->tray_open ? SENSE_NO_MEDIUM_OPEN : SENSE_NO_MEDIUM;
    if (r->cdb[1] & 1) { /* descriptor format */
        uint8_t x[8] = {0x72, (uint8_t)(sense >> 16), (uint8_t)(sense >> 8), (uint8_t)sense};
        scsi_reply(r, x, sizeof(x), r->cdb[4]);
        return;
    }
    scsi_format_sense(d, sense, false, 0);
    scsi_reply(r, d, sizeof(d), r->cdb[4]);
}

static void test_unit_ready(struct scsi_target *t, struct scsi_request *r)
{
    (void)t;
    scsi_good(r);
}

/* --- mode parameters --- */

enum { PC_CURRENT, PC_CHANGEABLE, PC_DEFAULT, PC_SAVED };

struct mode_page *scsi_mode_page(struct scsi_target *t, unsigned page)
{
    for (unsigned i = 0; i < t->modes; i++)
        if (t->mode[i].page == page)
            return &t->mode[i];
    return NULL;
}

void scsi_mode_init(struct scsi_target *t)
{
    t->modes = 0;
    for (unsigned page = 1; page < 0x3f && t->modes < MODE_PAGES; page++) {
        struct mode_page *m = &t->mode[t->modes];
        uint8_t mask[MODE_PAGE_MAX] = {0};

        memset(m, 0, sizeof(*m));
        m->page = (uint8_t)page;
        m->length = (uint8_t)t->ops->mode_page(t, page, m->data, mask);
        t->modes += m->length != 0;
    }
}

static size_t put_page(struct scsi_target *t, const struct mode_page *m, unsigned control,
                       uint8_t *p)
{
    uint8_t values[MODE_PAGE_MAX] = {0}, mask[MODE_PAGE_MAX] = {0};

    t->ops->mode_page(t, m->page, values, mask);
    memcpy(p,
           control == PC_CURRENT      ? m->data
           : control == PC_CHANGEABLE ? mask
                                      : values,
           m->length);
    p[0] = m->page;
    p[1] = (uint8_t)(m->length - 2);
    return m->length;
}

/* Pages of a MODE SENSE; 0: there is no such page. */
static size_t put_pages(struct scsi_target *t, unsigned page, unsigned control, uint8_t *p)
{
    size_t n = 0;

    for (unsigned i = 0; i < t->modes; i++)
        if (page == 0x3f || t->mode[i].page == page)
            n += put_page(t, &t->mode[i], control, p + n);
    return n;
}

/* Block descriptor: number of blocks and their length. */
static size_t put_block_descriptor(const struct scsi_target *t, bool longer, uint8_t *p)
{
    if (longer) {
        put64(p, t->blocks);
        put32(p + 12, t->block_size);
        return 16;
    }
    put32(p, t->blocks > 0xffffff ? 0xffffff : t->blocks);
    put32(p + 4, t->block_size);
    return 8;
}

static void mode_sense(struct scsi_target *t, struct scsi_request *r)
{
    bool ten = r->cdb[0] == 0x5a, longer = ten && (r->cdb[1] & 0x10);
    unsigned control = r->cdb[2] >> 6, page = r->cdb[2] & 0x3f, subpage = r->cdb[3];
    uint8_t d[16 + 16 + MODE_PAGES * MODE_PAGE_MAX] = {0};
    size_t header = ten ? 8 : 4, descriptor = 0, pages;

    if (control == PC_SAVED) {
        scsi_check(r, SENSE_SAVING_UNSUPPORTED);
        return;
    }
    if (!(r->cdb[1] & 8) && t->store != NULL && t->type == SCSI_DISK)
        descriptor = put_block_descriptor(t, longer, d + header);
    pages = put_pages(t, page, control, d + header + descriptor);
    if ((pages == 0 && page != 0) || (subpage != 0 && subpage != 0xff)) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    pages += header + descriptor;
    if (ten) {
        put16(d, pages - 2);
        d[3] = t->ops->device_specific(t);
        d[4] = longer ? 1 : 0;
        put16(d + 6, descriptor);
    } else {
        d[0] = (uint8_t)(pages - 1 > 255 ? 255 : pages - 1);
        d[2] = t->ops->device_specific(t);
        d[3] = (uint8_t)descriptor;
    }
    scsi_reply(r, d, pages, ten ? be16(r->cdb + 7) : r->cdb[4]);
}

/* Only changeable bits may differ from what is there. */
static bool page_acceptable(struct scsi_target *t, const struct mode_page *m, const uint8_t *p)
{
    uint8_t values[MODE_PAGE_MAX] = {0}, mask[MODE_PAGE_MAX] = {0};

    t->ops->mode_page(t, m->page, values, mask);
    for (unsigned i = 2; i < m->length; i++)
        if ((p[i] ^ m->data[i]) & ~mask[i])
            return false;
    return true;
}

/* Walks the pages of a MODE SELECT; with `store` they take effect. */
static uint32_t select_pages(struct scsi_target *t, const uint8_t *p, size_t n, bool store,
                             bool *changed)
{
    while (n > 0) {
        struct mode_page *m = scsi_mode_page(t, p[0] & 0x3f);

        if (n < 2 || (p[0] & 0x40) || m == NULL || p[1] != m->length - 2)
            return SENSE_INVALID_PARAMETER;
        if (n < m->length)
            return SENSE_LIST_LENGTH;
        if (!page_acceptable(t, m, p))
            return SENSE_INVALID_PARAMETER;
        if (store) {
            *changed |= memcmp(m->data + 2, p + 2, m->length - 2u) != 0;
            memcpy(m->data + 2, p + 2, m->length - 2u);
        }
        p += m->length;
        n -= m->length;
    }
    return 0;
}

static void mode_select(struct scsi_target *t, struct scsi_request *r)
{
    bool ten = r->cdb[0] == 0x55, changed = false;
    size_t len = ten ? be16(r->cdb + 7) : r->cdb[4], header = ten ? 8 : 4, skip;
    const uint8_t *p = scsi_parameters(r, len);
    uint32_t sense = 0;

    if (p == NULL)
        return;
    if (len == 0) {
        scsi_good(r);
        return;
    }
    if (r->cdb[1] & 1) { /* save pages */
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    skip = len < header ? len + 1 : header + (ten ? be16(p + 6) : p[3]);
    if (skip > len)
        sense = SENSE_LIST_LENGTH;
    if (sense == 0)
        sense = select_pages(t, p + skip, len - skip, false, &changed);
    if (sense != 0) {
        scsi_check(r, sense);
        return;
    }
    select_pages(t, p + skip, len - skip, true, &changed);
    if (changed)
        scsi_attention(t, UA_MODE_CHANGED, (int)r->initiator);
    scsi_good(r);
}

/* --- log parameters: the list of pages, temperature, informational exceptions --- */

static void log_sense(struct scsi_target *t, struct scsi_request *r)
{
    static const uint8_t temperature[] = {0, 0, 3, 2, 0, 30, 0, 1, 3, 2, 0, 65};
    static const uint8_t exceptions[] = {0, 0, 3, 4, 0, 0, 30, 0};
    static const uint8_t list[] = {0x00, 0x0d, 0x2f};
    unsigned page = r->cdb[2] & 0x3f;
    const uint8_t *body = page == 0x0d ? temperature : page == 0x2f ? exceptions : list;
    size_t n = page == 0x0d   ? sizeof(temperature)
               : page == 0x2f ? sizeof(exceptions)
                              : sizeof(list);
    uint8_t d[32] = {0};

    (void)t;
    if ((page != 0 && body == list) || r->cdb[3] != 0) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    d[0] = (uint8_t)page;
    put16(d + 2, n);
    memcpy(d + 4, body, n);
    scsi_reply(r, d, 4 + n, be16(r->cdb + 7));
}

/* --- buffers: the echo buffer is what domain validation uses --- */

static void read_buffer(struct scsi_target *t, struct scsi_request *r)
{
    unsigned mode = r->cdb[1] & 0x1f, offset = be24(r->cdb + 3), len = be24(r->cdb + 6);
    uint8_t d[4] = {0};

    switch (mode) {
    case 0x02: /* data */
        if (r->cdb[2] == 0 && offset <= ECHO_SIZE) {
            scsi_reply(r, t->echo + offset, ECHO_SIZE - offset, len);
            return;
        }
        break;
    case 0x03: /* descriptor */
        if (r->cdb[2] == 0)
            put24(d + 1, ECHO_SIZE);
        scsi_reply(r, d, 4, len);
        return;
    case 0x0a: /* echo */
        scsi_reply(r, t->echo, ECHO_SIZE, len);
        return;
    case 0x0b: /* echo descriptor */
        put16(d + 2, ECHO_SIZE);
        scsi_reply(r, d, 4, len);
        return;
    }
    scsi_check(r, SENSE_INVALID_FIELD);
}

static void write_buffer(struct scsi_target *t, struct scsi_request *r)
{
    unsigned mode = r->cdb[1] & 0x1f, offset = be24(r->cdb + 3), len = be24(r->cdb + 6);
    const uint8_t *p;

    if (mode == 0x0a)
        offset = 0;
    if ((mode != 0x0a && mode != 0x02) || r->cdb[2] != 0 || offset > ECHO_SIZE ||
        len > ECHO_SIZE - offset) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    p = scsi_parameters(r, len);
    if (p == NULL)
        return;
    memcpy(t->echo + offset, p, len);
    scsi_good(r);
}

/* --- diagnostics: the self test finds nothing --- */

static void send_diagnostic(struct scsi_target *t, struct scsi_request *r)
{
    (void)t;
    if (r->cdb[1] & 0x10 || be16(r->cdb + 3) != 0)
        scsi_check(r, SENSE_INVALID_FIELD);
    else
        scsi_good(r);
}

static void receive_diagnostic(struct scsi_target *t, struct scsi_request *r)
{
    static const uint8_t pages[] = {0, 0, 0, 1, 0};

    (void)t;
    if ((r->cdb[1] & 1) && r->cdb[2] != 0)
        scsi_check(r, SENSE_INVALID_FIELD);
    else
        scsi_reply(r, pages, sizeof(pages), be16(r->cdb + 3));
}

static const struct scsi_command commands[] = {
    {0x00, CMD_MEDIUM, test_unit_ready},  {0x03, CMD_ANY_TIME, request_sense},
    {0x12, CMD_ANY_TIME, inquiry},        {0x15, CMD_WRITES, mode_select},
    {0x16, CMD_NO_RESERVE, scsi_reserve}, {0x17, CMD_NO_RESERVE, scsi_release},
    {0x1a, CMD_READS, mode_sense},        {0x1c, CMD_READS, receive_diagnostic},
    {0x1d, CMD_WRITES, send_diagnostic},  {0x3b, CMD_WRITES, write_buffer},
    {0x3c, CMD_READS, read_buffer},       {0x4d, 0, log_sense},
    {0x55, CMD_WRITES, mode_select},      {0x56, CMD_NO_RESERVE, scsi_reserve},
    {0x57, CMD_NO_RESERVE, scsi_release}, {0x5a, CMD_READS, mode_sense},
    {0x5e, CMD_NO_RESERVE, scsi_pr_in},   {0x5f, CMD_NO_RESERVE, scsi_pr_out},
    {0xa0, CMD_ANY_TIME, report_luns},
};

const struct scsi_command *scsi_spc_command(uint8_t opcode)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (commands[i].opcode == opcode)
            return &commands[i];
    return NULL;
}
