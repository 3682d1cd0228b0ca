/* Memory of boot services: pages, pools, the map that programs get.
 *
 * The page map is memmap.h's. Pools are kept in host memory: pages cut into blocks of one size and
 * memory type, with a bit per block, and larger allocations as pages; so no pointer that a guest
 * hands back is ever trusted. What the firmware allocates for itself guests cannot free: addresses
 * in it are names of objects.
 */
#include "boot.h"

#include <errno.h>

#define TYPE_MAX_OS  0x80000000u /* types from here on are operating systems' */
#define CLASS_MIN    5           /* 32 bytes */
#define CLASS_MAX    11          /* 2048 bytes */
#define PAGE_KEY(at) GSIZE_TO_POINTER((at) / EFI_PAGE)

struct pool_page {
    uint64_t at;
    uint32_t type;
    uint8_t class;
    uint8_t used;
    uint64_t bits[2], own[2]; /* own: the firmware's */
};

void memory_init(struct boot *b)
{
    b->pool_pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    b->pool_large = g_hash_table_new(NULL, NULL);
    b->pool_free = g_hash_table_new(NULL, NULL);
    b->map_key = 1;
}

void memory_done(struct boot *b)
{
    g_clear_pointer(&b->pool_pages, g_hash_table_destroy);
    g_clear_pointer(&b->pool_large, g_hash_table_destroy);
    g_clear_pointer(&b->pool_free, g_hash_table_destroy);
}

static bool type_ok(uint32_t type)
{
    return (type < EFI_PAL_CODE && type != EFI_CONVENTIONAL && type != EFI_UNUSABLE &&
            type != EFI_MMIO && type != EFI_MMIO_PORTS) ||
           type >= TYPE_MAX_OS;
}

/* Low memory first: systems and loaders of the time expect their boot data there. */
static uint64_t find_any(const struct boot *b, uint64_t size, uint64_t limit)
{
    uint64_t at = 0;

    if (limit > HPVM_LOW_RAM_END)
        at = memmap_find_high(&b->fw->map, size, EFI_PAGE, HPVM_LOW_RAM_END);
    return at ? at : memmap_find_high(&b->fw->map, size, EFI_PAGE, limit);
}

uint64_t memory_allocate(struct boot *b, unsigned how, uint32_t type, uint64_t pages,
                         uint64_t *address)
{
    uint64_t at, limit = UINT64_MAX;
    int err;

    if (how > ALLOCATE_ADDRESS || !type_ok(type))
        return EFI_INVALID_PARAMETER;
    if (pages == 0 || pages > HPVM_RAM_MAX / EFI_PAGE)
        return EFI_NOT_FOUND;
    if (how == ALLOCATE_MAX)
        limit = *address == UINT64_MAX ? UINT64_MAX : (*address + 1) & ~(EFI_PAGE - 1);
    at = how == ALLOCATE_ADDRESS ? *address : find_any(b, pages * EFI_PAGE, limit);
    if (how == ALLOCATE_ADDRESS && (at & (EFI_PAGE - 1)))
        return EFI_NOT_FOUND;
    if (how != ALLOCATE_ADDRESS && at == 0)
        return EFI_OUT_OF_RESOURCES;
    err = memmap_claim(&b->fw->map, at, pages * EFI_PAGE, type);
    if (err)
        return how == ALLOCATE_ADDRESS ? EFI_NOT_FOUND : EFI_OUT_OF_RESOURCES;
    b->map_key++;
    *address = at;
    return EFI_SUCCESS;
}

uint64_t memory_free(struct boot *b, uint64_t address, uint64_t pages)
{
    int err;

    if ((address & (EFI_PAGE - 1)) || pages == 0 || pages > HPVM_RAM_MAX / EFI_PAGE)
        return EFI_INVALID_PARAMETER;
    err = memmap_release(&b->fw->map, address, pages * EFI_PAGE);
    if (err)
        return err == -EINVAL ? EFI_NOT_FOUND : EFI_OUT_OF_RESOURCES;
    b->map_key++;
    return EFI_SUCCESS;
}

