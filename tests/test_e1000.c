/* net/e1000.h: EEPROM, PHY, interrupts, rings, filters, checksums, segmentation, hostile guests. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "e1000.h"
#include "ioport.h"
#include "log.h"

#define RAM    0x400000u
#define WINDOW 0x80000000ull

/* Where things are in guest memory. */
#define TX_RING 0x1000u
#define RX_RING 0x2000u
#define TX_DATA 0x10000u
#define RX_DATA 0x40000u
#define RING    8u /* descriptors */

#define CTRL   0x0000u
#define STATUS 0x0008u
#define EECD   0x0010u
#define EERD   0x0014u
#define MDIC   0x0020u
#define ICR    0x00c0u
#define ITR    0x00c4u
#define ICS    0x00c8u
#define IMS    0x00d0u
#define IMC    0x00d8u
#define RCTL   0x0100u
#define TCTL   0x0400u
#define RDBAL  0x2800u
#define RDLEN  0x2808u
#define RDH    0x2810u
#define RDT    0x2818u
#define RDTR   0x2820u
#define TDBAL  0x3800u
#define TDLEN  0x3808u
#define TDH    0x3810u
#define TDT    0x3818u
#define MPC    0x4010u
#define GPRC   0x4074u
#define GPTC   0x4080u
#define GOTCL  0x4088u + 8u
#define RXCSUM 0x5000u
#define MTA    0x5200u
#define RA     0x5400u
#define VFTA   0x5600u

#define EOP_IFCS_RS 0x0b000000u
#define DEXT        0x20000000u
#define DATA_DESC   0x20100000u

#define RX_ON (0x2u | 0x8000u | 0x04000000u) /* enabled, broadcasts, no check sequence */

static struct mem *m;
static struct ioport_space *ports;
static struct pci *p;
static struct e1000 *nic;
static struct net_end end;
static int line;
static uint64_t base, now;
static uint8_t sent[64][0x4000];
static size_t sent_len[64];
static unsigned sents;

static const uint8_t mac[6] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01};

static void set_line(void *opaque, int n, int level)
{
    (void)opaque;
    (void)n;
    line = level;
}

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now;
}

static void on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    (void)opaque;
    memcpy(sent[sents % 64], frame, len);
    sent_len[sents++ % 64] = len;
}

static unsigned no_irq(unsigned bus, unsigned n)
{
    return bus + n;
}

static uint32_t rd(unsigned reg)
{
    uint64_t v = 0;
    ck_assert(mem_read(m, base + reg, 4, &v));
    return (uint32_t)v;
}

static void wr(unsigned reg, uint32_t v)
{
    ck_assert(mem_write(m, base + reg, 4, v));
}

static void setup(void)
{
    struct pci_root_config root = {.mem32 = WINDOW,
                                   .mem32_size = 1 << 28,
                                   .io = {{0x2000, 0x1000}},
                                   .line = {{set_line, NULL, 0}},
                                   .lines = 1};
    struct e1000_config c = {.device = 1, .now_ns = clock_ns};
    struct net_end peer = {.frame = on_frame};
    int err;

    log_set_level(LOG_ERROR);
    m = mem_new();
    ck_assert_int_eq(mem_add_ram(m, 0, RAM), 0);
    ports = ioport_new();
    p = pci_new(m, ports);
    ck_assert_int_eq(pci_add_root(p, &root), 0);
    c.pci = p;
    memcpy(c.mac, mac, 6);
    nic = e1000_new(&c, &err);
    ck_assert_ptr_nonnull(nic);
    pci_assign(p, no_irq);
    base = pci_config_read(p, 0, 0, 1 << 3, PCI_BAR0, 4) & ~15u;
    e1000_connect(nic, &peer);
    end = e1000_end(nic);
    sents = 0;
    now = 1;
    rd(ICR);
}

static void teardown(void)
{
    e1000_free(nic);
    pci_free(p);
    ioport_free(ports);
    mem_free(m);
}

