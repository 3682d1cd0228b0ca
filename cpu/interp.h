/* The interpreter's working parts: pre-decoded operations, blocks, register access, faults.
 *
 * Private to cpu/. A block is the straight run of operations from one entry point to the end of
 * its 4 KB physical page or an instruction that must end it, decoded once and kept until the page
 * is written. Each operation is a small function that ends by calling the next one, so there is no
 * dispatch loop. Every handler exists twice: "fast", valid while no register in sight has a NaT bit
 * and nothing is rotated, and "gen", valid always.
 */
#ifndef KITTSON_CPU_INTERP_H
#define KITTSON_CPU_INTERP_H

#include "cpu.h"
#include "fr_double.h"
#include "insn.h"
#include "softtlb.h"

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

struct block;

typedef const struct uop *uop_fn(struct cpu *c, const struct uop *u);

/* One pre-decoded operation; the fields are those of struct insn. 32 bytes. */
struct uop {
    uop_fn *fn;
    union {
        int64_t imm;
        struct block *target; /* in the link entry that follows a branch */
    };
    union {
        struct {
            uint16_t op;
            uint16_t loc; /* offset of the bundle in its page, slot number in the low bits */
            uint8_t qp, r1, r2, r3, r4, p1, p2;
            uint8_t sub, sf, pos, len;
            uint8_t rest; /* slots of the block after this one */
        };
        struct {
            uint64_t key; /* link entry: target address and context, see block_key() */
            uint64_t gen;
        };
    };
};

/* Variants a block is decoded in. */
#define BLK_GEN     1u /* rotation or NaT bits about */
#define BLK_CHECKED 2u /* tests frame bounds and disabled FP registers before each operation */
#define BLK_STEP    4u /* holds a single instruction */

/* Conditions of struct cpu.deny and what blocks use. */
#define DENY_FL 1u /* f2..f31 disabled */
#define DENY_FH 2u /* f32..f127 disabled */

/* In uop.op of a block's entry operation, and of what stands before copies of its operations, which
 * names the block in target. Link entries, whose bytes there mean something else, have no fn. */
#define OP_ENTRY OP_COUNT

struct block {
    struct block *hash_next;
    struct block *page_next;
    uint64_t pa;        /* physical address of the first bundle | first slot */
    uint32_t variant;   /* BLK_* */
    uint16_t max_dst;   /* highest stacked GR written, 0 if none */
    uint8_t uses;       /* DENY_* */
    uint8_t nslots;     /* instruction slots covered */
    uint16_t count;     /* of uops */
    int32_t hot;        /* entries until translation; negative: was tried */
    const void *warm;   /* where native code enters the block */
    struct uop *copies; /* operations native code has done by their handlers */
    struct uop uops[];  /* uops[0] is the entry operation */
};

static inline const struct block *block_of_entry(const struct uop *u)
{
    return (const struct block *)((const char *)u - __builtin_offsetof(struct block, uops));
}

/* --- leaving and continuing --- */

ALWAYS_INLINE const struct uop *uop_run(struct cpu *c, const struct uop *u)
{
#ifdef KITTSON_TRAMPOLINE
    (void)c;
    return u;
#else
    return u->fn(c, u);
#endif
}

ALWAYS_INLINE const struct uop *uop_next(struct cpu *c, const struct uop *u)
{
    return uop_run(c, u + 1);
}

static inline uint64_t uop_ip(const struct cpu *c, const struct uop *u)
{
    return c->page_va + (u->loc & 0xff0u);
}

static inline unsigned uop_slot(const struct uop *u)
{
    return u->loc & 3;
}

/* Sets c->iipa to the bundle of the instruction before u, for leaving the block at u. */
void uop_note_previous(struct cpu *c, const struct uop *u);
/* Leaves the block before (retry) or after the operation, for the run loop to look around. */
const struct uop *uop_exit_before(struct cpu *c, const struct uop *u);
const struct uop *uop_exit_after(struct cpu *c, const struct uop *u);
/* Continues at a bundle address in the current context, by the quickest way known. u is the
 * operation that decided so: the rest of its block is not executed. */
const struct uop *uop_goto(struct cpu *c, const struct uop *u, uint64_t ip);
/* A taken branch with a link entry at u[1]. */
const struct uop *uop_goto_linked(struct cpu *c, const struct uop *u, uint64_t ip);
/* As uop_goto, through the run loop, after state changed that blocks depend on. */
const struct uop *uop_leave_to(struct cpu *c, const struct uop *u, uint64_t ip);

/* --- faults: set up the interruption and leave the block; the result is always NULL --- */

