/* Fuzz target: the SCSI adapter as a driver sees it, with a disk and a disc behind it.
 *
 * The input's first byte chooses whether commands end inside the register write or later, in a
 * worker thread, and what the media are like; the rest is a sequence of steps: register accesses,
 * bytes put into guest memory, frames posted, handshakes, and short forms of SCSI commands and task
 * management. What it must not do: touch anything outside (the sanitizers see that), change the
 * stores' sizes, or leave a command behind.
 */
#include "fuzz.h"

#include "ioport.h"
#include "log.h"
#include "mpt.h"
#include "pci.h"

#define RAM     0x20000u
#define WINDOW  0x80000000ull
#define FRAME   0x1000u
#define LIST    0x2000u /* parameter data of the short form, and room for replies to it */
#define REPLIES 0x4000u
#define STEPS   200u

/* Bits of the first byte. */
#define WITH_THREAD 0x01u
#define LARGE_DISC  0x02u /* a DVD */
#define PROTECTED   0x04u /* the disk */
#define CUT_OFF     0x08u /* the disk's second half cannot be read */
#define TINY_DISK   0x10u /* less than a block */

#define REG_DOORBELL   0x00u
#define REG_INT_STATUS 0x30u
#define REG_REQUEST    0x40u
#define REG_REPLY      0x44u

struct input {
    const uint8_t *p, *end;
};

struct rig {
    struct mem *mem;
    struct ioport_space *ports;
    struct pci *pci;
    struct io_pool *io;
    struct mpt *mpt;
    struct scsi_target *target[2];
    int fd[2];
    off_t size[2]; /* of the media, and of the disk's file */
    off_t left;
    bool read_only;
    uint64_t base;
};

/* --- the input --- */

static uint32_t take(struct input *in, unsigned bytes)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < bytes && in->p < in->end; i++)
        v |= (uint32_t)*in->p++ << 8 * i;
    return v;
}

/* Up to n bytes; how many. */
static size_t take_bytes(struct input *in, void *buf, size_t n)
{
    size_t left = (size_t)(in->end - in->p);

    if (n > left)
        n = left;
    memcpy(buf, in->p, n);
    in->p += n;
    return n;
}

/* --- the machine --- */

static void no_line(void *opaque, int n, int level)
{
    (void)opaque;
    (void)n;
    (void)level;
}

static unsigned no_irq(unsigned bus, unsigned n)
{
    return bus + n;
}

static struct store *open_store(struct rig *g, unsigned n)
{
    struct store_options o = {.read_only = n == 1 || g->read_only};
    struct store *s;
    char path[32], why[200];

