/* For whoever works on the translator: names of blocks for perf, and the code of one block. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "insn.h"
#include "jit_impl.h"
#include "log.h"

struct jit_watch {
    FILE *map; /* /tmp/perf-PID.map, or NULL */
    bool dump; /* blocks that hold the bundle at dump_at */
    uint64_t dump_at;
};

static struct jit_watch *watch_of(struct jit *j)
{
    if (!j->watch)
        j->watch = calloc(1, sizeof *j->watch);
    return j->watch;
}

int jit_perf_map(struct jit *j)
{
    struct jit_watch *w = watch_of(j);
    char path[64];

    if (!w)
        return -ENOMEM;
    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    w->map = fopen(path, "ae");
    return w->map ? 0 : -errno;
}

int jit_dump_at(struct jit *j, uint64_t addr)
{
    struct jit_watch *w = watch_of(j);

    if (!w)
        return -ENOMEM;
    w->dump = true;
    w->dump_at = addr & ~15ull;
    return 0;
}

void jit_watch_free(struct jit *j)
{
    if (j->watch && j->watch->map)
        fclose(j->watch->map);
    free(j->watch);
}

/* --- one block --- */

static void write_guest(FILE *f, const uint8_t *code, uint64_t va, const struct block *b)
{
    unsigned bundles = (b->nslots + (unsigned)(b->pa & 3) + 2) / 3;

    for (unsigned k = 0; k < bundles; k++) {
        uint64_t w[2];
        struct insn_bundle d;

        memcpy(w, code + 16 * k, sizeof w);
        d = insn_unpack(w[0], w[1]);
        for (unsigned s = 0; s < 3; s++) {
            unsigned unit = insn_templates[d.tmpl].unit[s];
            char text[128];

            if (unit == UNIT_NONE)
                continue;
            insn_disasm(text, sizeof text, unit, d.slot[unit == UNIT_X ? 2 : s], d.slot[1],
                        va + 16 * k);
            fprintf(f, "%016" PRIx64 ".%u  %s\n", va + 16 * k, s, text);
        }
    }
}

static FILE *dump_file(uint64_t va, const char *end, char *name, size_t size)
{
    FILE *f;

    snprintf(name, size, "jit-%016" PRIx64 ".%s", va, end);
    f = fopen(name, "we");
    if (!f)
        log_error("--jit-dump: %s: %s", name, strerror(errno));
    return f;
}

static void dump(const struct jit *j, const struct cpu *c, const struct block *b,
                 const uint8_t *start, size_t size, uint64_t va)
{
    uint64_t at = b->pa & ~15ull;
    const uint8_t *code = mem_ram(c->mem, at, MEM_PAGE_SIZE - (at & (MEM_PAGE_SIZE - 1)));
    uint64_t host = (uint64_t)(uintptr_t)(j->arena.rx + (start - j->arena.rw));
    char name[64];
    FILE *f = dump_file(va, "guest", name, sizeof name);

    if (f && code) {
        fprintf(f, "block at %016" PRIx64 ", physical %" PRIx64 ", %u slots, %zu host bytes\n", va,
                b->pa, b->nslots, size);
        write_guest(f, code, va, b);
    }
    if (f)
        fclose(f);
    f = dump_file(va, "bin", name, sizeof name);
    if (!f)
        return;
    if (fwrite(start, 1, size, f) == size)
        log_warn("block at %016" PRIx64 ": objdump -D -b binary -m i386:x86-64 "
                 "--adjust-vma=0x%" PRIx64 " %s",
                 va, host, name);
    fclose(f);
}

void jit_watch_block(struct jit *j, const struct cpu *c, const struct block *b,
                     const uint8_t *start, size_t size)
{
    const struct jit_watch *w = j->watch;
    uint64_t va = c->page_va | (b->pa & 0xff0);

    if (!w)
        return;
    if (w->map) {
        fprintf(w->map, "%" PRIx64 " %zx ia64_%" PRIx64 "\n",
                (uint64_t)(uintptr_t)(j->arena.rx + (start - j->arena.rw)), size, va);
        fflush(w->map);
    }
    if (w->dump && w->dump_at >= va && w->dump_at < va + 16u * ((b->nslots + 2u) / 3))
        dump(j, c, b, start, size, va);
}
