/* Fuzz target: what comes from the network while the firmware boots from it: frames (ARP, IPv4,
 * UDP, ICMP), DHCP and PXE answers, TFTP packets.
 *
 * The first byte chooses: bit 0 frames or payloads, bit 1 TFTP or DHCP, bit 2 writing, bit 3 only
 * the size, bit 4 sums of frames are made right. Then records: length (2 bytes), time that passes
 * before (tenths of a second), bytes. The transaction's number, the hardware address and ports are
 * made right, since nobody guesses them.
 */
#include "fuzz.h"

#include "dhcp4.h"
#include "tftp.h"

#define STATION 0x0a00020fu
#define SERVER  0x0a000202u

enum { FRAMES = 1, TFTP = 2, WRITE = 4, SIZE = 8, SUMS = 16 };

static const uint8_t mac[UDP4_MAC] = {2, 0, 0, 0, 0, 1};
static struct udp4 net;
static struct dhcp4_client dhcp;
static struct tftp tftp;
static uint64_t moved;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    (void)opaque;
    check(len >= 60 && len <= UDP4_FRAME && memcmp(frame + 6, mac, UDP4_MAC) == 0);
}

static void on_datagram(void *opaque, const struct udp4_datagram *d)
{
    (void)opaque;
    check(d->len <= UDP4_DATA_MAX);
    udp4_output(&net, d);
}

/* Data comes in order and once. */
static bool on_put(void *opaque, uint64_t at, const uint8_t *data, size_t len)
{
    (void)opaque;
    check(at == moved && len <= TFTP_BLOCK_MAX && (len == 0 || data != NULL));
    moved += len;
    return moved < 100000;
}

static bool on_get(void *opaque, uint64_t at, uint8_t *data, size_t len)
{
    (void)opaque;
    check(at + len <= tftp.file_size && len <= TFTP_BLOCK_MAX);
    memset(data, 0x5a, len);
    return true;
}

static void set_up(unsigned how)
{
    memset(&net, 0, sizeof net);
    memcpy(net.mac, mac, UDP4_MAC);
    net.send = on_frame;
    memset(&dhcp, 0, sizeof dhcp);
    memcpy(dhcp.mac, mac, UDP4_MAC);
    dhcp.send = on_datagram;
    dhcp.sort = how & WRITE;
    memset(&tftp, 0, sizeof tftp);
    strcpy(tftp.name, "file");
    tftp.operation = how & WRITE ? TFTP_WRITE : how & SIZE ? TFTP_SIZE : TFTP_READ;
    tftp.server = SERVER;
    tftp.port = 2070;
    tftp.file_size = 5000;
    tftp.send = on_datagram;
    tftp.put = on_put;
    tftp.get = on_get;
    moved = 0;
    if (how & TFTP) {
        net.ip = STATION;
        net.mask = 0xffffff00;
        tftp_start(&tftp, 0);
    } else {
        dhcp4_start(&dhcp, 1, 0);
    }
}

static void payload(unsigned how, const uint8_t *p, size_t len, uint64_t now)
{
    struct udp4_datagram d = {.src = SERVER, .dst = STATION, .data = p, .len = len};

    if (how & TFTP) {
        d.sport = 1024;
        d.dport = 2070;
        tftp_input(&tftp, &d, now);
        tftp_poll(&tftp, now);
        check(!memchr(tftp.error_text, 0x1b, strnlen(tftp.error_text, sizeof tftp.error_text)));
        return;
    }
    d.sport = how & WRITE ? 4011 : 67;
    d.dport = 68;
    dhcp4_input(&dhcp, &d, now);
    dhcp4_poll(&dhcp, now);
    if (dhcp.state == DHCP4_DONE)
        dhcp4_ask_server(&dhcp, 1, 0, SERVER, now);
}

/* A reply of this transaction to this client. */
static void fix_payload(unsigned how, uint8_t *p, size_t len)
{
    if ((how & TFTP) || len < 240)
        return;
    udp4_put32(p + 4, dhcp.xid);
    memcpy(p + 28, mac, UDP4_MAC);
}

static void fix_frame(uint8_t *f, size_t len)
{
    size_t header = len >= 34 ? (f[14] & 15u) * 4 : 0;

    if (header < 20 || header + 14 > len)
        return;
    memcpy(f, mac, UDP4_MAC);
    udp4_put16(f + 24, 0);
    udp4_put16(f + 24, (uint16_t)~udp4_sum(0, f + 14, header));
    if (f[23] == 17 && len >= 14 + header + 8)
        udp4_put16(f + 14 + header + 6, 0);
}

static void frame(unsigned how, uint8_t *f, size_t len, uint64_t now)
{
    struct udp4_datagram d;

    if (how & SUMS)
        fix_frame(f, len);
    if (udp4_input(&net, f, len, &d) == UDP4_NOTHING)
        return;
    check(d.data >= f && d.data + d.len <= f + len);
    payload(how, d.data, d.len, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned how = size > 0 ? data[0] : 0;
    uint64_t now = 0;
    size_t at = 1;

    set_up(how);
    for (unsigned n = 0; at + 3 <= size && n < 200; n++) {
        size_t len = data[at] | (size_t)data[at + 1] << 8;
        uint8_t *copy;

        now += 100 * data[at + 2];
        at += 3;
        len = len < size - at ? len : size - at;
        copy = malloc(len ? len : 1); /* its own block: reads beyond it are seen */
        check(copy != NULL);
        memcpy(copy, data + at, len);
        if (!(how & FRAMES))
            fix_payload(how, copy, len);
        if (how & FRAMES)
            frame(how, copy, len, now);
        else
            payload(how, copy, len, now);
        free(copy);
        at += len;
    }
    return 0;
}
