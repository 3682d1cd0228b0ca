/* EFI device paths: reading from guest memory, building, text form. */
#include "boot.h"

#include <inttypes.h>
#include "le.h"

enum { HARDWARE = 1, ACPI = 2, MESSAGING = 3, MEDIA = 4, BBS = 5, END = 0x7f };
enum { HW_PCI = 1, HW_VENDOR = 4 };
enum { MSG_ATAPI = 1, MSG_SCSI = 2, MSG_USB = 5, MSG_VENDOR = 10, MSG_MAC = 11, MSG_UART = 14 };
enum { MEDIA_HD = 1, MEDIA_CDROM = 2, MEDIA_VENDOR = 3, MEDIA_FILE = 4 };

#define NODE_HEADER 4
#define PNP_ID      0x41d0u /* "PNP" as an EISA id */

/* --- building --- */

void devpath_add(struct devpath *p, uint8_t type, uint8_t subtype, const void *data, size_t len)
{
    uint8_t *node = p->data + p->size;

    if (len + NODE_HEADER > DEVPATH_MAX - NODE_HEADER - p->size)
        return;
    node[0] = type;
    node[1] = subtype;
    put_le16(node + 2, (uint16_t)(len + NODE_HEADER));
    memcpy(node + NODE_HEADER, data, len);
    p->size += len + NODE_HEADER;
}

void devpath_add_acpi(struct devpath *p, uint16_t pnp, uint32_t uid)
{
    uint8_t d[8];

    put_le32(d, PNP_ID | (uint32_t)pnp << 16);
    put_le32(d + 4, uid);
    devpath_add(p, ACPI, 1, d, sizeof(d));
}

void devpath_add_pci(struct devpath *p, unsigned device, unsigned function)
{
    uint8_t d[2] = {(uint8_t)function, (uint8_t)device};

    devpath_add(p, HARDWARE, HW_PCI, d, sizeof(d));
}

void devpath_add_scsi(struct devpath *p, unsigned pun, unsigned lun)
{
    uint8_t d[4];

    put_le16(d, (uint16_t)pun);
    put_le16(d + 2, (uint16_t)lun);
    devpath_add(p, MESSAGING, MSG_SCSI, d, sizeof(d));
}

void devpath_add_partition(struct devpath *p, const struct partition *part)
{
    uint8_t d[38] = {0};

    put_le32(d, part->number);
    put_le64(d + 4, part->start);
    put_le64(d + 12, part->blocks);
    if (part->scheme == PART_ELTORITO) {
        devpath_add(p, MEDIA, MEDIA_CDROM, d, 20);
        return;
    }
    memcpy(d + 20, part->signature, 16);
    d[36] = (uint8_t)part->scheme;
    d[37] = part->sig_type;
    devpath_add(p, MEDIA, MEDIA_HD, d, sizeof(d));
}

void devpath_add_file(struct devpath *p, const uint16_t *name)
{
    size_t n = 0;

    while (name[n])
        n++;
    devpath_add(p, MEDIA, MEDIA_FILE, name, 2 * (n + 1));
}

/* --- guest memory --- */

bool devpath_read(struct boot *b, uint64_t at, struct devpath *out)
{
    out->size = 0;
    while (at) {
        uint8_t head[NODE_HEADER];
        size_t len;

        if (!boot_read(b, at, head, sizeof(head)))
            return false;
        len = le16(head + 2);
        if ((head[0] & 0x7f) == END)
            return true;
        if (len < NODE_HEADER || len > DEVPATH_MAX - NODE_HEADER - out->size ||
            !boot_read(b, at, out->data + out->size, len))
            return false;
        out->size += len;
        at += len;
    }
    return false;
}

uint64_t devpath_write(struct boot *b, const struct devpath *p)
{
    static const uint8_t end[NODE_HEADER] = {END, 0xff, NODE_HEADER, 0};
    uint64_t at = boot_alloc(b, p->size + sizeof(end));

    if (at) {
        boot_write(b, at, p->data, p->size);
        boot_write(b, at + p->size, end, sizeof(end));
    }
    return at;
}

size_t devpath_node(const struct devpath *p, size_t at)
{
    return at < p->size ? le16(p->data + at + 2) : 0;
}

static bool is_file(const struct devpath *p, size_t at)
{
    return p->data[at] == MEDIA && p->data[at + 1] == MEDIA_FILE;
}

/* Nodes are joined with a backslash where neither side has one. */
uint16_t *devpath_file(const struct devpath *p, size_t at)
{
    uint16_t *name = g_new0(uint16_t, p->size + 2);
    size_t n = 0;

    for (size_t len = 0; (len = devpath_node(p, at)) > 0; at += len) {
        if (!is_file(p, at)) {
            g_free(name);
            return NULL;
        }
        if (n && name[n - 1] != '\\' && len > NODE_HEADER + 1 &&
            le16(p->data + at + NODE_HEADER) != '\\')
            name[n++] = '\\';
        for (size_t i = NODE_HEADER; i + 1 < len && le16(p->data + at + i); i += 2)
            name[n++] = le16(p->data + at + i);
    }
    if (n == 0)
        g_clear_pointer(&name, g_free);
    return name;
}

