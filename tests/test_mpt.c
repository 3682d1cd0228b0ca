/* scsi/mpt.h: handshake, queues, SCSI commands, task management, pages, resets, hostile frames. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ioport.h"
#include "log.h"
#include "mpt.h"
#include "pci.h"

#define RAM    0x200000u
#define WINDOW 0x80000000ull

/* Where things are in guest memory. */
#define FRAME   0x1000u
#define SENSE   0x2000u
#define CHAIN   0x3000u
#define REPLIES 0x8000u
#define DATA    0x40000u

#define DOORBELL   0x00u
#define SEQUENCE   0x04u
#define DIAGNOSTIC 0x08u
#define INT_STATUS 0x30u
#define INT_MASK   0x34u
#define REQUEST    0x40u
#define REPLY      0x44u

#define BLOCKS 4096u

static struct mem *m;
static struct ioport_space *ports;
static struct pci *p;
static struct io_pool *io;
static struct mpt *mpt;
static struct scsi_target *disk;
static int line;
static char path[64];
static uint64_t base;
static uint8_t reply[128];

static void set_line(void *opaque, int n, int level)
{
    (void)opaque;
    (void)n;
    line = level;
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

static uint32_t le(const uint8_t *q)
{
    return q[0] | (uint32_t)q[1] << 8 | (uint32_t)q[2] << 16 | (uint32_t)q[3] << 24;
}

static void set_le(uint8_t *q, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        q[i] = (uint8_t)(v >> 8 * i);
}

static unsigned no_irq(unsigned bus, unsigned n)
{
    return bus + n;
}

static void make_disk(void)
{
    struct store_options o = {0};
    struct scsi_target_config c = {.type = SCSI_DISK, .wwn = 1, .io = io};
    char why[512];
    FILE *f;

    strcpy(path, "/tmp/kittson-mpt-XXXXXX");
    f = fdopen(mkstemp(path), "wb");
    for (unsigned i = 0; i < BLOCKS * 512; i++)
        fputc((int)(i / 512 % 251), f);
    fclose(f);
    ck_assert_int_eq(store_open(path, &o, &c.store, why, sizeof(why)), 0);
    disk = scsi_target_new(&c);
    ck_assert_int_eq(mpt_attach(mpt, 0, disk), 0);
}

static void setup_threads(unsigned threads)
{
    struct pci_root_config root = {.mem32 = WINDOW,
                                   .mem32_size = 1 << 28,
                                   .io = {{0x2000, 0x1000}},
                                   .line = {{set_line, NULL, 0}},
                                   .lines = 1};
    struct mpt_config c = {0};
    int err;

    log_set_level(LOG_ERROR);
    m = mem_new();
    ck_assert_int_eq(mem_add_ram(m, 0, RAM), 0);
    ports = ioport_new();
    p = pci_new(m, ports);
    ck_assert_int_eq(pci_add_root(p, &root), 0);
    io = io_new(threads);
    c.pci = p;
    c.io = io;
    c.device = 1;
    mpt = mpt_new(&c, &err);
    ck_assert_ptr_nonnull(mpt);
    pci_assign(p, no_irq);
    base = pci_config_read(p, 0, 0, 1 << 3, PCI_BAR0 + 4, 4) & ~15u;
    make_disk();
}

static void setup(void)
{
    setup_threads(0);
}

static void teardown(void)
{
    mpt_free(mpt);
    scsi_target_free(disk);
    io_free(io);
    pci_free(p);
    ioport_free(ports);
    mem_free(m);
    unlink(path);
}

/* --- handshake --- */

static void send_words(const uint8_t *msg, unsigned size)
{
    wr(INT_STATUS, 0);
    wr(DOORBELL, 0x42u << 24 | size / 4 << 16);
    ck_assert_uint_eq(rd(INT_STATUS), 1);
    ck_assert_uint_ne(rd(DOORBELL) & 0x08000000, 0);
    wr(INT_STATUS, 0);
    for (unsigned i = 0; i < size; i += 4) {
        ck_assert_uint_eq(rd(INT_STATUS), 0);
        wr(DOORBELL, le(msg + i));
    }
}

/* IOCStatus of the reply; its bytes are in `reply`. */
static unsigned handshake(const uint8_t *msg, unsigned size)
{
    unsigned words = 2;

    send_words(msg, size);
    memset(reply, 0, sizeof(reply));
    for (unsigned i = 0; i < words; i++) {
        ck_assert_uint_eq(rd(INT_STATUS) & 1, 1);
        ck_assert_uint_ne(rd(DOORBELL) & 0x08000000, 0);
        uint32_t v = rd(DOORBELL);
        reply[2 * i] = (uint8_t)v;
        reply[2 * i + 1] = (uint8_t)(v >> 8);
        wr(INT_STATUS, 0);
        if (i == 1)
            words = reply[2] * 2u;
    }
    ck_assert_uint_eq(rd(INT_STATUS) & 1, 1); /* the end */
    ck_assert_uint_eq(rd(DOORBELL) & 0x08000000, 0);
    wr(INT_STATUS, 0);
    ck_assert_uint_eq(rd(INT_STATUS) & 1, 0);
    ck_assert_uint_eq(reply[3], msg[3]);
    return reply[14] | (unsigned)reply[15] << 8;
}

static unsigned state(void)
{
    return rd(DOORBELL) >> 28;
}

static void init_with(unsigned reply_size, unsigned replies)
{
    uint8_t msg[0x30] = {4, 0, 0, 2, 0, 16, 1};

    msg[0x0c] = (uint8_t)reply_size;
    for (unsigned i = 0; i < replies; i++)
        wr(REPLY, REPLIES + 128 * i);
    ck_assert_uint_eq(handshake(msg, sizeof(msg)), 0);
    ck_assert_uint_eq(state(), 2);
    memset(msg, 0, sizeof(msg));
    msg[3] = 6;
    ck_assert_uint_eq(handshake(msg, 0x0c), 0);
    wr(INT_MASK, 1);
}

static void init(void)
{
    init_with(0x50, 16);
}

START_TEST(facts)
{
    uint8_t msg[0x0c] = {0, 0, 0, 3};

    ck_assert_uint_eq(pci_config_read(p, 0, 0, 1 << 3, 0, 4), 0x00301000);
    ck_assert_uint_eq(pci_config_read(p, 0, 0, 1 << 3, 8, 4), 0x01000008);
    ck_assert_uint_eq(state(), 1);
    ck_assert_uint_eq(handshake(msg, sizeof(msg)), 0);
    ck_assert_uint_eq(reply[2], 0x0f);
    ck_assert_uint_eq(reply[0x1a], 32);     /* request frame in double words */
    ck_assert_uint_eq(reply[0x24], 255);    /* credits */
    ck_assert_uint_eq(reply[0x26], 1);      /* ports */
    ck_assert_uint_eq(le(reply + 0x30), 0); /* no firmware to fetch */
    msg[3] = 5;
    ck_assert_uint_eq(handshake(msg, sizeof(msg)), 0);
    ck_assert_uint_eq(reply[0x15], 1);
    ck_assert_uint_eq(reply[0x16], 16);
    ck_assert_uint_eq(reply[0x18], 15); /* our id */
    ck_assert_uint_eq(reply[0x1a], 8);
    msg[6] = 1;
    ck_assert_uint_eq(handshake(msg, sizeof(msg)), 7);
    ck_assert_uint_eq(rd(DOORBELL + 0x100), 0);
}
END_TEST

START_TEST(start_and_reset)
{
    uint8_t msg[0x30] = {4, 0, 0, 2};

    ck_assert_uint_eq(handshake(msg, sizeof(msg)), 7); /* no reply frame size */
    msg[0] = 9;
    msg[0x0c] = 0x50;
    ck_assert_uint_eq(handshake(msg, sizeof(msg)), 7);
    ck_assert_uint_eq(handshake(msg, 0x0c), 7); /* cut off */
    msg[3] = 7;
    ck_assert_uint_eq(handshake(msg, 0x0c), 8); /* events before init */
    msg[3] = 0x12;
    ck_assert_uint_eq(handshake(msg, 0x30), 1); /* firmware upload */
    init();
    ck_assert_uint_eq(rd(DOORBELL) >> 24 & 7, 4);
    msg[0] = 4;
    msg[3] = 2;
    ck_assert_uint_eq(handshake(msg, sizeof(msg)), 8); /* twice */
    wr(DOORBELL, 0x40000000);
    ck_assert_uint_eq(state(), 1);
    ck_assert_uint_eq(rd(INT_STATUS), 0);
    init();
    wr(DOORBELL, 0x41000000);
    ck_assert_uint_eq(state(), 1);
    wr(DOORBELL, 0x42000000); /* a handshake of nothing */
    wr(INT_STATUS, 0);
}
END_TEST

START_TEST(diagnostic_reset)
{
    static const uint8_t keys[] = {0xff, 4, 0x0b, 2, 7, 0x0d};

    init();
    wr(DIAGNOSTIC, 4);
    ck_assert_uint_eq(state(), 2); /* not without the keys */
    for (unsigned i = 0; i < sizeof(keys); i++)
        wr(SEQUENCE, keys[i]);
    ck_assert_uint_eq(rd(DIAGNOSTIC) & 0x80, 0x80);
    wr(DIAGNOSTIC, rd(DIAGNOSTIC) | 4);
    ck_assert_uint_eq(state(), 1);
    ck_assert_uint_eq(rd(DIAGNOSTIC), 0x20); /* reset history */
    for (unsigned i = 0; i < sizeof(keys); i++)
        wr(SEQUENCE, keys[i]);
    wr(DIAGNOSTIC, rd(DIAGNOSTIC) & ~0x20u);
    wr(SEQUENCE, 0xffffffff);
    ck_assert_uint_eq(rd(DIAGNOSTIC), 0);
}
END_TEST

/* --- queue --- */

static void post(const uint8_t *msg, unsigned size)
{
    uint8_t frame[128] = {0};

    memcpy(frame, msg, size);
    ck_assert_int_eq(mem_dma_write(m, FRAME, frame, sizeof(frame)), 0);
    wr(REQUEST, FRAME);
}

/* Takes an address reply and gives its frame back; IOCStatus. */
static unsigned take_reply(void)
{
    uint32_t v = rd(REPLY);

    ck_assert_uint_ne(v, 0xffffffff);
    ck_assert_uint_ne(v & 0x80000000, 0);
    ck_assert_int_eq(mem_dma_read(m, v << 1, reply, sizeof(reply)), 0);
    wr(REPLY, v << 1);
    return reply[14] | (unsigned)reply[15] << 8;
}

#define CONTEXT 0x00030007u
#define READ    0x02000000u
#define WRITE   0x01000000u

static unsigned scsi_io(uint8_t *msg, uint32_t control, uint32_t len, const void *cdb, unsigned n)
{
    memset(msg, 0, 128);
    msg[4] = (uint8_t)n;
    msg[5] = 96;
    set_le(msg + 8, CONTEXT);
    set_le(msg + 0x14, control);
    memcpy(msg + 0x18, cdb, n);
    set_le(msg + 0x28, len);
    set_le(msg + 0x2c, SENSE);
    return 0x30;
}

static unsigned simple(uint8_t *msg, unsigned at, uint32_t addr, uint32_t len, unsigned flags)
{
    set_le(msg + at, (0x10u | flags) << 24 | len);
    set_le(msg + at + 4, addr);
    return at + 8;
}

static unsigned simple64(uint8_t *msg, unsigned at, uint32_t addr, uint32_t len, unsigned flags)
{
    set_le(msg + at, (0x12u | flags) << 24 | len);
    set_le(msg + at + 4, addr);
    set_le(msg + at + 8, 0);
    return at + 12;
}

#define LAST 0xc1u

static void clear_attention(void)
{
    uint8_t msg[128];

    scsi_io(msg, 0, 0, "\0\0\0\0\0\0", 6);
    post(msg, 0x30);
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(reply[0x0c], 2); /* check condition */
    ck_assert_uint_eq(reply[0x0d], 1); /* with sense */
    ck_assert_uint_eq(le(reply + 0x18), 18);
    ck_assert_int_eq(mem_dma_read(m, SENSE, reply, 18), 0);
    ck_assert_uint_eq(reply[2], 6);
    ck_assert_uint_eq(reply[12], 0x29);
}

static uint8_t ram(uint32_t addr)
{
    uint64_t v;
    ck_assert(mem_read(m, addr, 1, &v));
    return (uint8_t)v;
}

START_TEST(read_and_write)
{
    uint8_t msg[128];
    unsigned at;

    init();
    clear_attention();
    ck_assert_int_eq(line, 0);
    scsi_io(msg, READ, 1024, "\x28\0\0\0\0\x05\0\0\x02\0", 10);
    at = simple(msg, 0x30, DATA + 1, 100, 0);
    simple64(msg, at, DATA + 0x1000, 924, LAST);
    post(msg, sizeof(msg));
    ck_assert_int_eq(line, 1);
    ck_assert_uint_eq(rd(INT_STATUS), 8);
    ck_assert_uint_eq(rd(REPLY), CONTEXT); /* nothing to tell */
    ck_assert_uint_eq(rd(REPLY), 0xffffffff);
    ck_assert_int_eq(line, 0);
    ck_assert_uint_eq(ram(DATA), 0);
    ck_assert_uint_eq(ram(DATA + 1), 5);
    ck_assert_uint_eq(ram(DATA + 100), 5);
    ck_assert_uint_eq(ram(DATA + 101), 0);
    ck_assert_uint_eq(ram(DATA + 0x1000 + 411), 5);
    ck_assert_uint_eq(ram(DATA + 0x1000 + 412), 6);
    /* write it elsewhere, through a chain */
    scsi_io(msg, WRITE, 1024, "\x2a\0\0\0\0\x40\0\0\x02\0", 10);
    at = simple(msg, 0x30, DATA + 1, 100, 0x80);
    set_le(msg + at, 0x30000000 | 20);
    set_le(msg + at + 4, CHAIN);
    uint8_t chain[20];
    simple(chain, simple64(chain, 0, DATA + 0x1000, 500, 0), DATA + 0x1000 + 500, 424, LAST);
    ck_assert_int_eq(mem_dma_write(m, CHAIN, chain, sizeof(chain)), 0);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(rd(REPLY), CONTEXT);
    ck_assert_int_eq(mem_dma_fill(m, DATA, 0, 4096), 0);
    scsi_io(msg, READ, 1024, "\x28\0\0\0\0\x40\0\0\x02\0", 10);
    simple(msg, 0x30, DATA, 1024, LAST);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(rd(REPLY), CONTEXT);
    ck_assert_uint_eq(ram(DATA + 511), 5);
    ck_assert_uint_eq(ram(DATA + 512), 6);
    ck_assert_uint_eq(mpt_figures(mpt).commands, 4);
    ck_assert_uint_eq(mpt_figures(mpt).bytes_read, 2048);
}
END_TEST

START_TEST(ends_of_commands)
{
    uint8_t msg[128];

    init();
    clear_attention();
    /* fewer bytes than asked for */
    scsi_io(msg, READ, 255, "\x12\0\0\0\xff\0", 6);
    simple(msg, 0x30, DATA, 255, LAST);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x45);
    ck_assert_uint_eq(le(reply + 0x14), 96);
    ck_assert_uint_eq(le(reply + 8), CONTEXT);
    /* nobody there, no such id, no such bus */
    msg[0] = 3;
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x43);
    msg[0] = 15;
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x43);
    msg[0] = 16;
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x42);
    msg[0] = 0;
    msg[1] = 1;
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x41);
    msg[1] = 0;
    msg[4] = 17;
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 7);
    /* another unit */
    scsi_io(msg, 0, 0, "\0\0\0\0\0\0", 6);
    msg[0x0d] = 1;
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(reply[0x0c], 2);
    /* a context that a context reply cannot carry */
    scsi_io(msg, 0, 0, "\0\0\0\0\0\0", 6);
    set_le(msg + 8, 0xfff00001);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(le(reply + 8), 0xfff00001);
    ck_assert_uint_eq(reply[0x0c], 0);
}
END_TEST

