/* 82540EM: registers, interrupts, statistics, reset, and the PCI function. */
#include "e1000_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PORTS      64u
#define PORT_ADDR  0u
#define PORT_DATA  4u
#define THROTTLE   256u /* nanoseconds of a unit of ITR */
#define RING_BYTES 0x000fff80u

/* --- interrupts --- */

void e1000_update_irq(struct e1000 *d)
{
    bool wanted = (d->icr & d->ims) != 0;

    if (wanted == d->line)
        return;
    if (wanted) {
        uint64_t now = e1000_now(d);
        if (now < d->quiet_until)
            return; /* e1000_poll looks again */
        d->quiet_until = now + (uint64_t)(e1000_reg(d, R_ITR) & 0xffff) * THROTTLE;
    }
    d->line = wanted;
    pci_set_irq(d->function, wanted);
}

void e1000_cause(struct e1000 *d, uint32_t causes)
{
    d->icr |= causes & INT_ALL;
    e1000_update_irq(d);
}

static uint32_t read_icr(struct e1000 *d)
{
    uint32_t v = d->icr;

    d->icr = 0;
    e1000_update_irq(d);
    return v;
}

static bool passed(uint64_t *deadline, uint64_t now)
{
    if (*deadline > now)
        return false;
    *deadline = NEVER;
    return true;
}

static void expire_rx(struct e1000 *d)
{
    d->rx_delay = d->rx_limit = NEVER;
    e1000_cause(d, INT_RXT0);
}

static void expire_tx(struct e1000 *d)
{
    d->tx_delay = d->tx_limit = NEVER;
    e1000_cause(d, INT_TXDW);
}

void e1000_poll(struct e1000 *d)
{
    uint64_t now = e1000_now(d);

    if (d->tx_work)
        e1000_transmit(d);
    if (passed(&d->rx_delay, now) || passed(&d->rx_limit, now))
        expire_rx(d);
    if (passed(&d->tx_delay, now) || passed(&d->tx_limit, now))
        expire_tx(d);
    e1000_update_irq(d);
}

uint64_t e1000_due_ns(const struct e1000 *d)
{
    uint64_t all[] = {d->rx_delay,
                      d->rx_limit,
                      d->tx_delay,
                      d->tx_limit,
                      (d->icr & d->ims) != 0 && !d->line ? d->quiet_until : NEVER,
                      d->tx_work ? 0 : NEVER};
    uint64_t due = NEVER;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        due = all[i] < due ? all[i] : due;
    return due;
}

/* --- statistics --- */

void e1000_count(struct e1000 *d, unsigned stat)
{
    if (d->reg[stat / 4] != UINT32_MAX)
        d->reg[stat / 4]++;
}

void e1000_count64(struct e1000 *d, unsigned low, uint64_t n)
{
    uint64_t v = (uint64_t)d->reg[low / 4 + 1] << 32 | d->reg[low / 4];

    v = v + n < v ? UINT64_MAX : v + n;
    d->reg[low / 4] = (uint32_t)v;
    d->reg[low / 4 + 1] = (uint32_t)(v >> 32);
}

void e1000_count_size(struct e1000 *d, unsigned sizes, size_t len)
{
    static const unsigned limit[] = {64, 127, 255, 511, 1023};
    unsigned n = 0;

    while (n < sizeof limit / sizeof limit[0] && len > limit[n])
        n++;
    e1000_count(d, sizes + 4 * n);
}

/* Reading clears; the low half of a 64-bit counter is cleared with its high half. */
static uint32_t read_stat(struct e1000 *d, unsigned r)
{
    static const unsigned wide[] = {S_GORCL, S_GOTCL, S_TORL, S_TOTL};
    uint32_t v = d->reg[r / 4];

    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        if (r == wide[i])
            return v;
        if (r == wide[i] + 4)
            d->reg[wide[i] / 4] = 0;
    }
    d->reg[r / 4] = 0;
    return v;
}

/* --- reset --- */

