/* Fuzz target: what a debugger's client sends, unframed by anybody. The stub works on a processor
 * with 16 MB of memory; a checksum that is wrong is made right, so that packets get through. */
#include "fuzz.h"

#include "gdb.h"

#define RAM 0x1000000ull

static struct cpu *processor;
static struct breakset breaks;

static struct cpu *the_cpu(void *opaque, unsigned n)
{
    (void)opaque;
    (void)n;
    return processor;
}

static void use_breaks(void *opaque)
{
    (void)opaque;
    cpu_set_breaks(processor, &breaks);
}

static void nothing(void *opaque)
{
    (void)opaque;
}

static void go_on(void *opaque, uint32_t held)
{
    (void)opaque;
    (void)held;
}

static void step(void *opaque, unsigned n)
{
    (void)opaque;
    (void)n;
    cpu_step_one(processor);
}

static void command(void *opaque, const char *line, unsigned n, GString *out)
{
    (void)opaque;
    (void)n;
    g_string_append(out, line);
}

/* Lines become packets; a line that begins with '!' goes as it is. */
static void send_line(struct gdb *g, const uint8_t *line, size_t n)
{
    uint8_t sum = 0;
    char end[8];

    if (n > 0 && line[0] == '!') {
        gdb_input(g, line + 1, n - 1);
        return;
    }
    for (size_t k = 0; k < n; k++)
        sum += line[k];
    snprintf(end, sizeof end, "#%02x", sum);
    gdb_input(g, (const uint8_t *)"$", 1);
    gdb_input(g, line, n);
    gdb_input(g, (const uint8_t *)end, 3);
    if (n > 0 && (line[0] == 'c' || line[0] == 'v')) {
        cpu_run(processor, 200);
        gdb_stopped(g, 0, &processor->stop_at);
        processor->stop_at.kind = STOP_NONE;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gdb_target t = {.cpus = 3,
                           .cpu = the_cpu,
                           .breaks = &breaks,
                           .use_breaks = use_breaks,
                           .stop = nothing,
                           .go_on = go_on,
                           .step = step,
                           .quit = nothing,
                           .command = command};
    struct mem *m = mem_new();
    struct gdb *g;

    mem_add_ram(m, 0, RAM);
    processor = cpu_new(0, CPU_MONTECITO, m);
    processor->ip = 0x100000;
    processor->bsp = processor->bspstore = 0x200000;
    cpu_set_psr(processor, PSR_IC | PSR_BN);
    breaks = (struct breakset){0};
    cpu_set_cfm(processor, 40 | 30 << 7);
    g = gdb_new(&t);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) : size;

        send_line(g, data, n);
        g_string_truncate(gdb_output(g), 0);
        data += n + (end != NULL);
        size -= n + (end != NULL);
    }
    gdb_free(g);
    cpu_set_breaks(processor, NULL);
    cpu_free(processor);
    mem_free(m);
    return 0;
}