/* --- identity, EEPROM, PHY --- */

START_TEST(identity)
{
    ck_assert_uint_eq(pci_config_read(p, 0, 0, 8, 0, 4), 0x100e8086);
    ck_assert_uint_eq(pci_config_read(p, 0, 0, 8, PCI_SUBSYSTEM, 4), 0x001e8086);
    ck_assert_uint_eq(rd(STATUS) & 0xc3, 0x83);
    ck_assert_uint_eq(rd(RA), 0xccbbaa02);
    ck_assert_uint_eq(rd(RA + 4), 0x800001dd);
    end.link(end.opaque, false);
    ck_assert_uint_eq(rd(STATUS) & 2, 0);
    ck_assert_uint_eq(rd(ICR), 4);
    ck_assert_uint_eq(rd(ICR), 0);
}
END_TEST

static unsigned eerd(unsigned word)
{
    wr(EERD, word << 8 | 1);
    ck_assert_uint_eq(rd(EERD) & 0x10, 0x10);
    return rd(EERD) >> 16;
}

static void eecd_bit(bool in)
{
    uint32_t v = 0x42u | (in ? 4 : 0);
    wr(EECD, v);
    wr(EECD, v | 1);
    wr(EECD, v);
}

static unsigned eecd_read(unsigned word)
{
    unsigned v = 0;
    wr(EECD, 0x40);
    ck_assert_uint_eq(rd(EECD) & 0x80, 0x80);
    for (unsigned bit = 9; bit-- > 0;)
        eecd_bit((6u << 6 | word) >> bit & 1);
    for (unsigned bit = 0; bit < 16; bit++) {
        eecd_bit(false);
        v = v << 1 | (rd(EECD) >> 3 & 1);
    }
    wr(EECD, 0);
    return v;
}

START_TEST(eeprom)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < 64; i++) {
        sum += eerd(i);
        ck_assert_uint_eq(eecd_read(i), eerd(i));
    }
    ck_assert_uint_eq(sum & 0xffff, 0xbaba);
    ck_assert_uint_eq(eerd(0), 0xaa02);
    ck_assert_uint_eq(eerd(2), 0x01dd);
}
END_TEST

static uint32_t mdic(uint32_t v)
{
    wr(MDIC, v);
    ck_assert_uint_eq(rd(MDIC) & 0x10000000, 0x10000000);
    return rd(MDIC);
}

START_TEST(phy)
{
    ck_assert_uint_eq(mdic(0x08200000 | 2 << 16) & 0xffff, 0x0141);
    ck_assert_uint_eq(mdic(0x08200000 | 3 << 16) & 0xfff0, 0x0c20);
    ck_assert_uint_eq(mdic(0x08200000 | 1 << 16) & 0x24, 0x24);
    ck_assert_uint_ne(mdic(0x08400000 | 2 << 16) & 0x40000000, 0); /* nobody there */
    end.link(end.opaque, false);
    ck_assert_uint_eq(mdic(0x08200000 | 1 << 16) & 0x24, 0);
    mdic(0x04200000 | 0x9140); /* reset clears itself */
    ck_assert_uint_eq(mdic(0x08200000) & 0xffff, 0x1140);
}
END_TEST

/* --- interrupts --- */

START_TEST(interrupts)
{
    wr(ICS, 0x04);
    ck_assert_int_eq(line, 0);
    wr(IMS, 0x04);
    ck_assert_int_eq(line, 1);
    ck_assert_uint_eq(rd(ICR), 4);
    ck_assert_int_eq(line, 0);
    wr(ITR, 1000); /* 256 microseconds */
    wr(ICS, 0x04);
    ck_assert_int_eq(line, 1);
    rd(ICR);
    wr(ICS, 0x04);
    ck_assert_int_eq(line, 0);
    ck_assert_uint_eq(e1000_due_ns(nic), now + 256000);
    now += 256000;
    e1000_poll(nic);
    ck_assert_int_eq(line, 1);
    wr(IMC, 0x04);
    ck_assert_int_eq(line, 0);
    wr(CTRL, 0x04000000);
    ck_assert_uint_eq(rd(IMS) | rd(ICR), 0);
}
END_TEST

