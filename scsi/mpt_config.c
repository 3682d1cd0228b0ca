/* Configuration pages of the 53C1030: manufacturing, I/O unit, IOC, SCSI port and device.
 *
 * A page is built when it is read; what the host may change is in struct mpt_settings. Nothing is
 * kept over power-off.
 */
#include "mpt_impl.h"

#define PAGE_MAX 280

enum action {
    READ_HEADER = 0,
    READ_CURRENT = 1,
    WRITE_CURRENT = 2,
    SET_DEFAULT = 3,
    WRITE_NVRAM = 4,
    READ_DEFAULT = 5,
    READ_NVRAM = 6,
};

enum page_type {
    PAGE_IO_UNIT = 0,
    PAGE_IOC = 1,
    PAGE_BIOS = 2,
    PAGE_SCSI_PORT = 3,
    PAGE_SCSI_DEVICE = 4,
    PAGE_MANUFACTURING = 9,
};

#define READ_ONLY  0x00u
#define CHANGEABLE 0x10u
#define PERSISTENT 0x20u

/* Transfer parameters, as in port page 0 and the device pages. */
#define PARAM_IU    0x00000001u
#define PARAM_DT    0x00000002u
#define PARAM_QAS   0x00000004u
#define PARAM_FLAGS 0x000000ffu
#define PARAM_WIDE  0x20000000u
#define MAX_OFFSET  127u
#define MIN_PERIOD  8u /* 160 million transfers in a second */

#define DEVICE_DEFAULT 0x000f080au /* all enabled, fastest, 10 seconds */

/* --- pages: the part after the header of 4 bytes --- */

static void text(uint8_t *p, const char *s, size_t n)
{
    for (size_t i = 0; i < n && s[i] != '\0'; i++)
        p[i] = (uint8_t)s[i];
}

static void manufacturing_0(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)m;
    (void)id;
    text(p, "LSI53C1030", 16);
    text(p + 0x10, "C0", 8);
    text(p + 0x18, "Virtual SCSI", 16);
    text(p + 0x28, "", 16);
    text(p + 0x38, "", 16);
}

static void nothing(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)m;
    (void)id;
    (void)p;
}

static void chip_revision(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)m;
    (void)id;
    set16(p, 0x0030);
    p[2] = 0x08;
}

static void io_unit_0(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)id;
    set32(p, (uint32_t)m->wwn);
    set32(p + 4, (uint32_t)(m->wwn >> 32));
}

static void io_unit_1(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)id;
    set32(p, m->settings.io_unit_flags);
}

static void store_io_unit_1(struct mpt *m, unsigned id, const uint8_t *p)
{
    (void)id;
    m->settings.io_unit_flags = le32(p);
}

static void io_unit_2(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)id;
    p[8] = (uint8_t)m->bus; /* first adapter of the boot order */
    p[9] = (uint8_t)(m->device << 3);
    set16(p + 10, 0x0001);
}

static void ioc_0(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)m;
    (void)id;
    set16(p + 0x08, 0x1000);
    set16(p + 0x0a, 0x0030);
    p[0x0c] = 0x08;
    set32(p + 0x10, 0x010000);
    set16(p + 0x14, 0x1000);
    set16(p + 0x16, 0x1000);
}

static void ioc_1(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)id;
    for (unsigned i = 0; i < 3; i++)
        set32(p + 4 * i, m->settings.ioc1[i]);
}

static void store_ioc_1(struct mpt *m, unsigned id, const uint8_t *p)
{
    (void)id;
    for (unsigned i = 0; i < 3; i++)
        m->settings.ioc1[i] = le32(p + 4 * i);
}

static void ioc_4(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)id;
    memcpy(p, m->settings.ioc4, sizeof(m->settings.ioc4));
}

static void store_ioc_4(struct mpt *m, unsigned id, const uint8_t *p)
{
    (void)id;
    memcpy(m->settings.ioc4, p, sizeof(m->settings.ioc4));
}

static uint32_t port_capabilities(void)
{
    return PARAM_IU | PARAM_DT | PARAM_QAS | MIN_PERIOD << 8 | MAX_OFFSET << 16 | PARAM_WIDE;
}

static void port_0(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)m;
    (void)id;
    set32(p, port_capabilities());
    set32(p + 4, 0x03 | (uint32_t)MPT_HOST_ID << 24); /* low-voltage differential */
}

static void port_1(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)id;
    for (unsigned i = 0; i < 3; i++)
        set32(p + 4 * i, m->settings.port1[i]);
}

/* The adapter's id is fixed. */
static void store_port_1(struct mpt *m, unsigned id, const uint8_t *p)
{
    (void)id;
    m->settings.port1[1] = le32(p + 4);
}