START_TEST(bad_lists)
{
    uint8_t msg[128];
    static const uint8_t read10[] = {0x28, 0, 0, 0, 0, 5, 0, 0, 2, 0};

    init();
    clear_attention();
    scsi_io(msg, READ, 1024, read10, 10); /* no elements */
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 3);
    simple(msg, 0x30, DATA, 100, LAST); /* too short */
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 3);
    set_le(msg + 0x30, 0x30000000 | 8); /* a chain that leads to itself */
    set_le(msg + 0x34, CHAIN);
    ck_assert_int_eq(mem_dma_write(m, CHAIN, msg + 0x30, 8), 0);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 3);
    set_le(msg + 0x34, 0xfffffff0); /* a chain outside memory */
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 3);
    set_le(msg + 0x30, 0x30000000); /* an empty chain */
    set_le(msg + 0x34, CHAIN);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 3);
    simple(msg, 0x30, RAM - 10, 1024, LAST); /* data outside memory */
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x46);
    scsi_io(msg, WRITE, 1024, read10, 10);
    msg[0x18] = 0x2a;
    simple(msg, 0x30, RAM - 10, 1024, LAST);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 3);
    scsi_io(msg, READ, 0xffffffff, read10, 10); /* 4 GB of nothing */
    for (unsigned at = 0x30; at + 8 <= 128; at += 8)
        simple(msg, at, DATA, 0, 0);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 3);
}
END_TEST