START_TEST(ports_too)
{
    unsigned io = pci_config_read(p, 0, 0, 8, PCI_BAR0 + 8, 4) & ~3u;
    ioport_out(ports, io, STATUS, 4);
    ck_assert_uint_eq(ioport_in(ports, io + 4, 4), rd(STATUS));
    ioport_out(ports, io, 0xfffffffc, 4);
    ck_assert_uint_eq(ioport_in(ports, io + 4, 4), 0);
    ioport_out(ports, io + 4, 1, 4);
}
END_TEST

/* --- transmit --- */

static void put_desc(uint64_t ring, unsigned n, uint64_t addr, uint32_t low, uint32_t high)
{
    mem_write(m, ring + 16 * n, 8, addr);
    mem_write(m, ring + 16 * n + 8, 4, low);
    mem_write(m, ring + 16 * n + 12, 4, high);
}

static void tx_on(void)
{
    wr(TDBAL, TX_RING);
    wr(TDLEN, RING * 16);
    wr(TCTL, 0xa);
}

/* IPv4 and TCP or UDP in an Ethernet frame, checksums as a driver leaves them for the card. */
static size_t make_frame(uint8_t *f, unsigned proto, size_t payload, bool with_length)
{
    static const uint8_t addresses[8] = {10, 0, 2, 15, 10, 0, 2, 2};
    size_t l4 = (proto == 6 ? 20 : 8) + payload;
    uint8_t pseudo[12];

    memset(f, 0, 54);
    memcpy(f, "\xff\xff\xff\xff\xff\xff", 6);
    memcpy(f + 6, mac, 6);
    net_put16(f + 12, 0x0800);
    f[14] = 0x45;
    net_put16(f + 16, 20 + (unsigned)l4);
    net_put16(f + 18, 0x1234);
    f[22] = 64;
    f[23] = (uint8_t)proto;
    memcpy(f + 26, addresses, 8);
    memcpy(pseudo, addresses, 8);
    net_put16(pseudo + 8, proto);
    net_put16(pseudo + 10, with_length ? (unsigned)l4 : 0);
    if (proto == 6) {
        net_put16(f + 40, 100); /* sequence 100 */
        f[46] = 0x50;
        f[47] = 0x19; /* FIN, PSH, ACK */
        net_put16(f + 50, net_sum(0, pseudo, 12));
    } else {
        net_put16(f + 38, (unsigned)l4);
        net_put16(f + 40, net_sum(0, pseudo, 12));
    }
    for (size_t i = 0; i < payload; i++)
        f[34 + l4 - payload + i] = (uint8_t)(i * 7 + i / 256);
    return 34 + l4;
}

static void check_frame_sums(const uint8_t *f, size_t len)
{
    uint8_t pseudo[12];
    ck_assert_uint_eq(net_sum(0, f + 14, 20), 0xffff);
    memcpy(pseudo, f + 26, 8);
    net_put16(pseudo + 8, f[23]);
    net_put16(pseudo + 10, (unsigned)len - 34);
    ck_assert_uint_eq(net_sum(net_sum(0, pseudo, 12), f + 34, len - 34), 0xffff);
}

