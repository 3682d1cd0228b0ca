/* The translator's state, shared by cpu/jit/ only. */
#ifndef KITTSON_CPU_JIT_JIT_IMPL_H
#define KITTSON_CPU_JIT_JIT_IMPL_H

#include "arena.h"
#include "host_flags.h"
#include "translate.h"

#define JIT_BLOCK_ROOM 65536u /* more than any one block becomes */

/* Routines for branches; offsets in the arena. */
struct jit_branch {
    uint32_t find; /* rdx: address; rsi: its block, equal: there is one */
    uint32_t cold; /* enters the block in rsi that has no native code */
};
void jit_branch_routines(struct jit *j);

/* Routines of ops_rot.c; offsets in the arena. */
struct jit_rotation {
    uint32_t pr_in, pr_out; /* turn JR_PR; turn rax back */
    uint32_t gr_in, gr_out; /* frame to window and back */
    uint32_t up;            /* the window back to the upper end */
};
void jit_rot_routines(struct jit *j);
void jit_call_routines(struct jit *j);
void jit_alat_routines(struct jit *j);
typedef void jit_routine_fn(struct x86 *x);
/* Emits routines and says where they are. */
void jit_emit_routines(struct jit *j, jit_routine_fn *const emit[], uint32_t *const at[],
                       unsigned count);

struct jit {
    struct arena arena;
    struct jit_tr tr; /* the translation in progress */
    struct jit_thunks thunks;
    struct jit_branch branch;
    struct jit_host_flags flags;
    struct jit_rotation rot;
    uint32_t frame_call, frame_ret; /* routines; carry: not the usual case, nothing done */
    uint32_t alat_place;            /* routine of ops_alat.c */
    bool host_fma;
    unsigned divisions; /* translated */
    uint64_t resets;
    /* for --stats: all since the start */
    uint64_t blocks, refused, guest_bytes, host_bytes, spent_ns;
    struct jit_watch *watch; /* jit_dump.c; NULL: nobody looks */
};

uint64_t jit_clock_ns(void); /* CPU time of this thread */
void jit_watch_free(struct jit *j);
/* A block has become native: size bytes at start, which is in the writable mapping. */
void jit_watch_block(struct jit *j, const struct cpu *c, const struct block *b,
                     const uint8_t *start, size_t size);
void jit_count_block(struct jit *j, const struct block *b, size_t host_bytes);

/* Branches done by the interpreter's handler as the last thing in the block. */
bool jit_exit_op(unsigned op);
/* Operations whose handler may be called from native code. */
bool jit_callable(unsigned op);
/* Whether the handler is the operation's own, not the one of an illegal form. */
static inline bool jit_handler_known(const struct uop *u)
{
    return u->fn != exec_illegal_handler();
}
static inline bool jit_last(const struct block *b, const struct uop *u)
{
    return u - b->uops >= b->count - 1;
}

#endif
