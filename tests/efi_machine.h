/* A bare machine for firmware tests: memory and firmware, no devices. */
#ifndef KITTSON_TESTS_EFI_MACHINE_H
#define KITTSON_TESTS_EFI_MACHINE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "firmware.h"
#include "fw.h"
#include "hpvm_map.h"

static inline struct mem *efi_test_mem(uint64_t memory)
{
    struct efi_range r[EFI_MAX_RAM_RANGES];
    unsigned n = efi_ram_ranges(memory, r);
    struct mem *m = mem_new();

    for (unsigned i = 0; i < n; i++)
        if (mem_add_ram(m, r[i].start, r[i].size))
            abort();
    return m;
}

static inline struct firmware *efi_test_firmware(struct mem *m, uint64_t memory, unsigned cpus)
{
    struct firmware_config cfg = {.cpus = cpus, .model = CPU_MONTECITO, .memory = memory};
    int err;

    for (unsigned i = 0; i < 16; i++)
        cfg.uuid[i] = (uint8_t)(0x10 + i);
    return firmware_new(m, &cfg, &err);
}

#endif