START_TEST(legacy)
{
    uint8_t f[64];
    memset(f, 0x5a, sizeof f);
    mem_dma_write(m, TX_DATA, f, sizeof f);
    tx_on();
    wr(IMS, 3);
    for (unsigned i = 0; i < 3 * RING; i++) { /* round the ring */
        put_desc(TX_RING, i % RING, TX_DATA, EOP_IFCS_RS | (i == 0 ? 20 : 64), 0);
        wr(TDT, (i + 1) % RING);
        uint64_t v;
        mem_read(m, TX_RING + i % RING * 16 + 12, 4, &v);
        ck_assert_uint_eq(v, 1);
        ck_assert_uint_eq(rd(TDH), (i + 1) % RING);
        ck_assert_uint_eq(rd(ICR) & 3, 3);
    }
    ck_assert_uint_eq(sents, 3 * RING);
    ck_assert_uint_eq(sent_len[0], 60); /* padded */
    ck_assert_uint_eq(sent[0][20], 0);
    ck_assert_mem_eq(sent[1], f, 64);
    ck_assert_uint_eq(rd(GPTC), 24);
    ck_assert_uint_eq(rd(GPTC), 0);
    ck_assert_uint_eq(rd(GOTCL), 64 + 23 * 68);
}
END_TEST

static void put_context(unsigned n, bool tso, bool tcp, unsigned header, unsigned mss)
{
    uint32_t low = DEXT | (tcp ? 0x01000000u : 0) | 0x02000000u | (tso ? 0x04000000u : 0);
    uint64_t setup = 14 | 24 << 8 | 33u << 16 | (uint64_t)(34 | (tcp ? 50 : 40) << 8) << 32;
    put_desc(TX_RING, n, setup, low, header << 8 | mss << 16);
}

START_TEST(checksums)
{
    uint8_t f[400];
    unsigned proto = _i == 0 ? 6 : 17;
    size_t len = make_frame(f, proto, 301, true);
    mem_dma_write(m, TX_DATA, f, len);
    tx_on();
    put_context(0, false, proto == 6, 0, 0);
    put_desc(TX_RING, 1, TX_DATA, DATA_DESC | 100, 0x300);
    put_desc(TX_RING, 2, TX_DATA + 100, DATA_DESC | EOP_IFCS_RS | (uint32_t)(len - 100), 0x300);
    wr(TDT, 3);
    ck_assert_uint_eq(sents, 1);
    ck_assert_uint_eq(sent_len[0], len);
    check_frame_sums(sent[0], len);
}
END_TEST

START_TEST(segmentation)
{
    static uint8_t f[9000];
    unsigned proto = _i == 0 ? 6 : 17;
    unsigned header = proto == 6 ? 54 : 42;
    size_t len = make_frame(f, proto, 3000, false), at = 0;

    mem_dma_write(m, TX_DATA, f, len);
    tx_on();
    put_context(0, true, proto == 6, header, 1000);
    put_desc(TX_RING, 1, TX_DATA, DATA_DESC | 0x04000000u | 30, 0x300);
    put_desc(TX_RING, 2, TX_DATA + 30, DATA_DESC | 0x04000000u | EOP_IFCS_RS | (uint32_t)(len - 30),
             0x300);
    wr(TDT, 3);
    ck_assert_uint_eq(sents, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(sent_len[i], header + 1000);
        ck_assert_uint_eq(net_get16(sent[i] + 16), header - 14 + 1000);
        ck_assert_uint_eq(net_get16(sent[i] + 18), 0x1234 + i);
        check_frame_sums(sent[i], sent_len[i]);
        ck_assert_mem_eq(sent[i] + header, f + header + at, 1000);
        if (proto == 6) {
            ck_assert_uint_eq(net_get16(sent[i] + 38) << 16 | net_get16(sent[i] + 40), 100 + at);
            ck_assert_uint_eq(sent[i][47], i == 2 ? 0x19 : 0x10);
        }
        at += 1000;
    }
}
END_TEST

START_TEST(vlan_insert)
{
    uint8_t f[100];
    size_t len = make_frame(f, 17, 40, true);
    mem_dma_write(m, TX_DATA, f, len);
    tx_on();
    wr(CTRL, 0x40000000);
    put_desc(TX_RING, 0, TX_DATA, 0x40000000u | EOP_IFCS_RS | (uint32_t)len, 0x0064u << 16);
    wr(TDT, 1);
    ck_assert_uint_eq(sent_len[0], len + 4);
    ck_assert_uint_eq(net_get16(sent[0] + 12), 0x8100);
    ck_assert_uint_eq(net_get16(sent[0] + 14), 0x0064);
    ck_assert_mem_eq(sent[0] + 16, f + 12, len - 12);
}
END_TEST