static void load_address(struct e1000 *d)
{
    const uint16_t *w = d->eeprom.word;

    d->reg[R_RA / 4] = w[0] | (uint32_t)w[1] << 16;
    d->reg[R_RA / 4 + 1] = w[2] | RAH_VALID;
}

static void soft_reset(struct e1000 *d)
{
    memset(d->reg, 0, sizeof d->reg);
    memset(&d->tx, 0, sizeof d->tx);
    d->reg[R_CTRL / 4] = CTRL_FD | CTRL_SLU | CTRL_SPD1000;
    d->reg[R_MDIC / 4] = 0x10000000;
    d->reg[R_PBA / 4] = 0x00100030; /* 48 KB to receive, 16 KB to transmit */
    d->reg[R_LEDCTL / 4] = 0x07068302;
    d->reg[R_RXDCTL / 4] = 0x01010000;
    d->reg[R_VET / 4] = 0x8100;
    d->icr = d->ims = 0;
    d->quiet_until = 0;
    d->rx_delay = d->rx_limit = d->tx_delay = d->tx_limit = NEVER;
    d->tx_work = false;
    d->fifo_used = 0;
    d->eeprom.pins = 0;
    load_address(d);
    e1000_update_irq(d);
}

static void bus_reset(void *opaque)
{
    struct e1000 *d = opaque;

    d->io_addr = 0;
    e1000_phy_reset(d);
    soft_reset(d);
}

/* --- registers --- */

/* Plain ones: first, how many, and the bits that can be written. */
static const struct {
    uint32_t first, count, mask;
} plain[] = {
    {R_FCAL, 2, 0xffffffff},   {R_FCT, 1, 0xffff},        {R_VET, 1, 0xffff},
    {R_ITR, 1, 0xffff},        {R_RCTL, 1, 0x07fffffe},   {R_FCTTV, 1, 0xffff},
    {R_TXCW, 1, 0xffffffff},   {R_TCTL, 1, 0x03fffffa},   {R_TIPG, 1, 0x3fffffff},
    {R_AIT, 1, 0xffff},        {R_LEDCTL, 1, 0xffffffff}, {R_PBA, 1, 0xffff},
    {R_FCRTL, 1, 0x8000fff8},  {R_FCRTH, 1, 0xfff8},      {R_RDBAL, 1, 0xfffffff0},
    {R_RDBAH, 1, 0xffffffff},  {R_RDLEN, 1, RING_BYTES},  {R_RDH, 1, 0xffff},
    {R_RDT, 1, 0xffff},        {R_RDTR, 1, 0xffff},       {R_RXDCTL, 1, 0xffffffff},
    {R_RADV, 1, 0xffff},       {R_RSRPD, 1, 0xfff},       {R_TXDMAC, 1, 0xffffffff},
    {R_TDFH, 1, 0x7ff},        {R_TDFH + 8, 1, 0x7ff},    {R_TDFH + 16, 1, 0x7ff},
    {R_TDFH + 24, 1, 0x7ff},   {R_TDFPC, 1, 0x7ff},       {R_TDBAL, 1, 0xfffffff0},
    {R_TDBAH, 1, 0xffffffff},  {R_TDLEN, 1, RING_BYTES},  {R_TDH, 1, 0xffff},
    {R_TDT, 1, 0xffff},        {R_TIDV, 1, 0xffff},       {R_TXDCTL, 1, 0xffffffff},
    {R_TADV, 1, 0xffff},       {R_TSPMT, 1, 0xffffffff},  {R_RXCSUM, 1, 0x3ff},
    {R_MTA, 128, 0xffffffff},  {R_RA, 32, 0xffffffff},    {R_VFTA, 128, 0xffffffff},
    {R_WUC, 1, 0xf},           {R_WUFC, 1, 0xf00ff},      {R_MANC, 1, 0xffffffff},
    {R_IPAV, 1, 0xffff},       {R_IP4AT, 8, 0xffffffff},  {R_IP6AT, 4, 0xffffffff},
    {R_WUPL, 1, 0xfff},        {R_FFLT, 8, 0x7ff},        {R_FFMT, 256, 0xf},
    {R_FFVT, 256, 0xffffffff},
};

