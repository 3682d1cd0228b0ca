/* The chain of calls as lines of the monitor (inspect.h). */
#include <errno.h>
#include <inttypes.h>
#include "inspect.h"
#include "log.h"
#include "symbols.h"
#include "unwind.h"

#define FRAMES_MAX 256

static int read_memory(void *opaque, uint64_t va, void *buf, uint64_t len)
{
    return cpu_debug_read(opaque, va, buf, len);
}

/* The kernel's file, looked at when it is first wanted. */
static void ask_for_symbols(struct machine *m)
{
    char why[512];
    if (m->symbols_asked)
        return;
    m->symbols_asked = true;
    if (m->config.kernel != NULL &&
        symbols_read(m->config.kernel, &m->symbols, why, sizeof why) != 0)
        log_info("no symbols: %s", why);
}

int inspect_symbols(struct machine *m, const char *path, char *why, size_t size)
{
    struct symbols *s;
    int err = symbols_read(path, &s, why, size);
    if (err != 0)
        return err;
    symbols_free(m->symbols);
    m->symbols = s;
    m->symbols_asked = true;
    return 0;
}

static void show_frame(const struct symbols *s, unsigned n, const struct unwind_frame *f,
                       struct line_answer *to)
{
    uint64_t offset = 0;
    const char *name = s != NULL ? symbols_name(s, f->ip, &offset) : NULL;
    char place[160] = "";
    if (f->outside)
        snprintf(place, sizeof place, "(less privileged)");
    else if (name != NULL)
        snprintf(place, sizeof place, "%.120s+0x%" PRIx64, name, offset);
    line_answer(to, "#%-2u %016" PRIx64 " bsp %016" PRIx64 " sp %016" PRIx64 " %s", n, f->ip,
                f->bsp, f->sp, place);
}

void inspect_backtrace(struct machine *m, unsigned n, struct line_answer *to)
{
    struct unwinder u = {.opaque = m->cpu[n], .read = read_memory};
    struct unwind_frame f;
    enum unwind_end end = UNWIND_MORE;
    ask_for_symbols(m);
    if (m->symbols != NULL && (u.tables = symbols_unwind(m->symbols)) != NULL)
        u.table_count = 1;
    unwind_first(&f, m->cpu[n]);
    for (unsigned k = 0; k < FRAMES_MAX && end == UNWIND_MORE; k++) {
        show_frame(m->symbols, k, &f, to);
        end = unwind_step(&u, &f);
    }
    if (end == UNWIND_LOST)
        line_answer(to, "the caller is not known");
    else if (end == UNWIND_MORE)
        line_answer(to, "and further");
}