START_TEST(faults)
{
    uint8_t msg[128];

    init();
    wr(REQUEST, 0xfffffff8); /* no frame there */
    ck_assert_uint_eq(state(), 4);
    ck_assert_uint_eq(rd(DOORBELL) & 0xffff, 0x8112);
    wr(REQUEST, FRAME); /* ignored */
    wr(DOORBELL, 0x41000000);
    ck_assert_uint_eq(state(), 1);
    init_with(0x50, 0);
    wr(REPLY, 0xfffff000); /* a reply frame that is not there */
    scsi_io(msg, 0, 0, "\0\0\0\0\0\0", 6);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(rd(DOORBELL) & 0xffff, 0x8114);
    wr(DOORBELL, 0x41000000);
    /* no reply frames at all: replies wait, but not without end */
    init_with(0x50, 0);
    msg[0] = 3;
    post(msg, sizeof(msg));
    ck_assert_uint_eq(rd(REPLY), 0xffffffff);
    wr(REPLY, REPLIES);
    ck_assert_uint_eq(take_reply(), 0x43);
    wr(DOORBELL, 0x43000000); /* take the frames back */
    for (unsigned i = 0; i < 5000; i++)
        post(msg, sizeof(msg));
    ck_assert_uint_eq(rd(DOORBELL) & 0xffff, 0x8200);
    for (unsigned i = 0; i < 5000; i++)
        wr(REPLY, REPLIES);
    pci_reset(p);
}
END_TEST

