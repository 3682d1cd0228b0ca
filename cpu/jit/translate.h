/* One translation in progress: what the emitters of operations share.
 *
 * Registers of native code: r15 the CPU, r14 the frame (GR n >= 32 is [r14 + 8n]), r13 the soft TLB
 * entries of the running context, rbp the predicates, rax rcx rdx scratch; the others hold general
 * registers of the guest, the same ones in the whole block. NaT bits do not exist here: blocks run
 * natively while cpu.nat_seen is clear. In general blocks (`rotated`) JR_PR has the predicates by
 * the numbers software uses, and rotating GRs stand in a window of cpu.rot, also in that order.
 */
#ifndef KITTSON_CPU_JIT_TRANSLATE_H
#define KITTSON_CPU_JIT_TRANSLATE_H

#include <stddef.h>
#include "fr_state.h"
#include "jit.h"
#include "x86.h"

#define JR_CPU     R15
#define JR_FRAME   R14
#define JR_TLB     R13
#define JR_PR      RBP
#define JR_ROT     R12 /* general blocks only, see ops_rot.c */
#define JIT_NO_REG 0xff

#define POOL_SIZE     8 /* host registers that hold guest registers */
#define JIT_MAX_STUBS 512

/* What is only in host registers at a point: to be stored before anything else looks. */
struct jit_live {
    uint64_t dirty[2];        /* guest registers newer in the host register than in memory */
    uint64_t pending, values; /* predicates known to have these values but not in JR_PR */
    bool pr_dirty;            /* JR_PR is newer than memory */
    bool rot_dirty;           /* the window of rotating registers is newer than the frame */
    struct jit_frs fr;
};

enum jit_stub_kind {
    STUB_BRANCH,
    STUB_LEAVE, /* the branch through its handler */
    STUB_LOAD,
    STUB_STORE,
    STUB_STORED,
    STUB_HANDLER,    /* the whole operation by its handler */
    STUB_FR_RESULT,  /* the same; it leaves a double, else the interpreter goes on */
    STUB_FR_LOAD,    /* FR `reg` to a double, else the interpreter goes on */
    STUB_FR_SETTLE,  /* FR `reg` to register format */
    STUB_SETTLE_ALL, /* what divisions have left over to register format */
    STUB_FR_ENTER,   /* as STUB_FR_LOAD, before the block has begun */
    STUB_LOOP_END,   /* around the loop, but the budget in rax is used up */
    STUB_BAIL,       /* the interpreter goes on with the operation */
};

/* What STUB_FR_RESULT lets pass before it calls the handler. */
enum jit_accept { ACCEPT_NOTHING, ACCEPT_INFINITY };

/* Cold code behind the block: reached by the jump at `from`, may come back to `back`. */
struct jit_stub {
    uint8_t *from, *back, *accepted;
    const struct uop *u;
    struct jit_live live;
    uint8_t kind, size, va, reg; /* reg: host register loaded, or guest register stored */
    uint8_t x, accept;           /* of STUB_FR_RESULT: SSE register, enum jit_accept */
};

struct jit_tr {
    struct x86 x;
    struct jit *jit;
    struct uop *copies; /* two for each operation done by its handler */
    unsigned copy_count;
    const struct uop *copied; /* what the last copy was made of */
    struct cpu *c;
    const struct block *b;
    uint8_t host[128];       /* host register of a guest register, or JIT_NO_REG */
    uint8_t kept[POOL_SIZE]; /* the other way: guest register, or 0 */
    struct jit_live live;
    uint64_t known, known_val;      /* predicates whose value is known here */
    uint8_t *loop_head, *loop_body; /* the latter behind the budget's check */
    bool self_loop;
    bool alloc_seen; /* then the frame is this one */
    struct cfm frame;
    bool rotated;           /* a general block: registers may be renamed */
    bool rot_used;          /* it names rotating GRs */
    unsigned sor;           /* rotating GRs, if rotated */
    uint8_t *warm;          /* entry for native code: context registers are right */
    const struct uop *done; /* the last operation that the one emitted last stands for, or NULL */
    bool failed;
    /* floating point, see fr_state.h */
    bool fp_arith;
    uint8_t xmm_fr[16], xmm_age[16], xmm_clock; /* whose it is, and when it was used last */
    uint16_t xmm_held, xmm_loop;                /* in use by the operation; by the loop */
    uint64_t fr_loop[2];
    unsigned stubs;
    struct jit_stub stub[JIT_MAX_STUBS];
};

