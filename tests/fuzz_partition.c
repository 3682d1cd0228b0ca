/* Fuzz target: partition tables. The input is a disk of 512-byte blocks, and a disc; checksums of
 * GPT headers and tables are made right, so that what they protect is reached. */
#include "fuzz.h"

#include "le.h"
#include "partition.h"

static void seal_header(uint8_t *disk, uint64_t blocks, uint64_t lba)
{
    uint8_t *h = disk + lba * 512;
    uint64_t table = le64(h + 72), bytes = (uint64_t)le32(h + 80) * le32(h + 84);
    uint32_t size = le32(h + 12);

    if (memcmp(h, "EFI PART", 8) || size < 20 || size > 512)
        return;
    if (table < blocks && bytes <= (blocks - table) * 512)
        put_le32(h + 88, partition_crc32(disk + table * 512, bytes));
    put_le32(h + 16, 0);
    put_le32(h + 16, partition_crc32(h, size));
}

static void check(const struct block_dev *d)
{
    static struct partition_list list;

    if (partition_scan(d, &list) != 0)
        abort();
    for (unsigned i = 0; i < list.count; i++) {
        struct block_view v;

        partition_is_esp(&list.part[i]);
        if (block_view_init(&v, d, list.part[i].start, list.part[i].blocks) != 0)
            abort(); /* every partition listed lies on the disk */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t blocks = size / 512;
    uint8_t *copy = malloc(size + 1);
    struct block_ram r;

    if (!copy)
        abort();
    memcpy(copy, data, size);
    block_ram_init(&r, copy, size, 512);
    check(&r.dev);
    block_ram_init(&r, copy, size, 2048);
    check(&r.dev);
    if (blocks >= 2) {
        seal_header(copy, blocks, 1);
        seal_header(copy, blocks, blocks - 1);
        block_ram_init(&r, copy, size, 512);
        check(&r.dev);
    }
    free(copy);
    return 0;
}
