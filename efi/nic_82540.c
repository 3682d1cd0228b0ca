/* Driver of the Intel 82540EM for the firmware's own use, by polling; interrupts stay masked.
 *
 * Registers and descriptors follow Intel's manual of the 8254x family. Frames are copied to and
 * from buffers of the driver's, in guest memory: a guest that writes there harms its own frames
 * only, since addresses are computed here and lengths are checked.
 */
#include "nic.h"
#include "le.h"

#define VENDOR_DEVICE 0x100e8086u

/* PCI configuration */
enum { PCI_ID = 0, PCI_COMMAND = 4, PCI_BAR0 = 0x10 };
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u

/* Registers */
enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EERD = 0x0014,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    TIPG = 0x0410,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    MTA = 0x5200,
    RAL = 0x5400,
    RAH = 0x5404,
};
#define EERD_START 1u
#define CTRL_SLU   (1u << 6)
#define CTRL_RST   (1u << 26)
#define STATUS_LU  (1u << 1)
#define RCTL_EN    (1u << 1)
#define RCTL_UPE   (1u << 3)
#define RCTL_MPE   (1u << 4)
#define RCTL_BAM   (1u << 15)
#define RCTL_SECRC (1u << 26)
#define TCTL_START (1u << 1 | 1u << 3 | 15u << 4 | 64u << 12) /* on, pad, collisions */
#define TIPG_IEEE  (10u | 8u << 10 | 6u << 20)
#define RAH_VALID  (1u << 31)
#define MTA_WORDS  128

/* Descriptors */
#define DESC       16
#define RX_DD      1u
#define RX_EOP     2u
#define TX_EOP     1u
#define TX_IFCS    2u
#define TX_RS      8u
#define TX_DD      1u
#define RX_COUNT   64u
#define TX_COUNT   16u
#define BUFFER     2048u
#define TX_RING    (DESC * RX_COUNT)
#define RX_BUFFERS EFI_PAGE
#define TX_BUFFERS (RX_BUFFERS + RX_COUNT * BUFFER)
#define MEMORY     (TX_BUFFERS + TX_COUNT * BUFFER)
#define PAGES      (MEMORY / EFI_PAGE)

static uint32_t get(const struct nic *n, unsigned reg)
{
    uint64_t v = UINT32_MAX;

    mem_read(n->b->fw->mem, n->regs + reg, 4, &v);
    return (uint32_t)v;
}

static void set(const struct nic *n, unsigned reg, uint32_t v)
{
    mem_write(n->b->fw->mem, n->regs + reg, 4, v);
}

static uint32_t pci_get(const struct nic *n, unsigned reg, unsigned size)
{
    const struct firmware_config *c = &n->b->fw->cfg;

    return (uint32_t)c->pci_read(c->opaque, 0, n->root, n->device << 3, reg, size);
}

static void pci_set(const struct nic *n, unsigned reg, unsigned size, uint32_t v)
{
    const struct firmware_config *c = &n->b->fw->cfg;

    c->pci_write(c->opaque, 0, n->root, n->device << 3, reg, size, v);
}

/* --- finding, opening, closing --- */

static void reset(const struct nic *n)
{
    set(n, CTRL, CTRL_RST);
    set(n, IMC, UINT32_MAX);
}

bool nic_probe(struct boot *b, unsigned root, unsigned device, struct nic *out)
{
    const struct firmware_config *c = &b->fw->cfg;
    uint32_t low, high;

    *out = (struct nic){.b = b, .root = root, .device = device};
    if (!c->pci_read || !c->pci_write || pci_get(out, PCI_ID, 4) != VENDOR_DEVICE)
        return false;
    out->regs = pci_get(out, PCI_BAR0, 4) & ~15u;
    out->command = pci_get(out, PCI_COMMAND, 2);
    if (!out->regs || !(out->command & COMMAND_MEMORY))
        return false;
    reset(out); /* the receive address comes from the EEPROM */
    low = get(out, RAL);
    high = get(out, RAH);
    put_le32(out->permanent, low);
    put_le16(out->permanent + 4, (uint16_t)high);
    memcpy(out->current, out->permanent, NIC_MAC);
    return high & RAH_VALID;
}