/* --- text --- */

static void put_guid(GString *s, const uint8_t *g)
{
    g_string_append_printf(s, "%08X-%04X-%04X-%02X%02X-", le32(g), le16(g + 4), le16(g + 6), g[8],
                           g[9]);
    for (unsigned i = 10; i < 16; i++)
        g_string_append_printf(s, "%02X", g[i]);
}

static void put_acpi(GString *s, const uint8_t *d)
{
    uint32_t hid = le32(d), uid = le32(d + 4);

    if ((hid & 0xffff) == PNP_ID)
        g_string_append_printf(s, "Acpi(PNP%04X,%X)", hid >> 16, uid);
    else
        g_string_append_printf(s, "Acpi(%08X,%X)", hid, uid);
}

static void put_hd(GString *s, const uint8_t *d)
{
    g_string_append_printf(s, "HD(Part%u,Sig", le32(d));
    if (d[37] == PART_SIG_GUID)
        put_guid(s, d + 20);
    else if (d[37] == PART_SIG_MBR)
        g_string_append_printf(s, "%08X", le32(d + 20));
    g_string_append_c(s, ')');
}

static void put_uart(GString *s, const uint8_t *d)
{
    static const char parity[] = "DNEOMS";
    static const char *const stop[] = {"D", "1", "1.5", "2"};

    g_string_append_printf(s, "Uart(%" PRIu64 " %c%u%s)", le64(d + 4),
                           d[13] < 6 ? parity[d[13]] : 'x', d[12], d[14] < 4 ? stop[d[14]] : "x");
}

static void put_vendor(GString *s, const char *kind, const uint8_t *d)
{
    if (memcmp(d, guid_vt100_plus, 16) == 0) {
        g_string_append(s, "VenMsg(Vt100+)");
        return;
    }
    g_string_append_printf(s, "Ven%s(", kind);
    put_guid(s, d);
    g_string_append_c(s, ')');
}

static void put_file(GString *s, const uint8_t *d, size_t len)
{
    for (size_t i = 0; i + 1 < len && le16(d + i); i += 2)
        g_string_append_c(s, le16(d + i) < 0x7f && le16(d + i) >= ' ' ? (char)le16(d + i) : '?');
}

static void put_mac(GString *s, const uint8_t *d)
{
    g_string_append(s, "Mac(");
    for (unsigned i = 0; i < 6; i++)
        g_string_append_printf(s, "%02X", d[i]);
    g_string_append_c(s, ')');
}

/* d: the node's data, at least 38 bytes of which can be read. */
static bool put_known(GString *s, unsigned type, unsigned subtype, const uint8_t *d, size_t len)
{
    if (type == HARDWARE && subtype == HW_PCI && len >= 2)
        g_string_append_printf(s, "Pci(%X|%X)", d[1], d[0]);
    else if (type == HARDWARE && subtype == HW_VENDOR && len >= 16)
        put_vendor(s, "Hw", d);
    else if (type == ACPI && subtype == 1 && len >= 8)
        put_acpi(s, d);
    else if (type == MESSAGING && subtype == MSG_SCSI && len >= 4)
        g_string_append_printf(s, "Scsi(Pun%X,Lun%X)", le16(d), le16(d + 2));
    else if (type == MESSAGING && subtype == MSG_ATAPI && len >= 4)
        g_string_append_printf(s, "Ata(%s,%s)", d[0] ? "Secondary" : "Primary",
                               d[1] ? "Slave" : "Master");
    else if (type == MESSAGING && subtype == MSG_USB && len >= 2)
        g_string_append_printf(s, "Usb(%X, %X)", d[0], d[1]);
    else if (type == MESSAGING && subtype == MSG_MAC && len >= 6)
        put_mac(s, d);
    else if (type == MESSAGING && subtype == MSG_UART && len >= 15)
        put_uart(s, d);
    else if (type == MESSAGING && subtype == MSG_VENDOR && len >= 16)
        put_vendor(s, "Msg", d);
    else if (type == MEDIA && subtype == MEDIA_HD && len >= 38)
        put_hd(s, d);
    else if (type == MEDIA && subtype == MEDIA_CDROM && len >= 4)
        g_string_append_printf(s, "CDROM(Entry%X)", le32(d));
    else if (type == MEDIA && subtype == MEDIA_VENDOR && len >= 16)
        put_vendor(s, "Media", d);
    else if (type == MEDIA && subtype == MEDIA_FILE)
        put_file(s, d, len);
    else
        return false;
    return true;
}

char *devpath_text(const struct devpath *p)
{
    GString *s = g_string_new(NULL);

    for (size_t at = 0, len; (len = devpath_node(p, at)) > 0; at += len) {
        if (at)
            g_string_append_c(s, '/');
        if (!put_known(s, p->data[at], p->data[at + 1], p->data + at + NODE_HEADER,
                       len - NODE_HEADER))
            g_string_append_printf(s, "Path(%u,%u)", p->data[at], p->data[at + 1]);
    }
    return g_string_free(s, FALSE);
}
