/* Which partition scheme a device has, and what the schemes share. */
#include "partition.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

/* C12A7328-F81F-11D2-BA4B-00A0C93EC93B */
const uint8_t partition_esp_guid[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                        0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

#define MBR_TYPE_ESP 0xef

bool partition_is_esp(const struct partition *p)
{
    switch (p->scheme) {
    case PART_GPT:
        return memcmp(p->type_guid, partition_esp_guid, 16) == 0;
    case PART_MBR:
        return p->mbr_type == MBR_TYPE_ESP;
    default:
        return p->scheme == PART_ELTORITO;
    }
}

uint32_t partition_crc32(const void *data, size_t len)
{
    return (uint32_t)crc32_z(0, data, len);
}

/* A damaged GPT whose backup is gone too leaves its note, and the MBR decides. */
int partition_scan(const struct block_dev *d, struct partition_list *out)
{
    static int (*const scan[])(const struct block_dev *, struct partition_list *) = {
        part_gpt_scan, part_eltorito_scan, part_mbr_scan};
    int found = 0;

    memset(out, 0, sizeof(*out));
    if (!block_dev_ok(d) || !d->blocks)
        return 0;
    for (unsigned i = 0; i < 3 && found == 0; i++)
        found = scan[i](d, out);
    return found < 0 ? found : 0;
}