const struct uop *fault_genex(struct cpu *c, const struct uop *u, unsigned code);
const struct uop *fault_illegal(struct cpu *c, const struct uop *u);
/* Register NaT Consumption; isr holds the access bits (r, w, na ...) and code. */
const struct uop *fault_nat(struct cpu *c, const struct uop *u, uint64_t isr);
const struct uop *fault_vector(struct cpu *c, const struct uop *u, unsigned vector, uint64_t isr);
/* The Floating-point trap: the operation is complete; IIP and ri name the next one. */
const struct uop *trap_fp(struct cpu *c, const struct uop *u, uint64_t isr);

#define NAT_CODE_REGISTER 0x10u /* ISR.code of Register NaT Consumption (SDM 2:8.3) */

/* --- registers --- */

/* Physical number of stacked GR n, relative to the frame base (SDM 1:4.5.1, rotation). */
ALWAYS_INLINE unsigned gr_phys(const struct cpu *c, unsigned n, bool gen)
{
    if (gen && n >= 32) {
        unsigned k = n - 32;

        if (k < c->cfm.sor) {
            k += c->cfm.rrb_gr;
            if (k >= c->cfm.sor)
                k -= c->cfm.sor;
        }
        return k + 32;
    }
    return n;
}

ALWAYS_INLINE uint64_t gr_get(const struct cpu *c, unsigned n, bool gen)
{
    n = gr_phys(c, n, gen);
    return c->gr_base[n >> 5][n];
}

ALWAYS_INLINE bool gr_nat(const struct cpu *c, unsigned n, bool gen)
{
    if (!gen)
        return false;
    n = gr_phys(c, n, gen);
    return c->nat_base[n >> 5][n];
}

/* n is not 0: decoding turned writes to r0 into illegal operations. */
ALWAYS_INLINE void gr_set(struct cpu *c, unsigned n, uint64_t v, bool nat, bool gen)
{
    n = gr_phys(c, n, gen);
    c->gr_base[n >> 5][n] = v;
    if (gen)
        c->nat_base[n >> 5][n] = nat;
}

/* Writes a NaT from a fast handler: switches the CPU to general mode at the next block. */
void gr_set_nat(struct cpu *c, unsigned n, uint64_t v);

ALWAYS_INLINE unsigned pr_phys(const struct cpu *c, unsigned n, bool gen)
{
    if (gen && n >= 16) {
        n += c->cfm.rrb_pr;
        if (n >= 64)
            n -= 48;
    }
    return n;
}

ALWAYS_INLINE bool pr_get(const struct cpu *c, unsigned n, bool gen)
{
    return c->pr >> pr_phys(c, n, gen) & 1;
}

ALWAYS_INLINE void pr_set(struct cpu *c, unsigned n, bool v, bool gen)
{
    uint64_t bit = 1ull << pr_phys(c, n, gen);

    c->pr = ((c->pr & ~bit) | (v ? bit : 0)) | 1;
}

ALWAYS_INLINE unsigned fr_phys(const struct cpu *c, unsigned n, bool gen)
{
    if (gen && n >= 32) {
        n += c->cfm.rrb_fr;
        if (n >= 128)
            n -= 96;
    }
    return n;
}

ALWAYS_INLINE const struct fpreg *fr_get(const struct cpu *c, unsigned n, bool gen)
{
    n = fr_phys(c, n, gen);
    /* Not a change of the register: only of where its value stands. */
    if (unlikely(fr_is_away(c, n)))
        fr_settle((struct cpu *)(uintptr_t)c, n);
    return &c->fr[n];
}

/* n is not 0 or 1. Notes the write in PSR.mfl or PSR.mfh. */
ALWAYS_INLINE void fr_set(struct cpu *c, unsigned n, struct fpreg v, bool gen)
{
    fr_put(c, fr_phys(c, n, gen), v);
    c->psr |= n < 32 ? PSR_MFL : PSR_MFH;
}

/* --- handlers --- */

/* Defines NAME_fast and NAME_gen from `static inline ... NAME_body(c, u, gen)`, which is run only
 * when the qualifying predicate is true. */
#define UOP_BODY(name)                                                                             \
    ALWAYS_INLINE const struct uop *name##_body(struct cpu *c, const struct uop *u, const bool gen)
#define UOP_DEFINE(name)                                                                           \
    static const struct uop *name##_fast(struct cpu *c, const struct uop *u)                       \
    {                                                                                              \
        if (!(c->pr >> u->qp & 1))                                                                 \
            return uop_next(c, u);                                                                 \
        return name##_body(c, u, false);                                                           \
    }                                                                                              \
    static const struct uop *name##_gen(struct cpu *c, const struct uop *u)                        \
    {                                                                                              \
        if (!pr_get(c, u->qp, true))                                                               \
            return uop_next(c, u);                                                                 \
        return name##_body(c, u, true);                                                            \
    }
