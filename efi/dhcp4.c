/* See dhcp4.h: the options of messages. The client is dhcp4_client.c. */
#include "dhcp4.h"

#include <string.h>

#define FILE_AT    108
#define FILE_SIZE  128
#define NAME_AT    44
#define NAME_SIZE  64
#define MAGIC_AT   236
#define OPTIONS_AT 240
#define MAGIC      0x63825363u

#define OVERLOAD_FILE 1u
#define OVERLOAD_NAME 2u

/* PXE's options inside option 43. */
enum { PXE_CONTROL = 6, PXE_MULTICAST = 7, PXE_SERVERS = 8, PXE_MENU = 9 };

/* One option in a field of code-length-data, 0 for padding and 255 at the end. */
static const uint8_t *find(const uint8_t *p, size_t size, unsigned code, unsigned *len)
{
    size_t at = 0;

    while (at < size && p[at] != DHCP4_END) {
        if (p[at] == 0) {
            at++;
            continue;
        }
        if (at + 2 > size || p[at + 1] > size - at - 2)
            return NULL;
        if (p[at] == code) {
            *len = p[at + 1];
            return p + at + 2;
        }
        at += 2u + p[at + 1];
    }
    return NULL;
}

static unsigned overload(const uint8_t *m, size_t size)
{
    unsigned len;
    const uint8_t *p = find(m + OPTIONS_AT, size - OPTIONS_AT, DHCP4_OVERLOAD, &len);

    return p && len == 1 ? p[0] : 0;
}

const uint8_t *dhcp4_option(const uint8_t *m, size_t size, unsigned code, unsigned *len)
{
    const uint8_t *p;
    unsigned more;

    if (size < OPTIONS_AT || udp4_get32(m + MAGIC_AT) != MAGIC)
        return NULL;
    p = find(m + OPTIONS_AT, size - OPTIONS_AT, code, len);
    more = overload(m, size);
    if (!p && (more & OVERLOAD_FILE))
        p = find(m + FILE_AT, FILE_SIZE, code, len);
    if (!p && (more & OVERLOAD_NAME))
        p = find(m + NAME_AT, NAME_SIZE, code, len);
    return p;
}

/* An option of one address or, for lists, their first. */
static uint32_t address(const uint8_t *m, size_t size, unsigned code)
{
    unsigned len;
    const uint8_t *p = dhcp4_option(m, size, code, &len);

    return p && len >= 4 ? udp4_get32(p) : 0;
}

/* Up to the first NUL or what cannot be in a name. */
static void take_name(char *out, size_t room, const uint8_t *p, size_t len)
{
    size_t n = 0;

    while (n < len && n + 1 < room && p[n] >= ' ' && p[n] != 0x7f) {
        out[n] = (char)p[n];
        n++;
    }
    out[n] = '\0';
}

static void read_file(const uint8_t *m, size_t size, struct dhcp4_info *out)
{
    unsigned len;
    const uint8_t *p = dhcp4_option(m, size, DHCP4_BOOT_FILE, &len);

    if (p)
        take_name(out->file, sizeof out->file, p, len);
    else if (!(overload(m, size) & OVERLOAD_FILE))
        take_name(out->file, sizeof out->file, m + FILE_AT, FILE_SIZE);
}

/* Four decimal numbers; 0 when it is something else. */
static uint32_t dotted(const uint8_t *p, unsigned len)
{
    uint32_t ip = 0;
    unsigned at = 0;

    for (unsigned part = 0; part < 4; part++) {
        unsigned v = 0, digits = 0;

        while (at < len && p[at] >= '0' && p[at] <= '9' && digits < 4) {
            v = 10 * v + (p[at++] - '0');
            digits++;
        }
        if (digits == 0 || v > 255)
            return 0;
        ip = ip << 8 | v;
        if (part < 3 && (at >= len || p[at++] != '.'))
            return 0;
    }
    return at == len || p[at] == 0 ? ip : 0;
}

/* siaddr, or a server named by its address, or who answered. */
static void read_boot_server(const uint8_t *m, size_t size, struct dhcp4_info *out)
{
    unsigned len;
    const uint8_t *p = dhcp4_option(m, size, DHCP4_TFTP_SERVER, &len);

    out->boot_server = udp4_get32(m + 20);
    if (!out->boot_server && p)
        out->boot_server = dotted(p, len);
    if (!out->boot_server)
        out->boot_server = out->server;
}

/* A menu entry is type, length, text; a server list is type, count, addresses. */
static void read_items(const uint8_t *v, unsigned size, struct dhcp4_info *out)
{
    unsigned len;
    const uint8_t *p = find(v, size, PXE_MENU, &len);

    if (p && len >= 3) {
        out->has_item = true;
        out->item = udp4_get16(p);
    }
    p = find(v, size, PXE_SERVERS, &len);
    for (unsigned at = 0; p && at + 3 <= len && p[at + 2] * 4u <= len - at - 3;
         at += 3 + 4 * p[at + 2]) {
        uint16_t type = udp4_get16(p + at);

        if (!out->has_item) {
            out->has_item = true;
            out->item = type;
        }
        if (type == out->item && p[at + 2] && !out->item_server)
            out->item_server = udp4_get32(p + at + 3);
    }
}

static void read_vendor(const uint8_t *m, size_t size, struct dhcp4_info *out)
{
    unsigned n, len;
    const uint8_t *v = dhcp4_option(m, size, DHCP4_VENDOR, &n), *p;

    if (!v)
        return;
    p = find(v, n, PXE_CONTROL, &len);
    if (p && len == 1) {
        out->has_control = true;
        out->control = p[0];
    }
    p = find(v, n, PXE_MULTICAST, &len);
    if (p && len == 4)
        out->multicast = udp4_get32(p);
    read_items(v, n, out);
}

/* The classful mask when none is given that could be one. */
static uint32_t mask_for(uint32_t ip, uint32_t given)
{
    if (given && ((~given & (~given + 1)) == 0))
        return given;
    return ip >> 31 == 0 ? 0xff000000u : ip >> 30 == 2 ? 0xffff0000u : 0xffffff00u;
}

/* What a host cannot have: 0/8, 127/8, multicast and above. */
static bool host_address(uint32_t ip)
{
    return ip >> 24 != 0 && ip >> 24 != 127 && ip >> 28 < 14;
}

bool dhcp4_read(const uint8_t *m, size_t size, struct dhcp4_info *out)
{
    unsigned len;
    const uint8_t *p;

    memset(out, 0, sizeof *out);
    if (size < OPTIONS_AT || m[0] != 2 || m[1] != 1 || m[2] != UDP4_MAC ||
        udp4_get32(m + MAGIC_AT) != MAGIC)
        return false;
    p = dhcp4_option(m, size, DHCP4_TYPE, &len);
    out->type = p && len == 1 ? p[0] : 0;
    out->address = udp4_get32(m + 16);
    if (!host_address(out->address))
        out->address = 0;
    out->server = address(m, size, DHCP4_SERVER_ID);
    out->mask = mask_for(out->address, address(m, size, DHCP4_MASK));
    out->router = address(m, size, DHCP4_ROUTER);
    p = dhcp4_option(m, size, DHCP4_CLASS, &len);
    out->pxe = p && len >= 9 && memcmp(p, "PXEClient", 9) == 0;
    read_file(m, size, out);
    read_boot_server(m, size, out);
    if (out->pxe)
        read_vendor(m, size, out);
    return true;
}