/* --- pools --- */

static gpointer free_key(uint32_t type, unsigned class)
{
    return GSIZE_TO_POINTER((gsize)type << 8 | class);
}

static bool has_room(const struct pool_page *p)
{
    return p->used < EFI_PAGE >> p->class;
}

static struct pool_page *new_pool_page(struct boot *b, uint32_t type, unsigned class)
{
    struct pool_page *p;
    uint64_t at = 0;

    if (memory_allocate(b, ALLOCATE_ANY, type, 1, &at) != EFI_SUCCESS)
        return NULL;
    p = g_new0(struct pool_page, 1);
    p->at = at;
    p->type = type;
    p->class = (uint8_t) class;
    g_hash_table_insert(b->pool_pages, PAGE_KEY(at), p);
    return p;
}

static struct pool_page *page_with_room(struct boot *b, uint32_t type, unsigned class)
{
    gpointer key = free_key(type, class), at = g_hash_table_lookup(b->pool_free, key);
    struct pool_page *p = at ? g_hash_table_lookup(b->pool_pages, at) : NULL;

    if (p && p->type == type && p->class == class && has_room(p))
        return p;
    p = new_pool_page(b, type, class);
    if (p)
        g_hash_table_insert(b->pool_free, key, PAGE_KEY(p->at));
    return p;
}

static uint64_t take_block(struct pool_page *p)
{
    unsigned i = 0;

    while (p->bits[i / 64] >> i % 64 & 1)
        i++;
    p->bits[i / 64] |= 1ull << i % 64;
    p->used++;
    return p->at + ((uint64_t)i << p->class);
}

static uint64_t allocate_large(struct boot *b, uint32_t type, uint64_t size)
{
    uint64_t pages = (size + EFI_PAGE - 1) / EFI_PAGE, at = 0;

    if (size > HPVM_RAM_MAX || memory_allocate(b, ALLOCATE_ANY, type, pages, &at) != EFI_SUCCESS)
        return 0;
    g_hash_table_insert(b->pool_large, GSIZE_TO_POINTER(at), GSIZE_TO_POINTER(pages));
    return at;
}

uint64_t pool_allocate(struct boot *b, uint32_t type, uint64_t size)
{
    unsigned class = CLASS_MIN;
    struct pool_page *p;

    if (!type_ok(type))
        return 0;
    if (size > 1ull << CLASS_MAX)
        return allocate_large(b, type, size);
    while (1ull << class < size)
        class ++;
    p = page_with_room(b, type, class);
    return p ? take_block(p) : 0;
}

static bool free_block(struct boot *b, struct pool_page *p, uint64_t address)
{
    unsigned i = (unsigned)((address - p->at) >> p->class);

    if (((uint64_t)i << p->class) != address - p->at || !(p->bits[i / 64] >> i % 64 & 1))
        return false;
    p->bits[i / 64] &= ~(1ull << i % 64);
    p->own[i / 64] &= ~(1ull << i % 64);
    p->used--;
    if (p->used) {
        g_hash_table_insert(b->pool_free, free_key(p->type, p->class), PAGE_KEY(p->at));
        return true;
    }
    g_hash_table_remove(b->pool_free, free_key(p->type, p->class));
    memory_free(b, p->at, 1);
    g_hash_table_remove(b->pool_pages, PAGE_KEY(p->at));
    return true;
}

bool pool_free(struct boot *b, uint64_t address)
{
    struct pool_page *p = g_hash_table_lookup(b->pool_pages, PAGE_KEY(address));
    gpointer pages;

    if (p)
        return free_block(b, p, address);
    pages = g_hash_table_lookup(b->pool_large, GSIZE_TO_POINTER(address));
    if (!pages)
        return false;
    g_hash_table_remove(b->pool_large, GSIZE_TO_POINTER(address));
    memory_free(b, address, GPOINTER_TO_SIZE(pages));
    return true;
}