/* --- task management, events --- */

static void task(uint8_t *msg, unsigned type, unsigned id, uint32_t context)
{
    memset(msg, 0, 0x34);
    msg[0] = (uint8_t)id;
    msg[3] = 1;
    msg[5] = (uint8_t)type;
    set_le(msg + 8, 0x99);
    set_le(msg + 0x30, context);
}

START_TEST(task_management)
{
    uint8_t msg[0x34], test[128];

    init();
    clear_attention();
    task(msg, 3, 0, 0);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(reply[5], 3);
    ck_assert_uint_eq(le(reply + 0x14), 0);
    clear_attention();   /* the target was reset */
    task(msg, 1, 0, 77); /* abort what is not there */
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0);
    task(msg, 3, 5, 0);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x43);
    task(msg, 3, 200, 0);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0x42);
    task(msg, 99, 0, 0);
    post(msg, sizeof(msg));
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(reply[4], 4);
    /* by handshake, answered through the queue; with events on it is told */
    memset(test, 0, sizeof(test));
    test[0] = 1;
    test[3] = 7;
    set_le(test + 8, 0x42);
    post(test, 0x0c);
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(le(reply + 0x14), 0x0a);
    ck_assert_uint_eq(le(reply + 0x1c), 1);
    task(msg, 4, 0, 0);
    send_words(msg, sizeof(msg));
    ck_assert_uint_eq(rd(INT_STATUS) & 1, 1);
    ck_assert_uint_eq(rd(DOORBELL) & 0x08000000, 0);
    wr(INT_STATUS, 0);
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(le(reply + 0x14), 4); /* bus reset event */
    ck_assert_uint_eq(le(reply + 8), 0x42);
    ck_assert_uint_eq(reply[7], 0x80);
    ck_assert_uint_eq(take_reply(), 0);
    ck_assert_uint_eq(reply[3], 1);
    memset(test, 0, sizeof(test));
    test[3] = 8; /* event ack */
    post(test, 0x14);
    ck_assert_uint_eq(take_reply(), 0);
}
END_TEST