/* Emits native code for one operation, or returns false to have the handler called. */
typedef bool jit_emit_fn(struct jit_tr *t, const struct uop *u);
extern jit_emit_fn *const jit_int_emitters[OP_COUNT];
extern jit_emit_fn *const jit_mem_emitters[OP_COUNT];
extern jit_emit_fn *const jit_reg_emitters[OP_COUNT];
extern jit_emit_fn *const jit_fp_emitters[OP_COUNT];
extern jit_emit_fn *const jit_mm_emitters[OP_COUNT];
extern jit_emit_fn *const jit_alat_emitters[OP_COUNT];

static inline jit_emit_fn *jit_emitter(unsigned op)
{
    jit_emit_fn *const *const tables[] = {jit_int_emitters, jit_mem_emitters, jit_reg_emitters,
                                          jit_fp_emitters,  jit_mm_emitters,  jit_alat_emitters};

    for (unsigned k = 0; k < sizeof tables / sizeof *tables; k++)
        if (tables[k][op])
            return tables[k][op];
    return NULL;
}

/* Emits `body` so that it happens only when the qualifying predicate is true. */
bool jit_guarded(struct jit_tr *t, const struct uop *u, jit_emit_fn *body);
/* Stores all guest state that is only in registers; uses rax and rcx. */
void jit_write_back(struct jit_tr *t, const struct jit_live *l);
/* Makes a register hold the predicates with the pending ones; uses rcx. */
void jit_merge_pending(struct jit_tr *t, const struct jit_live *l, unsigned reg);
/* The same for good, leaving block or loop: JR_PR is what the next block expects. */
void jit_write_back_last(struct jit_tr *t, const struct jit_live *l);
/* Leaves native code through a C function of the handler's kind; rdx is passed on. */
void jit_leave_through(struct jit_tr *t, const struct uop *u, uop_fn *fn);

/* --- branches, ops_br.c --- */

bool jit_is_tail(const struct uop *u);
/* The branch leads to the start of the block it is in. */
bool jit_goes_to_self(const struct jit_tr *t, const struct uop *u);
/* A taken branch, or the tail: to the linked block directly, else through the handler. */
void jit_branch_out(struct jit_tr *t, const struct uop *u, const struct jit_live *l);
void jit_emit_branch(struct jit_tr *t, const struct uop *u);
/* Around the loop: registers stay where they are. */
void jit_loop_back(struct jit_tr *t, const struct uop *u, const struct jit_live *l);
void jit_emit_cloop(struct jit_tr *t, const struct uop *u);
/* Calls, returns, indirect branches (jit_exit_op). */
void jit_emit_leaving(struct jit_tr *t, const struct uop *u);

/* --- frames of calls and returns, ops_call.c --- */

/* Moves the frame; what follows is reached when that was the usual case. jit_frame_otherwise emits
 * the other cases, behind everything that belongs to the branch. */
struct jit_frame_move {
    uint8_t *other[2], *fail[4]; /* jumps: the frame is another; it is the handler's case */
    unsigned others, fails;
    uint32_t routine;
    const uint8_t *done;
};
struct jit_frame_move jit_frame_call(struct jit_tr *t);
struct jit_frame_move jit_frame_ret(struct jit_tr *t, const struct uop *u);
void jit_frame_otherwise(struct jit_tr *t, const struct uop *u, const struct jit_frame_move *m);

/* --- rotation, ops_rot.c --- */