static void write_plain(struct e1000 *d, uint32_t r, uint32_t v)
{
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (r >= plain[i].first && r - plain[i].first < 4 * plain[i].count) {
            d->reg[r / 4] = v & plain[i].mask;
            return;
        }
    }
}

static uint32_t status(const struct e1000 *d)
{
    return STATUS_FD | STATUS_1000 | STATUS_ASD1000 | (d->link ? STATUS_LU : 0);
}

static uint32_t read_register(struct e1000 *d, uint32_t r)
{
    switch (r) {
    case R_CTRL_DUP:
        return e1000_reg(d, R_CTRL);
    case R_STATUS:
        return status(d);
    case R_EECD:
        return e1000_eecd_read(d);
    case R_ICR:
        return read_icr(d);
    case R_ICS:
    case R_IMC:
        return 0;
    case R_IMS:
        return d->ims;
    default:
        if (r >= R_STATS && r < R_STATS_END)
            return read_stat(d, r);
        return d->reg[r / 4];
    }
}

static void write_ctrl(struct e1000 *d, uint32_t v)
{
    if (v & CTRL_PHY_RST)
        e1000_phy_reset(d);
    if (v & CTRL_RST) {
        soft_reset(d);
        return;
    }
    d->reg[R_CTRL / 4] = v & ~(CTRL_RST | CTRL_PHY_RST);
    if (v & CTRL_PHY_RST)
        e1000_cause(d, INT_LSC);
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Moves frames, and counts the time that takes. */
static void timed(struct e1000 *d, void (*move)(struct e1000 *d))
{
    uint64_t before = cpu_ns();

    move(d);
    d->figures.ns += cpu_ns() - before;
}

/* Writes to registers that do something. */
static void after_write(struct e1000 *d, uint32_t r, uint32_t v)
{
    switch (r) {
    case R_RCTL:
    case R_RDT:
    case R_RDLEN:
        timed(d, e1000_receive_waiting);
        break;
    case R_TCTL:
    case R_TDT:
        timed(d, e1000_transmit);
        break;
    case R_RDTR:
        if ((v & DELAY_FLUSH) && d->rx_delay != NEVER)
            expire_rx(d);
        break;
    case R_TIDV:
        if ((v & DELAY_FLUSH) && d->tx_delay != NEVER)
            expire_tx(d);
        break;
    default:
        break;
    }
}

static void write_register(struct e1000 *d, uint32_t r, uint32_t v)
{
    switch (r) {
    case R_CTRL:
    case R_CTRL_DUP:
        write_ctrl(d, v);
        break;
    case R_EECD:
        e1000_eecd_write(d, v);
        break;
    case R_EERD:
        d->reg[r / 4] = e1000_eerd(d, v);
        break;
    case R_CTRL_EXT:
        d->reg[r / 4] = v & ~CTRL_EXT_EE_RST;
        if (v & CTRL_EXT_EE_RST)
            load_address(d);
        break;
    case R_MDIC:
        d->reg[r / 4] = e1000_mdic(d, v);
        break;
    case R_ICR: /* writing 1 acknowledges */
        d->icr &= ~v;
        e1000_update_irq(d);
        break;
    case R_ICS:
        e1000_cause(d, v);
        break;
    case R_IMS:
        d->ims |= v & INT_ALL;
        e1000_update_irq(d);
        break;
    case R_IMC:
        d->ims &= ~v;
        e1000_update_irq(d);
        break;
    default:
        write_plain(d, r, v);
        after_write(d, r, v);
        break;
    }
}

/* Registers are words: smaller reads get a part of one, smaller writes are lost. */
static uint64_t mem_reg_read(void *opaque, uint64_t offset, unsigned size)
{
    struct e1000 *d = opaque;
    uint32_t r = (uint32_t)offset & ~3u & (REG_SPACE - 1);
    uint64_t v = read_register(d, r);

    if (size == 8 && r + 4 < REG_SPACE)
        v |= (uint64_t)read_register(d, r + 4) << 32;
    return v >> 8 * (offset & 3);
}

static void mem_reg_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct e1000 *d = opaque;
    uint32_t r = (uint32_t)offset & (REG_SPACE - 1);

    if (size < 4 || (r & 3) != 0)
        return;
    write_register(d, r, (uint32_t)value);
    if (size == 8 && r + 4 < REG_SPACE)
        write_register(d, r + 4, (uint32_t)(value >> 32));
}

