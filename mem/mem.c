/* Guest physical memory: the table of RAM and device ranges, and what was decoded as code.
 *
 * See mem.h. Ranges are only added, never moved: devices with movable windows (PCI base address
 * registers) register the whole aperture and decode inside it. Lookups may run in several threads
 * once the ranges are complete; adding ranges may not run beside them.
 */
#include "mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "channels.h"

#define MEM_MAX_RANGES 256
#define LINE_SHIFT     6 /* 64 lines of 64 bytes in a page: one bit each in a word */

struct range {
    uint64_t base;
    uint64_t size;
    uint8_t *host;          /* RAM only */
    _Atomic uint64_t *code; /* RAM only: one word per page, one bit per decoded line */
    uint64_t *dirty;        /* RAM only: one bit per page, written since it was asked; or NULL */
    void *opaque;
    mem_read_fn *read;
    mem_write_fn *write;
};

struct mem {
    struct range ranges[MEM_MAX_RANGES]; /* by ascending base, never overlapping */
    unsigned count;
    _Atomic unsigned last; /* index of the last hit */
    mem_code_fn *code_hook;
    void *code_opaque;
    mem_guard_fn *enter, *leave; /* or NULL */
    void *guard_opaque;
};

static bool in_range(const struct range *r, uint64_t addr, uint64_t len)
{
    return addr >= r->base && len <= r->size && addr - r->base <= r->size - len;
}

