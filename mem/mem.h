/* Guest physical memory: RAM, device ranges and code-page tracking.
 *
 * Addresses are guest physical, sizes in bytes. RAM ranges are host mappings owned by the struct;
 * device ranges call back. Nothing here knows about translation (mem/tlb.h) or about
 * instructions: the CPU registers a function to be told when bytes it decoded are overwritten.
 */
#ifndef KITTSON_MEM_MEM_H
#define KITTSON_MEM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_PAGE_SHIFT 12
#define MEM_PAGE_SIZE  4096u

struct mem;

/* Device access; offset is relative to the range, size 1, 2, 4 or 8. */
typedef uint64_t mem_read_fn(void *opaque, uint64_t offset, unsigned size);
typedef void mem_write_fn(void *opaque, uint64_t offset, uint64_t value, unsigned size);

struct mem *mem_new(void);
void mem_free(struct mem *m);

/* Adds RAM (page aligned, zeroed, backed lazily). 0, or -ENOMEM, -EINVAL, -EEXIST on overlap. */
int mem_add_ram(struct mem *m, uint64_t addr, uint64_t size);
/* Adds a device range. opaque stays the caller's. 0, or -EINVAL, -EEXIST, -ENOSPC. */
int mem_add_device(struct mem *m, uint64_t addr, uint64_t size, void *opaque, mem_read_fn *read,
                   mem_write_fn *write);

/* Processors on several threads: called around every access to a device made through mem_read and
 * mem_write. RAM needs none. May be nested. */
typedef void mem_guard_fn(void *opaque);
void mem_set_device_guard(struct mem *m, mem_guard_fn *enter, mem_guard_fn *leave, void *opaque);

/* Host address of [addr, addr+len) if all of it is in one RAM range, else NULL. Writers must call
 * mem_written() afterwards. */
uint8_t *mem_ram(struct mem *m, uint64_t addr, uint64_t len);

/* One access of 1, 2, 4 or 8 bytes, little-endian, to RAM or device. false: nothing is there
 * (value reads as all ones, writes are dropped). */
bool mem_read(struct mem *m, uint64_t addr, unsigned size, uint64_t *value);
bool mem_write(struct mem *m, uint64_t addr, unsigned size, uint64_t value);

/* DMA and loaders: any length, RAM only. 0, or -EFAULT when any byte is not RAM (nothing is
 * transferred). mem_dma_write and mem_dma_fill report overwritten code. */
int mem_dma_read(struct mem *m, uint64_t addr, void *buf, uint64_t len);
int mem_dma_write(struct mem *m, uint64_t addr, const void *buf, uint64_t len);
int mem_dma_fill(struct mem *m, uint64_t addr, uint8_t byte, uint64_t len);

/* Code tracking. mem_mark_code() says that the 64-byte lines of [addr, addr+len) in one page have
 * been decoded; mem_has_code() says if a page has any such line; mem_written() must be called after
 * bytes of a page with code were overwritten by other means than mem_write and mem_dma_write, and
 * calls the hook (and clears the page's marks) if a marked line is touched. */
typedef void mem_code_fn(void *opaque, uint64_t page_addr);
void mem_set_code_hook(struct mem *m, mem_code_fn *fn, void *opaque);
void mem_mark_code(struct mem *m, uint64_t addr, uint64_t len);
bool mem_has_code(struct mem *m, uint64_t addr);
void mem_written(struct mem *m, uint64_t addr, uint64_t len);

/* Which pages are written, for those who compare or save memory: from mem_track_writes() on, which
 * returns 0 or -ENOMEM. mem_watches() says whether a write to a page must be reported with
 * mem_written(): it has code, or is not yet known to be written. mem_take_written() calls each
 * function for each page written, by address, and forgets them: nothing may then write them
 * unseen. */
int mem_track_writes(struct mem *m);
bool mem_watches(struct mem *m, uint64_t addr);
void mem_take_written(struct mem *m, void (*each)(void *opaque, uint64_t page), void *opaque);

/* RAM range n (by address) and where the host has it, for saving. False: there is none. */
bool mem_ram_range(struct mem *m, unsigned n, uint64_t *addr, uint64_t *size, uint8_t **host);
/* Makes all RAM zeros, giving it back to the host. Code in it is forgotten without a call of the
 * hook: the CPUs must be reset, too. 0 or a negative errno. */
int mem_clear(struct mem *m);

#endif