    g->fd[n] = memfd_create("fuzz", 0);
    if (g->fd[n] < 0 || ftruncate(g->fd[n], g->size[n]) != 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", g->fd[n]);
    if (store_open(path, &o, &s, why, sizeof(why)) != 0)
        abort();
    return s;
}

static void add_target(struct rig *g, unsigned n)
{
    struct scsi_target_config c = {.type = n ? SCSI_DVD : SCSI_DISK, .wwn = 1, .io = g->io};

    c.store = open_store(g, n);
    g->target[n] = scsi_target_new(&c);
    if (g->target[n] == NULL || mpt_attach(g->mpt, n, g->target[n]) != 0)
        abort();
}

static void choose_media(struct rig *g, unsigned how)
{
    g->size[0] = g->left = how & TINY_DISK ? 100 : 256 * 512;
    g->size[1] = how & LARGE_DISC ? 3ll << 30 : 20 * 2048 + 100;
    g->read_only = how & PROTECTED;
    if (how & CUT_OFF)
        g->left = g->size[0] / 2;
}

static void start(struct rig *g, unsigned how)
{
    struct pci_root_config root = {.mem32 = WINDOW,
                                   .mem32_size = 1 << 28,
                                   .io = {{0x2000, 0x1000}},
                                   .line = {{no_line, NULL, 0}},
                                   .lines = 1};
    struct mpt_config c = {.device = 1};
    int err;

    choose_media(g, how);
    g->mem = mem_new();
    g->ports = ioport_new();
    g->pci = pci_new(g->mem, g->ports);
    if (mem_add_ram(g->mem, 0, RAM) != 0 || pci_add_root(g->pci, &root) != 0)
        abort();
    c.pci = g->pci;
    c.io = g->io = io_new(how & WITH_THREAD);
    g->mpt = mpt_new(&c, &err);
    if (g->mpt == NULL)
        abort();
    pci_assign(g->pci, no_irq);
    g->base = pci_config_read(g->pci, 0, 0, 1 << 3, PCI_BAR0 + 4, 4) & ~15u;
    add_target(g, 0);
    add_target(g, 1);
    if (ftruncate(g->fd[0], g->left) != 0)
        abort();
}

static void stop(struct rig *g)
{
    mpt_free(g->mpt);
    if (io_pending(g->io) != 0)
        abort();
    for (unsigned n = 0; n < 2; n++) {
        struct store *s = scsi_target_store(g->target[n]);

        if (s != NULL && store_size(s) != (uint64_t)g->size[n])
            abort();
        scsi_target_free(g->target[n]);
        if (lseek(g->fd[n], 0, SEEK_END) > g->size[n])
            abort();
        close(g->fd[n]);
    }
    io_free(g->io);
    pci_free(g->pci);
    ioport_free(g->ports);
    mem_free(g->mem);
}

/* --- what a driver does --- */

static uint32_t rd(struct rig *g, uint32_t reg)
{
    uint64_t v = 0;

    mem_read(g->mem, g->base + reg, 4, &v);
    return (uint32_t)v;
}

static void wr(struct rig *g, uint32_t reg, uint32_t v)
{
    mem_write(g->mem, g->base + reg, 4, v);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void post(struct rig *g, const uint8_t frame[128])
{
    mem_dma_write(g->mem, FRAME, frame, 128);
    wr(g, REG_REQUEST, FRAME);
}

static void handshake(struct rig *g, const uint8_t *message, unsigned words)
{
    wr(g, REG_DOORBELL, 0x42u << 24 | words << 16);
    wr(g, REG_INT_STATUS, 0);
    for (unsigned i = 0; i < words; i++)
        wr(g, REG_DOORBELL,
           message[4 * i] | (uint32_t)message[4 * i + 1] << 8 | (uint32_t)message[4 * i + 2] << 16 |
               (uint32_t)message[4 * i + 3] << 24);
    for (unsigned i = 0; i < 64 && rd(g, REG_INT_STATUS) & 1; i++) {
        rd(g, REG_DOORBELL);
        wr(g, REG_INT_STATUS, 0);
    }
}

/* IOC_INIT with `replies` frames. */
static void init(struct rig *g, unsigned replies)
{
    uint8_t message[0x30] = {4, 0, 0, 2, 0, 16, 1};

    message[0x0c] = 0x50;
    for (unsigned i = 0; i < replies; i++)
        wr(g, REG_REPLY, REPLIES + 128 * i);
    handshake(g, message, sizeof(message) / 4);
}

/* Takes what has been answered and gives the frames back. */
static void take_replies(struct rig *g)
{
    for (unsigned i = 0; i < 300; i++) {
        uint32_t v = rd(g, REG_REPLY);

        if (v == 0xffffffff)
            return;
        if (v & 0x80000000)
            wr(g, REG_REPLY, v << 1);
    }
}

/* A SCSI command whose data is at LIST: target and flags, CDB, length, bytes to send. The length is
 * that of the bytes, or one of its own: then what lies behind them is sent too. */
static void command(struct rig *g, struct input *in)
{
    uint8_t frame[128] = {0}, list[512];
    unsigned how = take(in, 1);
    uint32_t length;
    size_t n;

    frame[0] = how & 1;
    frame[4] = 16;
    frame[5] = 32;
    frame[9] = (uint8_t)take(in, 1);
    put32(frame + 0x14, (how & 2 ? 0x01000000u : 0x02000000u) | (how >> 4 & 3) << 8);
    take_bytes(in, frame + 0x18, 16);
    length = take(in, 2);
    if (how & 4) {
        n = take_bytes(in, list, take(in, 1) * 2);
        mem_dma_write(g->mem, LIST, list, n);
        if (!(how & 8))
            length = (uint32_t)n;
    }
    put32(frame + 0x28, length);
    put32(frame + 0x2c, 0x1800);
    put32(frame + 0x30, 0xd1000000 | length);
    put32(frame + 0x34, LIST);
    post(g, frame);
}

static void task(struct rig *g, struct input *in)
{
    uint8_t frame[128] = {0};

    frame[0] = (uint8_t)take(in, 1);
    frame[3] = 1;
    frame[5] = (uint8_t)take(in, 1);
    frame[0x31] = (uint8_t)take(in, 1);
    post(g, frame);
}

static void config(struct rig *g, struct input *in)
{
    uint8_t frame[128] = {0};

    frame[3] = 4;
    frame[0] = (uint8_t)take(in, 1);
    frame[0x16] = (uint8_t)take(in, 1);
    frame[0x17] = (uint8_t)take(in, 1);
    put32(frame + 0x18, take(in, 4));
    put32(frame + 0x1c, take(in, 4));
    put32(frame + 0x20, LIST);
    post(g, frame);
}

static void change_medium(struct rig *g, bool force)
{
    if (scsi_target_store(g->target[1]) != NULL) {
        scsi_eject(g->target[1], force);
        return;
    }
    close(g->fd[1]);
    if (scsi_insert(g->target[1], open_store(g, 1)) != 0)
        abort();
}

static void step(struct rig *g, struct input *in)
{
    uint8_t buf[1024] = {0};
    uint32_t at;

    switch (take(in, 1) % 12) {
    case 0:
        at = take(in, 1) * 4;
        wr(g, at, take(in, 4));
        break;
    case 1:
        rd(g, take(in, 1) * 4);
        break;
    case 2: /* a frame */
        take_bytes(in, buf, take(in, 1) & 0x7f);
        post(g, buf);
        break;
    case 3: /* guest memory: chains, parameter lists */
        at = take(in, 3);
        mem_dma_write(g->mem, at, buf, take_bytes(in, buf, take(in, 1)));
        break;
    case 4:
        at = take(in, 1);
        take_bytes(in, buf, at * 4);
        handshake(g, buf, at);
        break;
    case 5:
        take_replies(g);
        break;
    case 6:
        io_drain(g->io);
        break;
    case 7:
        command(g, in);
        break;
    case 8:
        task(g, in);
        break;
    case 9:
        config(g, in);
        break;
    case 10:
        change_medium(g, take(in, 1) & 1);
        break;
    default:
        init(g, take(in, 1));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct rig g;

    log_set_level(LOG_ERROR);
    start(&g, take(&in, 1));
    init(&g, 4);
    for (unsigned i = 0; i < STEPS && in.p < in.end; i++)
        step(&g, &in);
    stop(&g);
    return 0;
}