/* Index of the first range whose base is above addr. */
static unsigned upper_bound(const struct mem *m, uint64_t addr)
{
    unsigned lo = 0, hi = m->count;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (m->ranges[mid].base > addr)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* The range that holds all of [addr, addr+len), or NULL. */
static struct range *find(struct mem *m, uint64_t addr, uint64_t len)
{
    unsigned i = atomic_load_explicit(&m->last, memory_order_relaxed);

    if (i < m->count && in_range(&m->ranges[i], addr, len))
        return &m->ranges[i];
    i = upper_bound(m, addr);
    if (i == 0 || !in_range(&m->ranges[i - 1], addr, len))
        return NULL;
    atomic_store_explicit(&m->last, i - 1, memory_order_relaxed);
    return &m->ranges[i - 1];
}

static struct range *find_ram(struct mem *m, uint64_t addr, uint64_t len)
{
    struct range *r = find(m, addr, len);

    return r && r->host ? r : NULL;
}

static void *map_lazy(uint64_t size)
{
    void *p;

    if (size > SIZE_MAX)
        return NULL;
    p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static uint64_t code_bytes(uint64_t ram_size)
{
    return (ram_size >> MEM_PAGE_SHIFT) * sizeof(uint64_t);
}

struct mem *mem_new(void)
{
    return calloc(1, sizeof(struct mem));
}

void mem_free(struct mem *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->count; i++) {
        struct range *r = &m->ranges[i];

        if (!r->host)
            continue;
        munmap(r->host, r->size);
        munmap((void *)r->code, code_bytes(r->size));
        free(r->dirty);
    }
    free(m);
}

/* Whether a new range fits, and where in the table it belongs. */
static int place(const struct mem *m, uint64_t addr, uint64_t size, unsigned *index)
{
    unsigned i;

    if (size == 0 || addr + (size - 1) < addr)
        return -EINVAL;
    i = upper_bound(m, addr);
    if (i > 0 && addr - m->ranges[i - 1].base < m->ranges[i - 1].size)
        return -EEXIST;
    if (i < m->count && m->ranges[i].base - addr < size)
        return -EEXIST;
    if (m->count == MEM_MAX_RANGES)
        return -ENOSPC;
    *index = i;
    return 0;
}

static void insert_range(struct mem *m, unsigned index, const struct range *r)
{
    memmove(&m->ranges[index + 1], &m->ranges[index], (m->count - index) * sizeof(m->ranges[0]));
    m->ranges[index] = *r;
    m->count++;
}

int mem_add_ram(struct mem *m, uint64_t addr, uint64_t size)
{
    struct range r = {.base = addr, .size = size};
    unsigned index;
    int err;

    if ((addr | size) & (MEM_PAGE_SIZE - 1))
        return -EINVAL;
    err = place(m, addr, size, &index);
    if (err)
        return err;
    r.host = map_lazy(size);
    if (!r.host)
        return -ENOMEM;
    r.code = map_lazy(code_bytes(size));
    if (!r.code) {
        munmap(r.host, size);
        return -ENOMEM;
    }
    insert_range(m, index, &r);
    return 0;
}

int mem_add_device(struct mem *m, uint64_t addr, uint64_t size, void *opaque, mem_read_fn *read,
                   mem_write_fn *write)
{
    struct range r = {.base = addr, .size = size, .opaque = opaque, .read = read, .write = write};
    unsigned index;
    int err;

    if (!read || !write)
        return -EINVAL;
    err = place(m, addr, size, &index);
    if (err)
        return err;
    insert_range(m, index, &r);
    return 0;
}

uint8_t *mem_ram(struct mem *m, uint64_t addr, uint64_t len)
{
    struct range *r = find_ram(m, addr, len);

    /* len 0 matches one past the end, which must not be handed out */
    if (!r || addr - r->base >= r->size)
        return NULL;
    return r->host + (addr - r->base);
}

/* Bits of the lines that [first, last] (offsets in the page) touches. */
static uint64_t line_mask(unsigned first, unsigned last)
{
    unsigned lo = first >> LINE_SHIFT, hi = last >> LINE_SHIFT;

    return (~0ull << lo) & (~0ull >> (63 - hi));
}

/* Forgets the page's marks and tells the CPU, if marked lines in [off, off+len) were written. */
static void check_page(struct mem *m, struct range *r, uint64_t off, unsigned len)
{
    _Atomic uint64_t *word = &r->code[off >> MEM_PAGE_SHIFT];
    uint64_t marks = atomic_load_explicit(word, memory_order_relaxed);
    unsigned in_page = off & (MEM_PAGE_SIZE - 1);

    if (r->dirty)
        r->dirty[off >> MEM_PAGE_SHIFT >> 6] |= 1ull << (off >> MEM_PAGE_SHIFT & 63);
    if (!(marks & line_mask(in_page, in_page + len - 1)))
        return;
    atomic_store(word, 0);
    if (m->code_hook)
        m->code_hook(m->code_opaque, r->base + (off & ~(uint64_t)(MEM_PAGE_SIZE - 1)));
}

static void written(struct mem *m, struct range *r, uint64_t off, uint64_t len)
{
    if (m->enter) /* who decodes on another thread marks first and reads then: one sees the other */
        atomic_thread_fence(memory_order_seq_cst);
    while (len) {
        unsigned room = MEM_PAGE_SIZE - (off & (MEM_PAGE_SIZE - 1));
        unsigned n = len < room ? (unsigned)len : room;

        check_page(m, r, off, n);
        off += n;
        len -= n;
    }
}

static uint64_t load_le(const uint8_t *p, unsigned size)
{
    uint16_t v2;
    uint32_t v4;
    uint64_t v8;

    switch (size) {
    case 1:
        return *p;
    case 2:
        memcpy(&v2, p, 2);
        return v2;
    case 4:
        memcpy(&v4, p, 4);
        return v4;
    default:
        memcpy(&v8, p, 8);
        return v8;
    }
}

static void store_le(uint8_t *p, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        *p = (uint8_t)value;
        break;
    case 2:
        memcpy(p, &(uint16_t){(uint16_t)value}, 2);
        break;
    case 4:
        memcpy(p, &(uint32_t){(uint32_t)value}, 4);
        break;
    default:
        memcpy(p, &value, 8);
    }
}