/* --- receive --- */

static void rx_on(uint32_t rctl)
{
    for (unsigned i = 0; i < RING; i++)
        put_desc(RX_RING, i, RX_DATA + 0x1000 * i, 0, 0);
    wr(RDBAL, RX_RING);
    wr(RDLEN, RING * 16);
    wr(RDT, RING - 1);
    wr(RXCSUM, 0x300);
    wr(RCTL, rctl);
}

static void get_rx(unsigned n, uint32_t *low, uint32_t *high)
{
    uint64_t v;
    mem_read(m, RX_RING + 16 * n + 8, 4, &v);
    *low = (uint32_t)v;
    mem_read(m, RX_RING + 16 * n + 12, 4, &v);
    *high = (uint32_t)v;
}

static void wire(const uint8_t *f, size_t len)
{
    end.frame(end.opaque, f, len);
}

/* A frame with right checksums, made by the card itself. */
static size_t good_frame(uint8_t *f, size_t payload)
{
    size_t len = make_frame(f, 6, payload, true);
    net_put16(f + 24, ~net_sum(0, f + 14, 20) & 0xffff);
    net_put16(f + 50, ~net_sum(0, f + 34, len - 34) & 0xffff);
    return len;
}

START_TEST(receive)
{
    uint8_t f[400], got[400];
    uint32_t low, high;
    size_t len = good_frame(f, 200);

    rx_on(RX_ON);
    wr(IMS, 0x80);
    wire(f, len);
    ck_assert_int_eq(line, 1);
    get_rx(0, &low, &high);
    ck_assert_uint_eq(low & 0xffff, len);
    ck_assert_uint_eq(high, 0x63); /* DD, EOP, TCPCS, IPCS */
    mem_dma_read(m, RX_DATA, got, len);
    ck_assert_mem_eq(got, f, len);
    f[100] ^= 1; /* a bit falls over */
    f[22]--;
    wire(f, len);
    get_rx(1, &low, &high);
    ck_assert_uint_eq(high, 0x6063);
    wr(RCTL, RX_ON & ~0x04000000u);
    wire(f, 42); /* short: padded, with check sequence */
    get_rx(2, &low, &high);
    ck_assert_uint_eq(low & 0xffff, 64);
    ck_assert_uint_eq(rd(GPRC), 3);
}
END_TEST

START_TEST(filters)
{
    uint8_t f[400];
    size_t len = good_frame(f, 100);
    static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb};
    unsigned bit = (0xfbu << 8 | 0x00) >> 4;

    rx_on(RX_ON & ~0x8000u);
    wire(f, len); /* broadcast not wanted */
    ck_assert_uint_eq(rd(RDH), 0);
    memcpy(f, mac, 6);
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 1);
    f[5]++;
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 1);
    wr(RCTL, RX_ON | 8);
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 2);
    memcpy(f, group, 6);
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 2);
    wr(MTA + 4 * (bit >> 5), 1u << (bit & 31));
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 3);
    wr(RCTL, RX_ON | 16);
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 4);
}
END_TEST

START_TEST(vlan_strip_and_filter)
{
    uint8_t f[400], got[400];
    uint32_t low, high;
    size_t len = good_frame(f, 100);

    memmove(f + 16, f + 12, len - 12);
    net_put16(f + 12, 0x8100);
    net_put16(f + 14, 100);
    rx_on(RX_ON | 0x40000);
    wr(CTRL, 0x40000000);
    wire(f, len + 4);
    ck_assert_uint_eq(rd(RDH), 0);
    wr(VFTA + 4 * (100 >> 5), 1u << (100 & 31));
    wire(f, len + 4);
    get_rx(0, &low, &high);
    ck_assert_uint_eq(low & 0xffff, len);
    ck_assert_uint_eq(high, 100u << 16 | 0x6b);
    mem_dma_read(m, RX_DATA, got, len);
    ck_assert_mem_eq(got + 12, f + 16, len - 12);
}
END_TEST