/* Commands in worker threads: each ends as terminated before the function is answered. */
START_TEST(aborting_threads)
{
    uint8_t msg[128];
    unsigned ends = 0;

    teardown();
    setup_threads(2);
    init_with(0x50, 200);
    clear_attention();
    scsi_io(msg, READ, 65536, "\x28\0\0\0\0\x05\0\0\x80\0", 10);
    simple(msg, 0x30, DATA, 65536, LAST);
    for (unsigned i = 0; i < 100; i++)
        post(msg, sizeof(msg));
    task(msg, 2, 0, 0);
    post(msg, 0x34);
    for (;;) {
        uint32_t v;
        io_drain(io);
        v = rd(REPLY);
        ck_assert_uint_ne(v, 0xffffffff);
        ck_assert_int_eq(mem_dma_read(m, v << 1, reply, sizeof(reply)), 0);
        if (reply[3] == 1)
            break;
        ck_assert_uint_eq(reply[14], 0x48);
        ends++;
    }
    ck_assert_uint_eq(ends, 100);
    ck_assert_uint_eq(le(reply + 0x14), 100);
    ck_assert_uint_eq(ram(DATA), 0); /* nothing arrived */
    /* a reset with commands in flight */
    scsi_io(msg, READ, 65536, "\x28\0\0\0\0\x05\0\0\x80\0", 10);
    simple(msg, 0x30, DATA, 65536, LAST);
    for (unsigned i = 0; i < 50; i++)
        post(msg, sizeof(msg));
    wr(DOORBELL, 0x40000000);
    ck_assert_uint_eq(state(), 1);
    ck_assert_uint_eq(rd(REPLY), 0xffffffff);
    ck_assert_uint_eq(io_pending(io), 0);
}
END_TEST