/* Two ports: the address of a register, and the register. */
static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct e1000 *d = opaque;

    if (size != 4)
        return UINT64_MAX;
    if (offset == PORT_ADDR)
        return d->io_addr;
    if (offset == PORT_DATA && d->io_addr < REG_SPACE)
        return read_register(d, d->io_addr & ~3u);
    return 0;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct e1000 *d = opaque;

    if (size != 4)
        return;
    if (offset == PORT_ADDR)
        d->io_addr = (uint32_t)value;
    else if (offset == PORT_DATA && d->io_addr < REG_SPACE)
        write_register(d, d->io_addr & ~3u, (uint32_t)value);
}

/* --- the function and its cable --- */

static void from_wire(void *opaque, const uint8_t *frame, size_t len)
{
    struct e1000 *d = opaque;

    if (d->link && !e1000_loopback(d))
        e1000_receive(d, frame, len);
}

static void link_changed(void *opaque, bool up)
{
    struct e1000 *d = opaque;

    if (d->link == up)
        return;
    d->link = up;
    e1000_cause(d, INT_LSC);
}

/* As with flow control on a wire: nothing is sent while frames wait for descriptors. A receiver
 * that is off loses what comes, as it should. */
static bool ready(void *opaque)
{
    const struct e1000 *d = opaque;

    return d->fifo_used == 0;
}

struct net_end e1000_end(struct e1000 *d)
{
    return (struct net_end){.opaque = d, .frame = from_wire, .link = link_changed, .ready = ready};
}

void e1000_connect(struct e1000 *d, const struct net_end *peer)
{
    d->peer = *peer;
    link_changed(d, peer->frame != NULL);
}

static int add_function(struct e1000 *d)
{
    const struct e1000_config *c = &d->config;
    struct pci_function_config f = {.vendor = 0x8086,
                                    .device = 0x100e,
                                    .subsystem_vendor = c->subsystem_vendor,
                                    .subsystem = c->subsystem,
                                    .class_code = 0x020000,
                                    .revision = 2,
                                    .pin = 1,
                                    .min_grant = 0xff,
                                    .opaque = d,
                                    .reset = bus_reset};

    f.bar[0] = (struct pci_bar){
        .kind = PCI_BAR_MEM32, .size = REG_SPACE, .read = mem_reg_read, .write = mem_reg_write};
    f.bar[2] =
        (struct pci_bar){.kind = PCI_BAR_IO, .size = PORTS, .read = port_read, .write = port_write};
    return pci_add(c->pci, c->bus, c->device, 0, &f, &d->function);
}

struct e1000 *e1000_new(const struct e1000_config *config, int *err)
{
    struct e1000 *d = calloc(1, sizeof *d);

    *err = -ENOMEM;
    if (d == NULL)
        return NULL;
    d->config = *config;
    if (config->subsystem_vendor == 0 && config->subsystem == 0) {
        d->config.subsystem_vendor = 0x8086;
        d->config.subsystem = 0x001e;
    }
    *err = add_function(d);
    if (*err != 0) {
        free(d);
        return NULL;
    }
    e1000_eeprom_init(d);
    bus_reset(d);
    return d;
}

void e1000_free(struct e1000 *d)
{
    free(d);
}

struct e1000_figures e1000_figures(const struct e1000 *d)
{
    return d->figures;
}
