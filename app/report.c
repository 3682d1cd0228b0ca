/* See report.h. Addresses are those of this process; nothing is claimed that was not done: memory
 * is locked only if the host's limits allow it. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "hpvm_map.h"
#include "vmp.h"

void report_begin(const struct guest *g)
{
    printf(VMP_COPYRIGHT "\n"
                         "Initializing System Event Log\n"
                         "Initializing Forward Progress Log\n"
                         "Opening minor device and creating guest machine container\n"
                         "Creation of VM, minor device %d\n"
                         "Allocating guest memory: %dMB\n",
           (int)g->number, (int)g->memory);
}

static void print_firmware(uint64_t size, void *host, const char *name)
{
    static const struct {
        const char *name;
        uint64_t address;
        unsigned kb;
    } parts[] = {{"SAL RAM", HPVM_FW_SAL, 4},
                 {"ESI RAM", HPVM_FW_ESI, 4},
                 {"PAL RAM", HPVM_FW_PAL, 4},
                 {"Min Save State", HPVM_FW_MINSTATE, 1}};
    printf("  allocating firmware RAM (%" PRIx64 "-%" PRIx64 ", %" PRIu64 "KB)\n",
           (uint64_t)HPVM_FW_RAM, (uint64_t)HPVM_FW_RAM + size, size >> 10);
    printf("%s: Allocated %" PRIu64 " bytes at %p\n", name, size, host);
    if (mlock(host, size) != 0)
        return;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        printf("    locked %s: %016" PRIx64 " (%uKB)\n", parts[i].name, parts[i].address,
               parts[i].kb);
}

void report_machine(struct machine *m, const char *name)
{
    uint64_t start, size, firmware_size = 0, ip, gp;
    void *host, *low = NULL, *firmware = NULL;
    for (unsigned n = 0; machine_ram(m, n, &start, &size, &host); n++) {
        if (start == HPVM_FW_RAM) {
            firmware = host;
            firmware_size = size;
            continue;
        }
        low = start < HPVM_HIGH_RAM ? host : low;
        printf("  allocating %s RAM (%" PRIx64 "-%" PRIx64 ", %" PRIu64 "MB)\n",
               start < HPVM_HIGH_RAM ? "low" : "high", start, start + size, size >> 20);
        printf("%s: Allocated %" PRIu64 " bytes at %p\n", name, size, host);
        if (machine_ram_locked(m))
            printf("    locking memory: %" PRIx64 "-%" PRIx64 "\n", start, start + size);
    }
    print_firmware(firmware_size, firmware, name);
    uintptr_t base = (uintptr_t)low;
    printf("    RAM alignment: %" PRIxPTR "\n"
           "    Memory base low : %" PRIxPTR "\n"
           "    Memory base FW : %" PRIxPTR "\n",
           base & -base, base, (uintptr_t)firmware);
    machine_entry(m, &ip, &gp);
    printf("Loading boot image\n"
           "Image initial IP=%" PRIX64 " GP=%" PRIX64 "\n"
           "Initialize guest memory mapping tables\n"
           "Starting event polling thread\n"
           "Starting thread initialization\n"
           "Daemonizing....\n",
           ip, gp);
    fflush(stdout);
}