/* --- configuration pages --- */

static unsigned config(unsigned action, unsigned type, unsigned number, uint32_t address,
                       uint32_t addr, uint32_t len)
{
    uint8_t msg[128] = {0};

    msg[0] = (uint8_t)action;
    msg[3] = 4;
    msg[0x16] = (uint8_t)number;
    msg[0x17] = (uint8_t)type;
    set_le(msg + 0x18, address);
    simple(msg, 0x1c, addr, len, LAST);
    post(msg, sizeof(msg));
    return take_reply();
}

START_TEST(pages)
{
    unsigned found = 0;

    init();
    for (unsigned type = 0; type < 16; type++) {
        for (unsigned number = 0; number < 8; number++) {
            unsigned status = config(0, type, number, 0, 0, 0), words = reply[0x15];
            if (status != 0) {
                ck_assert(status == 0x21 || status == 0x22);
                continue;
            }
            found++;
            ck_assert_uint_eq(config(1, type, number, 0, DATA, words * 4), 0);
            ck_assert_uint_eq(ram(DATA + 1), words);
            ck_assert_uint_eq(ram(DATA + 2), number);
            ck_assert_uint_eq(ram(DATA + 3) & 15, type);
            ck_assert_uint_eq(config(6, type, number, 0, DATA, 4), 0);
            ck_assert_uint_eq(config(9, type, number, 0, DATA, 4), 0x20);
            ck_assert_uint_eq(config(1, type, number, 0, 0xfffffff0, 4), 3);
        }
    }
    ck_assert_uint_eq(found, 20);
    /* what was asked of target 0 is what is negotiated, within limits */
    mem_write(m, DATA + 4, 4, 0x20ff0107);
    ck_assert_uint_eq(config(2, 4, 1, 0, DATA, 16), 0);
    ck_assert_uint_eq(config(1, 4, 0, 0, DATA, 12), 0);
    ck_assert_uint_eq(ram(DATA + 5), 8);
    ck_assert_uint_eq(ram(DATA + 6), 127);
    ck_assert_uint_eq(config(1, 4, 0, 16, DATA, 12), 0x22);
    ck_assert_uint_eq(config(2, 4, 0, 0, DATA, 12), 0x25); /* read-only */
    ck_assert_uint_eq(config(2, 4, 1, 0, DATA, 8), 0x23);
    ck_assert_uint_eq(config(1, 3, 0, 1, DATA, 12), 0x22);
}
END_TEST

