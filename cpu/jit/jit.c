/* The translator's arena and the way into native code. See jit.h. */
#include <stdlib.h>
#include "arena.h"
#include "jit_impl.h"

#define ARENA_SIZE ((size_t)64 << 20)

static const uint8_t saved_registers[] = {RBX, RBP, R12, R13, R14, R15};

/* void stub(struct cpu *, const struct uop *): saves what C wants kept, calls the operation. */
static size_t emit_enter(struct arena *a)
{
    struct x86 x = {.p = a->rw, .end = a->rw + a->size};

    for (unsigned k = 0; k < sizeof saved_registers; k++)
        x86_push(&x, saved_registers[k]);
    x86_alu_ri(&x, X86_SUB, true, RSP, 8);
    x86_call_mem(&x, RSI, (int32_t)offsetof(struct uop, fn));
    x86_alu_ri(&x, X86_ADD, true, RSP, 8);
    for (unsigned k = sizeof saved_registers; k-- > 0;)
        x86_pop(&x, saved_registers[k]);
    x86_ret(&x);
    return (size_t)(x.p - a->rw);
}

void jit_emit_routines(struct jit *j, jit_routine_fn *const emit[], uint32_t *const at[],
                       unsigned count)
{
    struct x86 x = {.p = j->arena.rw + j->arena.used, .end = j->arena.rw + j->arena.size};

    for (unsigned k = 0; k < count; k++) {
        *at[k] = (uint32_t)(x.p - j->arena.rw);
        emit[k](&x);
    }
    j->arena.used = ((size_t)(x.p - j->arena.rw) + 15) & ~(size_t)15;
}

const void *jit_cold_entry(const struct jit *j)
{
    return j->arena.rx + j->branch.cold;
}

struct jit *jit_new(void)
{
    struct jit *j = calloc(1, sizeof *j);

    if (!j || !arena_open(&j->arena, ARENA_SIZE)) {
        free(j);
        return NULL;
    }
    j->host_fma = fp_host_fma();
    jit_reset(j);
    return j;
}

void jit_free(struct jit *j)
{
    if (!j)
        return;
    arena_close(&j->arena);
    jit_watch_free(j);
    free(j);
}

void jit_reset(struct jit *j)
{
    j->arena.used = (emit_enter(&j->arena) + 15) & ~(size_t)15;
    jit_fr_thunks(j);
    jit_branch_routines(j);
    jit_flags_routines(j);
    jit_call_routines(j);
    jit_rot_routines(j);
    jit_alat_routines(j);
    j->resets++;
}

bool jit_full(const struct jit *j)
{
    return j->arena.size - j->arena.used < JIT_BLOCK_ROOM;
}

void jit_run(struct jit *j, struct cpu *c, const struct uop *u)
{
    typedef const struct uop *enter_fn(struct cpu *, const struct uop *);
    enter_fn *enter = (enter_fn *)(uintptr_t)j->arena.rx;

#ifdef KITTSON_TRAMPOLINE
    while (u)
        u = enter(c, u);
#else
    enter(c, u);
#endif
}