START_TEST(full_ring)
{
    static uint8_t f[1500];
    size_t len = good_frame(f, 1400);
    uint32_t low, high;

    rx_on(RX_ON);
    for (unsigned i = 0; i < 80; i++) {
        f[60] = (uint8_t)i;
        wire(f, len);
    }
    ck_assert_uint_eq(rd(RDH), RING - 1);
    ck_assert_uint_ne(rd(ICR) & 0x40, 0);
    ck_assert_uint_ne(rd(MPC), 0);
    wr(RDT, 3); /* four more: what waited comes in order */
    ck_assert_uint_eq(rd(RDH), 3);
    for (unsigned i = 7; i < 11; i++) {
        uint64_t v;
        get_rx(i % RING, &low, &high);
        ck_assert_uint_eq(high & 3, 3);
        mem_read(m, RX_DATA + 0x1000 * (i % RING) + 60, 1, &v);
        ck_assert_uint_eq(v, i);
    }
}
END_TEST

START_TEST(long_frames)
{
    static uint8_t f[9000];
    size_t len = good_frame(f, 5000);
    uint32_t low, high;

    rx_on(RX_ON);
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 0);
    wr(RCTL, RX_ON | 0x20);
    wire(f, len);
    ck_assert_uint_eq(rd(RDH), 3);
    get_rx(0, &low, &high);
    ck_assert_uint_eq(low & 0xffff, 2048);
    ck_assert_uint_eq(high & 3, 1);
    get_rx(2, &low, &high);
    ck_assert_uint_eq(low & 0xffff, len - 4096);
    ck_assert_uint_eq(high & 3, 3);
}
END_TEST

START_TEST(receive_delay)
{
    uint8_t f[400];
    size_t len = good_frame(f, 100);

    rx_on(RX_ON);
    wr(IMS, 0x80);
    wr(RDTR, 10);
    wire(f, len);
    ck_assert_int_eq(line, 0);
    ck_assert_uint_eq(e1000_due_ns(nic), now + 10240);
    now += 10240;
    e1000_poll(nic);
    ck_assert_int_eq(line, 1);
    ck_assert_uint_eq(e1000_due_ns(nic), UINT64_MAX);
}
END_TEST

START_TEST(loopback)
{
    uint8_t f[64];
    memset(f, 0xff, sizeof f);
    mem_dma_write(m, TX_DATA, f, sizeof f);
    tx_on();
    rx_on(RX_ON | 0x40);
    put_desc(TX_RING, 0, TX_DATA, EOP_IFCS_RS | 64, 0);
    wr(TDT, 1);
    ck_assert_uint_eq(sents, 0);
    ck_assert_uint_eq(rd(RDH), 1);
}
END_TEST

/* --- hostile guests --- */

START_TEST(bad_addresses)
{
    uint8_t f[400];
    size_t len = good_frame(f, 100);

    tx_on();
    put_desc(TX_RING, 0, RAM - 8, EOP_IFCS_RS | 64, 0);
    put_desc(TX_RING, 1, UINT64_MAX - 8, EOP_IFCS_RS | 64, 0);
    wr(TDT, 2);
    ck_assert_uint_eq(sents, 0);
    ck_assert_uint_eq(rd(TDH), 2);
    wr(TDBAL + 4, 0xffffffff); /* the ring itself */
    wr(TDT, 5);
    ck_assert_uint_eq(rd(TDH), 5);
    wr(TDT, 0xffff); /* beyond the ring */
    ck_assert_uint_eq(rd(TDH), 5);
    rx_on(RX_ON);
    put_desc(RX_RING, 0, RAM - 8, 0, 0);
    wire(f, len);
    wr(RDBAL + 4, 0xffffffff);
    wire(f, len);
    wr(RDH, 0xffff);
    wire(f, len);
    wr(RDLEN, 0);
    wire(f, len);
}
END_TEST