static void port_2(struct mpt *m, unsigned id, uint8_t *p)
{
    (void)id;
    set32(p, m->settings.port2[0]);
    set32(p + 4, m->settings.port2[1]);
    for (unsigned i = 0; i < MPT_IDS; i++)
        set32(p + 8 + 4 * i, m->settings.device[i]);
}

static void store_port_2(struct mpt *m, unsigned id, const uint8_t *p)
{
    (void)id;
    m->settings.port2[0] = le32(p);
    m->settings.port2[1] = le32(p + 4);
    for (unsigned i = 0; i < MPT_IDS; i++)
        m->settings.device[i] = le32(p + 8 + 4 * i);
}

/* What a negotiation comes to: what was asked for, within what both sides can do. */
static uint32_t negotiated(const struct mpt *m, unsigned id)
{
    uint32_t asked = m->settings.requested[id], flags = asked & PARAM_FLAGS;
    uint32_t period = asked >> 8 & 0xff, offset = asked >> 16 & 0xff;

    if (m->target[id] == NULL)
        return 0;
    if (!(asked & PARAM_WIDE))
        flags &= ~(PARAM_IU | PARAM_DT | PARAM_QAS);
    if (period < MIN_PERIOD)
        period = MIN_PERIOD;
    if (offset > MAX_OFFSET)
        offset = MAX_OFFSET;
    if (offset == 0)
        return asked & PARAM_WIDE;
    return flags | period << 8 | offset << 16 | (asked & PARAM_WIDE);
}

static void device_0(struct mpt *m, unsigned id, uint8_t *p)
{
    set32(p, negotiated(m, id));
    set32(p + 4, m->target[id] != NULL);
}

static void device_1(struct mpt *m, unsigned id, uint8_t *p)
{
    set32(p, m->settings.requested[id]);
    set32(p + 8, m->settings.configuration[id]);
}

static void store_device_1(struct mpt *m, unsigned id, const uint8_t *p)
{
    m->settings.requested[id] = le32(p);
    m->settings.configuration[id] = le32(p + 8);
}

static void device_2(struct mpt *m, unsigned id, uint8_t *p)
{
    for (unsigned i = 0; i < 3; i++)
        set32(p + 4 * i, m->settings.validation[id][i]);
}

static void store_device_2(struct mpt *m, unsigned id, const uint8_t *p)
{
    for (unsigned i = 0; i < 3; i++)
        m->settings.validation[id][i] = le32(p + 4 * i);
}

struct page {
    uint8_t type, number, version, attribute;
    uint8_t words; /* header included */
    void (*build)(struct mpt *m, unsigned id, uint8_t *p);
    void (*store)(struct mpt *m, unsigned id, const uint8_t *p);
};

static const struct page pages[] = {
    {PAGE_MANUFACTURING, 0, 0, READ_ONLY, 19, manufacturing_0, NULL},
    {PAGE_MANUFACTURING, 1, 0, READ_ONLY, 65, nothing, NULL},
    {PAGE_MANUFACTURING, 2, 0, READ_ONLY, 3, chip_revision, NULL},
    {PAGE_MANUFACTURING, 3, 0, READ_ONLY, 3, chip_revision, NULL},
    {PAGE_IO_UNIT, 0, 0, READ_ONLY, 3, io_unit_0, NULL},
    {PAGE_IO_UNIT, 1, 0, PERSISTENT, 2, io_unit_1, store_io_unit_1},
    {PAGE_IO_UNIT, 2, 0, READ_ONLY, 8, io_unit_2, NULL},
    {PAGE_IO_UNIT, 3, 1, READ_ONLY, 3, nothing, NULL},
    {PAGE_IOC, 0, 1, READ_ONLY, 7, ioc_0, NULL},
    {PAGE_IOC, 1, 1, PERSISTENT, 4, ioc_1, store_ioc_1},
    {PAGE_IOC, 2, 1, READ_ONLY, 3, nothing, NULL}, /* no volumes */
    {PAGE_IOC, 3, 0, READ_ONLY, 2, nothing, NULL}, /* no physical disks */
    {PAGE_IOC, 4, 0, CHANGEABLE, 5, ioc_4, store_ioc_4},
    {PAGE_SCSI_PORT, 0, 1, READ_ONLY, 3, port_0, NULL},
    {PAGE_SCSI_PORT, 1, 2, PERSISTENT, 4, port_1, store_port_1},
    {PAGE_SCSI_PORT, 2, 1, PERSISTENT, 19, port_2, store_port_2},
    {PAGE_SCSI_DEVICE, 0, 2, READ_ONLY, 3, device_0, NULL},
    {PAGE_SCSI_DEVICE, 1, 3, CHANGEABLE, 4, device_1, store_device_1},
    {PAGE_SCSI_DEVICE, 2, 0, CHANGEABLE, 4, device_2, store_device_2},
    {PAGE_SCSI_DEVICE, 3, 0, READ_ONLY, 3, nothing, NULL}, /* error counts */
};