/* The same for operations whose behaviour is not worth two copies. */
#define UOP_DEFINE_GEN(name)                                                                       \
    static const struct uop *name##_gen(struct cpu *c, const struct uop *u)                        \
    {                                                                                              \
        if (!pr_get(c, u->qp, true))                                                               \
            return uop_next(c, u);                                                                 \
        return name##_body(c, u, true);                                                            \
    }

/* Chooses the handler of a decoded instruction; one function per exec_*.c file. Each returns NULL
 * for operations that are not its own. gen: which of the two. */
uop_fn *exec_int_handler(const struct insn *i, bool gen);
uop_fn *exec_cmp_handler(const struct insn *i, bool gen);
uop_fn *exec_mm_handler(const struct insn *i, bool gen);
uop_fn *exec_mem_handler(const struct insn *i, bool gen);
uop_fn *exec_memfp_handler(const struct insn *i, bool gen);
uop_fn *exec_br_handler(const struct insn *i, bool gen);
uop_fn *exec_reg_handler(const struct insn *i, bool gen);
uop_fn *exec_sys_handler(const struct insn *i, bool gen);
uop_fn *exec_fp_handler(const struct insn *i, bool gen);

/* Illegal Operation fault when the predicate is true. */
uop_fn *exec_illegal_handler(void);

/* A handler pair in a table indexed by operation. */
struct uop_pair {
    uop_fn *fast, *gen;
};
#define UOP_PAIR(op, name)     [op] = {name##_fast, name##_gen}
#define UOP_PAIR_GEN(op, name) [op] = {name##_gen, name##_gen}

/* For native code: a conditional branch that is taken; what follows the rotation of a br.ctop and
 * the like that is taken, or not. */
const struct uop *jit_take_branch(struct cpu *c, const struct uop *u);
const struct uop *exec_loop_taken(struct cpu *c, const struct uop *u);
const struct uop *exec_loop_left(struct cpu *c, const struct uop *u);

/* --- blocks --- */

#define KEY_GENERAL 8u

/* The lookup key of a bundle address in the current context. */
static inline uint64_t block_key(const struct cpu *c, uint64_t ip)
{
    return (ip & ~15ull) | c->key_context | (c->mode ? KEY_GENERAL : 0);
}

/* Where control went lately, by virtual address. Translated code looks in it too. */
#define JUMP_ENTRIES 16384u
struct jump_entry {
    uint64_t key;
    struct block *b;
    uint64_t gen, unused; /* cpu.code_gen of its region then; size a power of two */
};

static inline struct jump_entry *jump_slot(const struct cpu *c, uint64_t ip)
{
    uint64_t k = ip | (c->mode ? KEY_GENERAL : 0); /* as in the key */

    return &c->jump[(k >> 3 ^ k >> 14) & (JUMP_ENTRIES - 1)];
}

static inline struct block *block_lookup_quick(const struct cpu *c, uint64_t ip)
{
    const struct jump_entry *j = jump_slot(c, ip);

    return j->key == block_key(c, ip) && j->gen == c->code_gen[ip >> 61] ? j->b : NULL;
}

struct blockcache *blockcache_new(struct cpu *c);
void blockcache_free(struct blockcache *bc);
/* The block for physical address pa (| slot), decoded if necessary; NULL when pa is not RAM. */
struct block *block_get(struct cpu *c, uint64_t pa, unsigned variant);
/* Forgets what was decoded in a page; running code of it ends at its next block. */
void block_invalidate_page(struct cpu *c, uint64_t page);
/* Forgets everything decoded. Only between blocks. */
void block_forget_all(struct cpu *c);
/* Forgets everything decoded; running code ends at its next block. */
void block_invalidate_all(struct cpu *c);
/* Frees blocks invalidated meanwhile. Only between blocks. */
void block_collect(struct cpu *c);
/* Forgets virtual addresses of code, because translations changed: all, or those of a region id. */
void block_flush_lookup(struct cpu *c);
void block_flush_rid(struct cpu *c, uint32_t rid);
/* Region register n has changed. What is known of addresses in its new region counts again. */
void block_region_changed(struct cpu *c, unsigned n);
struct code_gens *code_gens_new(void);
void block_remember(struct cpu *c, uint64_t ip, struct block *b);

/* Runs blocks from c->ip until they leave. */
void cpu_run_blocks(struct cpu *c);
/* Runs the one instruction at c->ip, PSR.ri. */
void cpu_run_slot(struct cpu *c);
/* Makes the run loop get control at the next block entry. */
void cpu_request_exit(struct cpu *c);
/* Recomputes mode, deny, TLB context after PSR, CFM or NaT state changed. */
void cpu_update_mode(struct cpu *c);
void cpu_update_context(struct cpu *c);

#endif