static void start_receiving(struct nic *n)
{
    for (unsigned i = 0; i < RX_COUNT; i++)
        boot_write64(n->b, n->at + DESC * i, n->at + RX_BUFFERS + BUFFER * i);
    set(n, RDBAL, (uint32_t)n->at);
    set(n, RDBAH, (uint32_t)(n->at >> 32));
    set(n, RDLEN, DESC * RX_COUNT);
    set(n, RDH, 0);
    set(n, RDT, RX_COUNT - 1);
    n->rx_next = 0;
}

static void start_sending(struct nic *n)
{
    uint64_t ring = n->at + TX_RING;

    set(n, TDBAL, (uint32_t)ring);
    set(n, TDBAH, (uint32_t)(ring >> 32));
    set(n, TDLEN, DESC * TX_COUNT);
    set(n, TDH, 0);
    set(n, TDT, 0);
    set(n, TIPG, TIPG_IEEE);
    set(n, TCTL, TCTL_START);
    n->tx_next = 0;
}

uint64_t nic_open(struct nic *n)
{
    uint64_t status = memory_allocate(n->b, ALLOCATE_ANY, EFI_BOOT_DATA, PAGES, &n->at);

    if (status != EFI_SUCCESS)
        return EFI_OUT_OF_RESOURCES;
    mem_dma_fill(n->b->fw->mem, n->at, 0, MEMORY);
    n->command = pci_get(n, PCI_COMMAND, 2);
    pci_set(n, PCI_COMMAND, 2, n->command | COMMAND_MEMORY | COMMAND_MASTER);
    reset(n);
    set(n, CTRL, get(n, CTRL) | CTRL_SLU);
    n->open = true;
    nic_set_address(n, n->current);
    start_receiving(n);
    start_sending(n);
    return EFI_SUCCESS;
}

void nic_close(struct nic *n)
{
    if (!n->open)
        return;
    nic_count(n);
    reset(n);
    pci_set(n, PCI_COMMAND, 2, n->command);
    n->open = false;
    memory_free(n->b, n->at, PAGES);
    n->at = 0;
}

bool nic_link(const struct nic *n)
{
    return get(n, STATUS) & STATUS_LU;
}

/* --- frames --- */

uint64_t nic_send(struct nic *n, const uint8_t *frame, size_t len)
{
    uint64_t desc = n->at + TX_RING + DESC * n->tx_next;
    uint64_t buffer = n->at + TX_BUFFERS + BUFFER * n->tx_next;
    unsigned after = (n->tx_next + 1) % TX_COUNT;
    uint8_t d[DESC] = {0};

    if (after == get(n, TDH) % TX_COUNT)
        return EFI_NOT_READY;
    put_le64(d, buffer);
    put_le16(d + 8, (uint16_t)len);
    d[11] = TX_EOP | TX_IFCS | TX_RS;
    if (!boot_write(n->b, buffer, frame, len) || !boot_write(n->b, desc, d, sizeof(d)))
        return EFI_DEVICE_ERROR;
    n->tx_next = after;
    set(n, TDT, after);
    return EFI_SUCCESS;
}

bool nic_ready(const struct nic *n)
{
    uint8_t status = 0;

    return n->open && boot_read(n->b, n->at + DESC * n->rx_next + 12, &status, 1) &&
           (status & RX_DD);
}

/* A frame in several buffers is longer than any this driver wants: its parts are lost one by one.
 */