/* --- noise --- */

static void random_frame(uint8_t *f)
{
    static const uint8_t functions[] = {0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x12, 0x15};

    for (unsigned i = 0; i < 128; i++)
        f[i] = (uint8_t)(rand() % 3 ? 0 : rand());
    f[3] = functions[(unsigned)rand() % sizeof(functions)];
    if (rand() % 8)
        f[0] = f[1] = 0;
    if (f[3] == 0) {
        static const uint8_t cdbs[] = {0, 3, 0x12, 0x1a, 0x28, 0x2a, 0x41, 0x42, 0x5e, 0x5f};
        f[4] = (uint8_t)(rand() % 18);
        f[0x18] = cdbs[(unsigned)rand() % sizeof(cdbs)];
        set_le(f + 0x28, (uint32_t)rand() % 4 ? (uint32_t)rand() % 4096 : (uint32_t)rand());
    }
    for (unsigned at = f[3] == 4 ? 0x1c : 0x30; at + 12 <= 128 && rand() % 4; at += 8) {
        f[at + 3] = (uint8_t)(rand() % 4 ? 0x10 : rand());
        set_le(f + at + 4, (uint32_t)rand() % 4 ? (uint32_t)rand() % RAM : (uint32_t)rand() * 2u);
    }
}

START_TEST(random_frames)
{
    uint8_t f[128];

    srand((unsigned)_i + 1);
    teardown();
    setup_threads(_i % 2 ? 2 : 0);
    for (unsigned i = 0; i < 60000; i++) {
        if (state() != 2) {
            wr(DOORBELL, 0x41000000);
            wr(INT_STATUS, 0);
            while (rd(DOORBELL) & 0x08000000) { /* get out of a handshake */
                wr(DOORBELL, 0);
                wr(INT_STATUS, 0);
            }
            wr(DOORBELL, 0x41000000);
            init();
        }
        random_frame(f);
        post(f, sizeof(f));
        if (i % 3 == 0)
            mem_dma_write(m, (uint64_t)((unsigned)rand() % (RAM - 128)), f, 128);
        io_poll(io);
        for (unsigned k = 0; k < 3; k++) {
            uint32_t v = rd(REPLY);
            if (v != 0xffffffff && (v & 0x80000000))
                wr(REPLY, v << 1);
        }
        if (rand() % 500 == 0)
            wr((unsigned)rand() % 0x20 * 4, (uint32_t)rand());
    }
}
END_TEST

START_TEST(attaching)
{
    ck_assert_int_eq(mpt_attach(mpt, 0, disk), -EEXIST);
    ck_assert_int_eq(mpt_attach(mpt, 15, disk), -EINVAL);
    ck_assert_ptr_eq(mpt_target(mpt, 0), disk);
    ck_assert_ptr_null(mpt_target(mpt, 99));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mpt");
    TCase *c = tcase_create("mpt");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, facts);
    tcase_add_test(c, start_and_reset);
    tcase_add_test(c, diagnostic_reset);
    tcase_add_test(c, read_and_write);
    tcase_add_test(c, ends_of_commands);
    tcase_add_test(c, bad_lists);
    tcase_add_test(c, faults);
    tcase_add_test(c, task_management);
    tcase_add_test(c, aborting_threads);
    tcase_add_test(c, pages);
    tcase_add_loop_test(c, random_frames, 0, 4);
    tcase_add_test(c, attaching);
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