/* Notes what the block needs of rotation. */
void jit_rot_begin(struct jit_tr *t);
/* A GR that stands in the window. */
static inline bool jit_rot_gr(const struct jit_tr *t, unsigned n)
{
    return t->rotated && n >= 32 && n - 32 < t->sor;
}
/* An operand is a floating-point register that rotates: there is no native code for that. */
bool jit_rot_fr(const struct jit_tr *t, const struct uop *u);
/* Checks what the block was translated for; jumps taken otherwise. */
void jit_rot_check(struct jit_tr *t, uint8_t *slow[2]);
/* From memory: predicates in JR_PR are turned, the window is filled. Host registers of the guest's
 * are lost. */
void jit_rot_enter(struct jit_tr *t);
/* The other way round: predicates in rax; the window goes to the frame. rcx is used, and rax by the
 * window. */
void jit_rot_pr_out(struct jit_tr *t);
void jit_rot_write_back(struct jit_tr *t);
/* br.ctop, br.cexit, br.wtop, br.wexit in a general block. */
bool jit_is_rotating(const struct uop *u);
void jit_emit_rotating(struct jit_tr *t, const struct uop *u);
/* mov pr=r in a general block: predicates from rax, which software numbers physically. */
void jit_rot_set_pr(struct jit_tr *t);

/* --- advanced loads, ops_alat.c: rcx the place in the table, eax the register's name --- */

enum jit_alat_file { JIT_ALAT_GR, JIT_ALAT_FR };
void jit_alat_find(struct jit_tr *t, enum jit_alat_file file, unsigned n);
/* Jumps taken when the register has no entry. */
void jit_alat_test(struct jit_tr *t, uint8_t *miss[2]);
/* Drops the entry found; uses rax. */
void jit_alat_drop(struct jit_tr *t);
/* Enters an aligned access of this size at physical address rdx, which is used up with rax. */
void jit_alat_insert(struct jit_tr *t, unsigned size);
/* After a store of this size to the address in host register va: it may end advanced loads. rax,
 * rcx and rdx are lost where entries are outstanding. */
void jit_note_stored(struct jit_tr *t, const struct uop *u, unsigned va, unsigned size);

/* A call of a C function; rax holds its address. */
void jit_call_c(struct jit_tr *t, const void *fn);
/* The same for a function that neither computes with the host's floating point nor looks at flags.
 */
void jit_call_quiet(struct jit_tr *t, const void *fn);
/* Keeps guest registers in host registers that a call may change: before it, and after. */
void jit_save_around(struct jit_tr *t, bool before);
/* Memory operand look-up shared by integer and FP accesses: rax the entry's offset, flags. */
void jit_lookup(struct jit_tr *t, unsigned va, unsigned size, int8_t tag);
void jit_add_to_base(struct jit_tr *t, const struct uop *u, unsigned va);

/* The host register holding GR n: its own, or scratch after loading it there. */
unsigned jit_src(struct jit_tr *t, unsigned n, unsigned scratch);
/* Copies GR n into a scratch register. */
void jit_src_into(struct jit_tr *t, unsigned n, unsigned reg);
/* The register to compute GR n in, and the end of that. */
unsigned jit_dst(struct jit_tr *t, unsigned n, unsigned scratch);
void jit_put(struct jit_tr *t, unsigned n, unsigned reg);

struct jit_stub *jit_add_stub(struct jit_tr *t, enum jit_stub_kind kind, const struct uop *u,
                              uint8_t *from);
/* A compare whose floating-point operands, if it has such, are doubles in SSE registers. */
bool jit_emit_compare(struct jit_tr *t, const struct uop *u);
/* Whether a predicate is known here: 1, 0, or -1. */
int jit_known(const struct jit_tr *t, unsigned p);
/* Says what a predicate is from here on without writing it. */
void jit_set_known(struct jit_tr *t, unsigned p, bool value);
/* Puts all predicates as software sees them here into a register; rcx is used. */
void jit_merged_pr(struct jit_tr *t, unsigned reg);
/* The predicate is about to be written at run time. */
void jit_forget(struct jit_tr *t, unsigned p);

#define CPU_OFF(field) ((int32_t)offsetof(struct cpu, field))

#endif