/* The context shrinks between the descriptors of a frame; a segment size of 0; absurd ones. */
START_TEST(bad_segmentation)
{
    static const unsigned cases[][2] = {{54, 0}, {0, 100}, {255, 65535}, {13, 1}, {254, 16000}};
    tx_on();
    put_context(0, true, true, 200, 1000);
    put_desc(TX_RING, 1, TX_DATA, DATA_DESC | 0x04000000u | 1100, 0x300);
    put_context(2, true, true, 14, 1);
    put_desc(TX_RING, 3, TX_DATA, DATA_DESC | 0x04000000u | EOP_IFCS_RS | 90000, 0x300);
    wr(TDT, 4);
    ck_assert_uint_eq(sents, 91);
    sents = 0;
    for (unsigned i = 0; i < 5; i++) {
        wr(TDT, 0);
        wr(TDH, 0);
        put_context(0, true, true, cases[i][0], cases[i][1]);
        put_desc(TX_RING, 1, TX_DATA, DATA_DESC | 0x04000000u | EOP_IFCS_RS | 0xfffff, 0x300);
        wr(TDT, 2);
        ck_assert_uint_eq(rd(TDH), 2);
    }
}
END_TEST

/* Random registers, descriptors and frames: nothing is expected but survival. */
START_TEST(random_guest)
{
    static const uint32_t regs[] = {CTRL, EECD, EERD,  MDIC,   ICR,    ITR,    ICS,   IMS,   IMC,
                                    RCTL, TCTL, RDBAL, RDH,    RDT,    TDH,    TDT,   RDLEN, TDLEN,
                                    RDTR, 0x38, TDBAL, 0x3820, 0x382c, 0x282c, RXCSUM};
    static uint8_t noise[16384];
    srand(100u + (unsigned)_i);
    for (unsigned n = 0; n < 20000; n++) {
        uint32_t v = (uint32_t)rand() ^ (uint32_t)rand() << 16;
        unsigned r = regs[(unsigned)rand() % (sizeof regs / sizeof regs[0])];
        if (n % 50 == 0) {
            tx_on();
            rx_on(RX_ON | 0x38);
        }
        if (rand() % 3 == 0)
            put_desc(TX_RING, (unsigned)rand() % RING, v % RAM, (uint32_t)rand() * 2u ^ v,
                     (uint32_t)rand());
        if (rand() % 3 == 0)
            wr(TDT, (unsigned)rand() % RING);
        if (rand() % 4 == 0)
            wire(noise, (unsigned)rand() % sizeof noise);
        if (rand() % 8 == 0)
            wr(r, v >> rand() % 32);
        now += (unsigned)rand() % 100000;
        e1000_poll(nic);
        rd(v % 0x20000 & ~3u);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("e1000");
    TCase *c = tcase_create("e1000");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, identity);
    tcase_add_test(c, eeprom);
    tcase_add_test(c, phy);
    tcase_add_test(c, interrupts);
    tcase_add_test(c, ports_too);
    tcase_add_test(c, legacy);
    tcase_add_loop_test(c, checksums, 0, 2);
    tcase_add_loop_test(c, segmentation, 0, 2);
    tcase_add_test(c, vlan_insert);
    tcase_add_test(c, receive);
    tcase_add_test(c, filters);
    tcase_add_test(c, vlan_strip_and_filter);
    tcase_add_test(c, full_ring);
    tcase_add_test(c, long_frames);
    tcase_add_test(c, receive_delay);
    tcase_add_test(c, loopback);
    tcase_add_test(c, bad_addresses);
    tcase_add_test(c, bad_segmentation);
    tcase_add_loop_test(c, random_guest, 0, 4);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int failed;

    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