size_t nic_receive(struct nic *n, uint8_t *frame, size_t size)
{
    while (nic_ready(n)) {
        unsigned i = n->rx_next;
        uint64_t desc = n->at + DESC * i, buffer = n->at + RX_BUFFERS + BUFFER * i;
        uint8_t d[DESC];
        size_t len;
        bool good;

        if (!boot_read(n->b, desc, d, sizeof(d)))
            return 0;
        len = le16(d + 8);
        good = (d[12] & RX_EOP) && !d[13] && len >= NIC_HEADER && len <= MIN(size, BUFFER) &&
               boot_read(n->b, buffer, frame, len);
        memset(d, 0, sizeof(d));
        put_le64(d, buffer);
        boot_write(n->b, desc, d, sizeof(d));
        n->rx_next = (i + 1) % RX_COUNT;
        set(n, RDT, i);
        if (good)
            return len;
    }
    return 0;
}

/* --- filters and addresses --- */

void nic_set_address(struct nic *n, const uint8_t mac[NIC_MAC])
{
    memmove(n->current, mac, NIC_MAC);
    if (!n->open)
        return;
    set(n, RAL, le32(mac));
    set(n, RAH, le16(mac + 4) | RAH_VALID);
}

void nic_set_filters(struct nic *n, uint32_t filters, const uint8_t (*mcast)[NIC_MAC],
                     unsigned count)
{
    uint32_t table[MTA_WORDS] = {0}, rctl = filters ? RCTL_EN | RCTL_SECRC : 0;

    if (!n->open)
        return;
    for (unsigned i = 0; i < count && (filters & NIC_MULTICAST); i++) {
        unsigned bit = le16(mcast[i] + 4) >> 4 & 0xfff;

        table[bit >> 5] |= 1u << (bit & 31);
    }
    for (unsigned i = 0; i < MTA_WORDS; i++)
        set(n, MTA + 4 * i, table[i]);
    if (filters & NIC_BROADCAST)
        rctl |= RCTL_BAM;
    if (filters & NIC_PROMISCUOUS)
        rctl |= RCTL_UPE;
    if (filters & NIC_ALL_MCAST)
        rctl |= RCTL_MPE;
    set(n, RCTL, rctl);
}

/* The emulated EEPROM is read at once. */
uint16_t nic_eeprom(const struct nic *n, unsigned word)
{
    set(n, EERD, EERD_START | word << 8);
    return (uint16_t)(get(n, EERD) >> 16);
}

/* --- figures --- */

enum { ABSENT = 1 }; /* no register has this address */

/* Reading clears. 64-bit counters have a second register. Unicast frames are what is left. */
static const struct {
    uint16_t reg, high;
} counters[NIC_FIGURES] = {
    {0x40d0, 0}, {0x4074, 0},      {0x40a4, 0}, {0x40ac, 0},      {0x4010, 0}, {ABSENT, 0},
    {0x4078, 0}, {0x407c, 0},      {0x4000, 0}, {0x40c0, 0x40c4}, {0x40d4, 0}, {0x4080, 0},
    {ABSENT, 0}, {ABSENT, 0},      {ABSENT, 0}, {ABSENT, 0},      {0x40f4, 0}, {0x40f0, 0},
    {ABSENT, 0}, {0x40c8, 0x40cc}, {0x4028, 0}, {ABSENT, 0},
};
enum { RX_GOOD = 1, RX_UNICAST = 5, RX_BROADCAST, RX_MULTICAST, TX_GOOD = 11, TX_UNICAST = 15 };

static void rest(uint64_t *f, unsigned good, unsigned unicast)
{
    uint64_t groups = f[unicast + 1] + f[unicast + 2];

    f[unicast] = f[good] > groups ? f[good] - groups : 0;
}

void nic_count(struct nic *n)
{
    for (unsigned i = 0; i < NIC_FIGURES && n->open; i++) {
        uint64_t v;

        if (counters[i].reg == ABSENT) {
            n->figures[i] = UINT64_MAX;
            continue;
        }
        v = get(n, counters[i].reg);
        if (counters[i].high)
            v |= (uint64_t)get(n, counters[i].high) << 32;
        n->figures[i] += v;
    }
    rest(n->figures, RX_GOOD, RX_UNICAST);
    rest(n->figures, TX_GOOD, TX_UNICAST);
}
