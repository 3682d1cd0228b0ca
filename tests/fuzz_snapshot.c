/* Fuzz target: parts of snapshots, as their checksums let them through. The first two bytes pick a
 * part and its version, the rest is its contents; a machine that took them over then runs a
 * little. Whole files are the business of fuzz_trace, which reads the same sections. */
#include "fuzz.h"

#include "cpu.h"
#include "log.h"
#include "machine_impl.h"
#include "snapshot.h"

#define SLOTS 2000

static struct machine *build(void)
{
    static const struct machine_nic nic = {.slot = 1, .has_mac = true, .mac = {2, 0, 0, 0, 0, 1}};
    static struct machine_drive drive = {.read_only = true};
    static const char disk[65536];
    struct machine_config config = {.memory = 64 << 20,
                                    .cpus = 2,
                                    .model = CPU_POULSON,
                                    .console = "file:/dev/null",
                                    .deterministic = true,
                                    .drives = &drive,
                                    .drive_count = 1,
                                    .nics = &nic,
                                    .nic_count = 1};
    struct machine *m;
    char why[300];
    int fd;

    drive.path = fuzz_file(disk, sizeof disk, &fd);
    log_set_level(LOG_ERROR);
    if (machine_new(&config, &m, why, sizeof why) != 0)
        abort();
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine *m;
    char why[300];

    if (m == NULL)
        m = build();
    if (size < 2 ||
        snapshot_load_part(m, data[0], data[1], data + 2, size - 2, why, sizeof why) != 0)
        return 0;
    for (unsigned i = 0; i < m->config.cpus; i++) {
        m->current = m->cpu[i];
        m->cpu[i]->halted = false;
        m->cpu[i]->stop = false;
        cpu_run(m->cpu[i], SLOTS);
        m->current = NULL;
    }
    m->request = REQUEST_NONE;
    board_poll(m->board);
    return 0;
}