static bool valid_size(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

static uint64_t size_bits(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

void mem_set_device_guard(struct mem *m, mem_guard_fn *enter, mem_guard_fn *leave, void *opaque)
{
    m->enter = enter;
    m->leave = leave;
    m->guard_opaque = opaque;
}

static uint64_t device_read(struct mem *m, const struct range *r, uint64_t addr, unsigned size)
{
    uint64_t v;

    if (m->enter)
        m->enter(m->guard_opaque);
    v = r->read(r->opaque, addr - r->base, size);
    if (m->leave)
        m->leave(m->guard_opaque);
    if (channel_on(CHANNEL_IO))
        channel_line(CHANNEL_IO, "read %u %011" PRIx64 " = %" PRIx64, size, addr,
                     v & size_bits(size));
    return v;
}

static void device_write(struct mem *m, const struct range *r, uint64_t addr, unsigned size,
                         uint64_t value)
{
    if (channel_on(CHANNEL_IO))
        channel_line(CHANNEL_IO, "write %u %011" PRIx64 " = %" PRIx64, size, addr, value);
    if (m->enter)
        m->enter(m->guard_opaque);
    r->write(r->opaque, addr - r->base, value, size);
    if (m->leave)
        m->leave(m->guard_opaque);
}

bool mem_read(struct mem *m, uint64_t addr, unsigned size, uint64_t *value)
{
    struct range *r;

    if (!valid_size(size)) {
        *value = ~0ull;
        return false;
    }
    r = find(m, addr, size);
    if (!r) {
        *value = size_bits(size);
        return false;
    }
    if (r->host)
        *value = load_le(r->host + (addr - r->base), size);
    else
        *value = device_read(m, r, addr, size) & size_bits(size);
    return true;
}

bool mem_write(struct mem *m, uint64_t addr, unsigned size, uint64_t value)
{
    struct range *r;

    if (!valid_size(size))
        return false;
    r = find(m, addr, size);
    if (!r)
        return false;
    if (!r->host) {
        device_write(m, r, addr, size, value & size_bits(size));
        return true;
    }
    store_le(r->host + (addr - r->base), size, value);
    written(m, r, addr - r->base, size);
    return true;
}

/* The RAM range at addr and how many of len bytes it holds; 0 when addr is not RAM. */
static uint64_t ram_span(struct mem *m, uint64_t addr, uint64_t len, struct range **r)
{
    uint64_t room;

    *r = find_ram(m, addr, 1);
    if (!*r)
        return 0;
    room = (*r)->size - (addr - (*r)->base);
    return len < room ? len : room;
}

static bool all_ram(struct mem *m, uint64_t addr, uint64_t len)
{
    if (len && addr + (len - 1) < addr)
        return false;
    while (len) {
        struct range *r;
        uint64_t n = ram_span(m, addr, len, &r);

        if (!n)
            return false;
        addr += n;
        len -= n;
    }
    return true;
}

int mem_dma_read(struct mem *m, uint64_t addr, void *buf, uint64_t len)
{
    uint8_t *out = buf;

    if (!all_ram(m, addr, len))
        return -EFAULT;
    while (len) {
        struct range *r;
        uint64_t n = ram_span(m, addr, len, &r);

        memcpy(out, r->host + (addr - r->base), n);
        addr += n;
        out += n;
        len -= n;
    }
    return 0;
}

int mem_dma_write(struct mem *m, uint64_t addr, const void *buf, uint64_t len)
{
    const uint8_t *in = buf;

    if (!all_ram(m, addr, len))
        return -EFAULT;
    while (len) {
        struct range *r;
        uint64_t n = ram_span(m, addr, len, &r);

        memcpy(r->host + (addr - r->base), in, n);
        written(m, r, addr - r->base, n);
        addr += n;
        in += n;
        len -= n;
    }
    return 0;
}

int mem_dma_fill(struct mem *m, uint64_t addr, uint8_t byte, uint64_t len)
{
    if (!all_ram(m, addr, len))
        return -EFAULT;
    while (len) {
        struct range *r;
        uint64_t n = ram_span(m, addr, len, &r);

        memset(r->host + (addr - r->base), byte, n);
        written(m, r, addr - r->base, n);
        addr += n;
        len -= n;
    }
    return 0;
}

void mem_set_code_hook(struct mem *m, mem_code_fn *fn, void *opaque)
{
    m->code_hook = fn;
    m->code_opaque = opaque;
}

void mem_mark_code(struct mem *m, uint64_t addr, uint64_t len)
{
    struct range *r = len ? find_ram(m, addr, len) : NULL;
    uint64_t off;

    if (!r)
        return;
    for (off = addr - r->base; len;) {
        unsigned in_page = off & (MEM_PAGE_SIZE - 1);
        unsigned room = MEM_PAGE_SIZE - in_page;
        unsigned n = len < room ? (unsigned)len : room;

        atomic_fetch_or_explicit(&r->code[off >> MEM_PAGE_SHIFT],
                                 line_mask(in_page, in_page + n - 1), memory_order_seq_cst);
        off += n;
        len -= n;
    }
}

bool mem_has_code(struct mem *m, uint64_t addr)
{
    struct range *r = find_ram(m, addr, 1);

    if (!r)
        return false;
    return atomic_load_explicit(&r->code[(addr - r->base) >> MEM_PAGE_SHIFT],
                                memory_order_relaxed) != 0;
}

void mem_written(struct mem *m, uint64_t addr, uint64_t len)
{
    struct range *r = find_ram(m, addr, len);

    if (r)
        written(m, r, addr - r->base, len);
}

/* --- saving and comparing --- */

static size_t dirty_words(const struct range *r)
{
    return (size_t)(((r->size >> MEM_PAGE_SHIFT) + 63) / 64);
}

int mem_track_writes(struct mem *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        struct range *r = &m->ranges[i];

        if (r->host && !r->dirty)
            r->dirty = calloc(dirty_words(r), sizeof(uint64_t));
        if (r->host && !r->dirty)
            return -ENOMEM;
    }
    return 0;
}

bool mem_watches(struct mem *m, uint64_t addr)
{
    struct range *r = find_ram(m, addr, 1);
    uint64_t page;

    if (!r)
        return false;
    page = (addr - r->base) >> MEM_PAGE_SHIFT;
    if (r->dirty && !(r->dirty[page >> 6] >> (page & 63) & 1))
        return true;
    return atomic_load_explicit(&r->code[page], memory_order_relaxed) != 0;
}

static void take_range(struct range *r, void (*each)(void *opaque, uint64_t page), void *opaque)
{
    for (size_t w = 0; w < dirty_words(r); w++) {
        for (; r->dirty[w]; r->dirty[w] &= r->dirty[w] - 1) {
            uint64_t page = 64 * w + (unsigned)__builtin_ctzll(r->dirty[w]);

            each(opaque, r->base + (page << MEM_PAGE_SHIFT));
        }
    }
}

void mem_take_written(struct mem *m, void (*each)(void *opaque, uint64_t page), void *opaque)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->ranges[i].dirty)
            take_range(&m->ranges[i], each, opaque);
}

bool mem_ram_range(struct mem *m, unsigned n, uint64_t *addr, uint64_t *size, uint8_t **host)
{
    for (unsigned i = 0; i < m->count; i++) {
        struct range *r = &m->ranges[i];

        if (!r->host || n-- > 0)
            continue;
        *addr = r->base;
        *size = r->size;
        *host = r->host;
        return true;
    }
    return false;
}

int mem_clear(struct mem *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        struct range *r = &m->ranges[i];

        if (!r->host)
            continue;
        if (madvise(r->host, r->size, MADV_DONTNEED) != 0 ||
            madvise((void *)r->code, code_bytes(r->size), MADV_DONTNEED) != 0)
            return -errno;
        if (r->dirty)
            memset(r->dirty, 0, dirty_words(r) * sizeof(uint64_t));
    }
    return 0;
}