void mpt_settings_init(struct mpt *m)
{
    struct mpt_settings *s = &m->settings;

    memset(s, 0, sizeof(*s));
    s->ioc1[2] = 0x0000ff01; /* depth 1, slot unknown */
    s->ioc4[1] = 3;          /* enclosure processors there may be */
    s->port1[0] = MPT_HOST_ID | 1u << (16 + MPT_HOST_ID);
    s->port2[0] = 0x04;               /* drivers need not reset the bus when they start */
    s->port2[1] = MPT_HOST_ID | 0x30; /* BIOS and system may use it */
    for (unsigned i = 0; i < MPT_IDS; i++)
        s->device[i] = DEVICE_DEFAULT;
}

/* --- requests --- */

#define CFG_ACTION  0x00u
#define CFG_HEADER  0x14u
#define CFG_ADDRESS 0x18u
#define CFG_SGE     0x1cu

static const struct page *find(unsigned type, unsigned number, unsigned *status)
{
    *status = IOC_CONFIG_INVALID_TYPE;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (pages[i].type != type)
            continue;
        *status = IOC_CONFIG_INVALID_PAGE;
        if (pages[i].number == number) {
            *status = IOC_SUCCESS;
            return &pages[i];
        }
    }
    return NULL;
}

static bool address_valid(const struct page *page, uint32_t address)
{
    if (page->type == PAGE_SCSI_DEVICE)
        return (address & 0xff) < MPT_IDS && !(address & 0xf000ff00u);
    return page->type != PAGE_SCSI_PORT || (address & 0xff) == 0;
}

static void put_header(const struct page *page, uint8_t *p)
{
    p[0] = page->version;
    p[1] = page->words;
    p[2] = page->number;
    p[3] = page->attribute | page->type;
}

/* The buffer a request names; its length limits what is moved. */
static bool buffer(const uint8_t *frame, const struct page *page, struct segment *s)
{
    if (!mpt_simple_element(frame + CFG_SGE, FRAME_SIZE - CFG_SGE, s))
        return false;
    if (s->len > 4u * page->words)
        s->len = 4u * page->words;
    return true;
}

static unsigned read_page(struct mpt *m, const uint8_t *frame, const struct page *page, unsigned id)
{
    uint8_t data[PAGE_MAX] = {0};
    struct segment s;

    if (!buffer(frame, page, &s))
        return IOC_INVALID_SGL;
    put_header(page, data);
    page->build(m, id, data + 4);
    return pci_dma_write(m->pci, s.addr, data, s.len) == 0 ? IOC_SUCCESS : IOC_INVALID_SGL;
}

static unsigned write_page(struct mpt *m, const uint8_t *frame, const struct page *page,
                           unsigned id)
{
    uint8_t data[PAGE_MAX] = {0};
    struct segment s;

    if (page->store == NULL)
        return IOC_CONFIG_CANT_COMMIT;
    if (!buffer(frame, page, &s))
        return IOC_INVALID_SGL;
    if (s.len < 4u * page->words)
        return IOC_CONFIG_INVALID_DATA;
    if (pci_dma_read(m->pci, s.addr, data, s.len) != 0)
        return IOC_INVALID_SGL;
    page->store(m, id, data + 4);
    return IOC_SUCCESS;
}

static unsigned perform(struct mpt *m, const uint8_t *frame, const struct page *page)
{
    uint32_t address = le32(frame + CFG_ADDRESS);
    unsigned id = address & 0xff;

    if (frame[CFG_ACTION] != READ_HEADER && !address_valid(page, address))
        return IOC_CONFIG_INVALID_PAGE;
    switch (frame[CFG_ACTION]) {
    case READ_HEADER:
        return IOC_SUCCESS;
    case READ_CURRENT:
    case READ_DEFAULT:
    case READ_NVRAM:
        return read_page(m, frame, page, id);
    case WRITE_CURRENT:
    case WRITE_NVRAM:
        return write_page(m, frame, page, id);
    case SET_DEFAULT:
        return page->store != NULL ? IOC_SUCCESS : IOC_CONFIG_CANT_COMMIT;
    default:
        return IOC_CONFIG_INVALID_ACTION;
    }
}

void mpt_config(struct mpt *m, const uint8_t *frame)
{
    unsigned status;
    const struct page *page = find(frame[CFG_HEADER + 3] & 0x0f, frame[CFG_HEADER + 2], &status);
    uint8_t r[REPLY_MAX];

    if (page != NULL)
        status = perform(m, frame, page);
    mpt_reply_init(r, frame, 0x18, status);
    memcpy(r + 0x14, frame + CFG_HEADER, 4);
    if (page != NULL)
        put_header(page, r + 0x14);
    mpt_reply(m, r, 0x18);
}