/* Larger blocks are never names of objects. */
static uint64_t *own_bits(struct boot *b, uint64_t at, unsigned *bit)
{
    struct pool_page *p = g_hash_table_lookup(b->pool_pages, PAGE_KEY(at));
    unsigned i;

    if (!p)
        return NULL;
    i = (unsigned)((at - p->at) >> p->class);
    *bit = i % 64;
    return &p->own[i / 64];
}

uint64_t boot_alloc(struct boot *b, uint64_t size)
{
    uint64_t at = pool_allocate(b, EFI_BOOT_DATA, size), *own;
    unsigned bit;

    if (!at)
        return 0;
    mem_dma_fill(b->fw->mem, at, 0, size);
    own = own_bits(b, at, &bit);
    if (own)
        *own |= 1ull << bit;
    return at;
}

static bool is_own(struct boot *b, uint64_t at)
{
    unsigned bit;
    uint64_t *own = own_bits(b, at, &bit);

    return own && (*own >> bit & 1);
}

/* Whether a range of pages holds pages of pools. */
static bool holds_pool(struct boot *b, uint64_t start, uint64_t pages)
{
    GHashTableIter it;
    gpointer p;

    g_hash_table_iter_init(&it, b->pool_pages);
    while (g_hash_table_iter_next(&it, NULL, &p))
        if ((((struct pool_page *)p)->at - start) / EFI_PAGE < pages)
            return true;
    return false;
}

/* --- services --- */

/* (how, type, pages, *address) */
uint64_t bs_allocate_pages(struct boot *b, struct fwcall *k)
{
    uint64_t at, status;

    if (!boot_read64(b, k->arg[3], &at))
        return EFI_INVALID_PARAMETER;
    status = memory_allocate(b, (unsigned)MIN(k->arg[0], 3), (uint32_t)k->arg[1], k->arg[2], &at);
    if (status == EFI_SUCCESS)
        boot_write64(b, k->arg[3], at);
    return status;
}

uint64_t bs_free_pages(struct boot *b, struct fwcall *k)
{
    if (holds_pool(b, k->arg[0], k->arg[1]))
        return EFI_NOT_FOUND;
    return memory_free(b, k->arg[0], k->arg[1]);
}

/* (type, size, **buffer) */
uint64_t bs_allocate_pool(struct boot *b, struct fwcall *k)
{
    uint64_t at;

    if (!boot_ram(b, k->arg[2], 8) || !type_ok((uint32_t)k->arg[0]))
        return EFI_INVALID_PARAMETER;
    at = pool_allocate(b, (uint32_t)k->arg[0], k->arg[1]);
    if (!at)
        return EFI_OUT_OF_RESOURCES;
    boot_write64(b, k->arg[2], at);
    return EFI_SUCCESS;
}

uint64_t bs_free_pool(struct boot *b, struct fwcall *k)
{
    return !is_own(b, k->arg[0]) && pool_free(b, k->arg[0]) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* (*size, map, *key, *descriptor size, *descriptor version) */
uint64_t bs_get_memory_map(struct boot *b, struct fwcall *k)
{
    uint8_t data[MEMMAP_MAX * EFI_DESC_SIZE];
    uint64_t room, size = b->fw->map.n * EFI_DESC_SIZE;
    uint32_t version = EFI_DESC_VERSION;
    struct blob d;

    if (!boot_read64(b, k->arg[0], &room))
        return EFI_INVALID_PARAMETER;
    boot_write64(b, k->arg[0], size);
    if (k->arg[3])
        boot_write64(b, k->arg[3], EFI_DESC_SIZE);
    if (k->arg[4])
        boot_write(b, k->arg[4], &version, sizeof(version));
    if (room < size)
        return EFI_BUFFER_TOO_SMALL;
    blob_init(&d, data, sizeof(data));
    memmap_write_efi(&b->fw->map, &d);
    if (!boot_write(b, k->arg[1], data, size))
        return EFI_INVALID_PARAMETER;
    if (k->arg[2])
        boot_write64(b, k->arg[2], b->map_key);
    return EFI_SUCCESS;
}
