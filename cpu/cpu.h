/* The state of one virtual IA-64 processor and what the rest of the machine may do with it.
 *
 * No global state: everything one vCPU needs is in struct cpu. Interrupt controllers, firmware and
 * the run loop use the functions at the end; only files in cpu/ touch the fields directly.
 * SDM vol 1 chapter 3 (application state), vol 2 chapter 3 (system state).
 */
#ifndef KITTSON_CPU_CPU_H
#define KITTSON_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "fp.h"
#include "mem.h"
#include "tlb.h"

/* PSR bits (SDM 2:3.3.2). */
#define PSR_BE        (1ull << 1)
#define PSR_UP        (1ull << 2)
#define PSR_AC        (1ull << 3)
#define PSR_MFL       (1ull << 4)
#define PSR_MFH       (1ull << 5)
#define PSR_IC        (1ull << 13)
#define PSR_I         (1ull << 14)
#define PSR_PK        (1ull << 15)
#define PSR_DT        (1ull << 17)
#define PSR_DFL       (1ull << 18)
#define PSR_DFH       (1ull << 19)
#define PSR_SP        (1ull << 20)
#define PSR_PP        (1ull << 21)
#define PSR_DI        (1ull << 22)
#define PSR_SI        (1ull << 23)
#define PSR_DB        (1ull << 24)
#define PSR_LP        (1ull << 25)
#define PSR_TB        (1ull << 26)
#define PSR_RT        (1ull << 27)
#define PSR_CPL_SHIFT 32
#define PSR_CPL       (3ull << 32)
#define PSR_IS        (1ull << 34)
#define PSR_MC        (1ull << 35)
#define PSR_IT        (1ull << 36)
#define PSR_ID        (1ull << 37)
#define PSR_DA        (1ull << 38)
#define PSR_DD        (1ull << 39)
#define PSR_SS        (1ull << 40)
#define PSR_RI_SHIFT  41
#define PSR_RI        (3ull << 41)
#define PSR_ED        (1ull << 43)
#define PSR_BN        (1ull << 44)
#define PSR_IA        (1ull << 45)
#define PSR_VM        (1ull << 46)
#define PSR_UM        0x3eull /* user mask: be up ac mfl mfh */

/* Interruption vector offsets from cr.iva (SDM 2:5.7, table 5-7; 2:8.3). */
enum {
    VEC_VHPT = 0x0000,
    VEC_ITLB = 0x0400,
    VEC_DTLB = 0x0800,
    VEC_ALT_ITLB = 0x0c00,
    VEC_ALT_DTLB = 0x1000,
    VEC_NESTED = 0x1400,
    VEC_IKEY_MISS = 0x1800,
    VEC_DKEY_MISS = 0x1c00,
    VEC_DIRTY = 0x2000,
    VEC_IACCESS_BIT = 0x2400,
    VEC_DACCESS_BIT = 0x2800,
    VEC_BREAK = 0x2c00,
    VEC_EXTINT = 0x3000,
    VEC_NOT_PRESENT = 0x5000,
    VEC_KEY_PERM = 0x5100,
    VEC_IACCESS = 0x5200,
    VEC_DACCESS = 0x5300,
    VEC_GENEX = 0x5400,
    VEC_DISABLED_FP = 0x5500,
    VEC_NAT = 0x5600,
    VEC_SPECULATION = 0x5700,
    VEC_DEBUG = 0x5900,
    VEC_UNALIGNED = 0x5a00,
    VEC_UNSUPPORTED = 0x5b00,
    VEC_FP_FAULT = 0x5c00,
    VEC_FP_TRAP = 0x5d00,
    VEC_LOWER_PRIV = 0x5e00,
    VEC_TAKEN_BRANCH = 0x5f00,
    VEC_SINGLE_STEP = 0x6000,
    VEC_VIRTUALIZATION = 0x6100,
};

/* ISR bits (SDM 2:8.2). */
#define ISR_X        (1ull << 32)
#define ISR_W        (1ull << 33)
#define ISR_R        (1ull << 34)
#define ISR_NA       (1ull << 35)
#define ISR_SP       (1ull << 36)
#define ISR_RS       (1ull << 37)
#define ISR_IR       (1ull << 38)
#define ISR_NI       (1ull << 39)
#define ISR_SO       (1ull << 40)
#define ISR_EI_SHIFT 41
#define ISR_ED       (1ull << 43)

/* General Exception ISR.code{7:4} (SDM 2:8.3). */
#define GENEX_ILLEGAL  0x00u
#define GENEX_PRIV_OP  0x10u
#define GENEX_PRIV_REG 0x20u
#define GENEX_RESERVED 0x30u /* Reserved Register/Field, Unimplemented Data Address */
#define GENEX_ISA      0x40u /* Disabled Instruction Set Transition */

/* Control registers by number (SDM 2:3.3.3). */
enum {
    CR_DCR = 0,
    CR_ITM = 1,
    CR_IVA = 2,
    CR_PTA = 8,
    CR_IPSR = 16,
    CR_ISR = 17,
    CR_IIP = 19,
    CR_IFA = 20,
    CR_ITIR = 21,
    CR_IIPA = 22,
    CR_IFS = 23,
    CR_IIM = 24,
    CR_IHA = 25,
    CR_IIB0 = 26,
    CR_IIB1 = 27,
    CR_LID = 64,
    CR_IVR = 65,
    CR_TPR = 66,
    CR_EOI = 67,
    CR_IRR0 = 68,
    CR_ITV = 72,
    CR_PMV = 73,
    CR_CMCV = 74,
    CR_LRR0 = 80,
    CR_LRR1 = 81,
};

/* Application registers by number (SDM 1:3.1.8). */
enum {
    AR_K0 = 0,
    AR_RSC = 16,
    AR_BSP = 17,
    AR_BSPSTORE = 18,
    AR_RNAT = 19,
    AR_FCR = 21,
    AR_EFLAG = 24,
    AR_CSD = 25,
    AR_SSD = 26,
    AR_CFLG = 27,
    AR_FSR = 28,
    AR_FIR = 29,
    AR_FDR = 30,
    AR_CCV = 32,
    AR_UNAT = 36,
    AR_FPSR = 40,
    AR_ITC = 44,
    AR_RUC = 45,
    AR_PFS = 64,
    AR_LC = 65,
    AR_EC = 66,
};

#define DCR_PP (1ull << 0)
#define DCR_BE (1ull << 1)
#define DCR_LC (1ull << 2)
#define DCR_DM (1ull << 8) /* dm dp dk dx dr da dd: bits 8..14 */
#define DCR_DP (1ull << 9)
#define DCR_DK (1ull << 10)
#define DCR_DX (1ull << 11)
#define DCR_DR (1ull << 12)
#define DCR_DA (1ull << 13)
#define DCR_DD (1ull << 14)

#define CPU_PHYS_STACKED 96   /* stacked registers as PAL_RSE_INFO says: kernels rely on it */
#define CPU_STACK_SLOTS  4096 /* host array the frame slides in; see cpu/rse.h */
#define CPU_APART_WORDS  140  /* see the assertion behind struct cpu */
#define CPU_ROT_WORDS    512  /* the window of rotating registers moves down in it */
#define FR_DIVISIONS     4    /* remembered at a time, see cpu/fr_double.h */
#define CPU_ALAT_SIZE    32
#define CPU_DBR_COUNT    16 /* as mem/tlb.h looks at; the others are never written */
#define CPU_DBR_IMPL     8  /* 4 pairs of each kind, as PAL_DEBUG_INFO says */
#define CPU_PMC_COUNT    32
#define CPU_PMD_COUNT    32

enum cpu_model { CPU_MADISON, CPU_MONTECITO, CPU_POULSON };

struct breakset;
struct tracer;
struct cpu;
struct uop;
struct block;
struct softtlb;
struct dahs;
struct cpu_mail;

/* Current frame marker, unpacked (SDM 1:3.1.7). */
struct cfm {
    uint8_t sof, sol, sor; /* sor in registers (8 times the field) */
    uint8_t rrb_gr, rrb_fr, rrb_pr;
};

struct alat_entry {
    uint64_t pa;
    uint32_t reg; /* physical register identity, see cpu/alat.c */
    uint8_t size;
    bool valid;
};

/* Why control left the quick ways between blocks; counted where that is slow anyway. */
enum cpu_left {
    LEFT_BUDGET,  /* the turn is over, or somebody asked for the processor */
    LEFT_LINK,    /* a branch not taken before, or since translations changed */
    LEFT_LOOKUP,  /* an indirect branch to an address not seen lately */
    LEFT_CHECKED, /* the frame or disabled FP registers need a check per operation */
    LEFT_STATE,   /* an operation changed state that blocks depend on (rfi, epc, NaT or rotation) */
    LEFT_OTHER,   /* an operation the run loop must see (system registers, serialisation) */
    LEFT_INTERRUPTION,
    LEFT_REASONS
};

/* Why cpu_run came back early on behalf of a debugger (breakset.h). */
enum cpu_stop_kind { STOP_NONE, STOP_BREAKPOINT, STOP_WATCHPOINT };
struct cpu_stop {
    enum cpu_stop_kind kind;
    unsigned access; /* watchpoint: ACC_READ, ACC_WRITE */
    uint64_t addr;   /* bundle address | slot; watchpoint: first byte of it */
};

/* What the machine provides to a CPU. Set by cpu_set_hooks; opaque is passed back. */
struct cpu_hooks {
    void *opaque;
    /* break.b in a firmware page (see cpu_set_firmware_range). imm is the break's operand. */
    void (*firmware)(void *opaque, struct cpu *c, uint64_t imm);
    /* INIT: enters the handler registered through SAL. May be NULL. */
    void (*init)(void *opaque, struct cpu *c);
    /* Machine Check abort at c->ip: an insertion that overlaps a translation register. May be NULL:
     * the insertion is then dropped. */
    void (*machine_check)(void *opaque, struct cpu *c);
    /* Nanoseconds of machine time, for ITC when not deterministic. */
    uint64_t (*now_ns)(void *opaque);
    /* A write into the interrupt block at 0xfee00000 goes to the device map, not here. Global
     * purges reach the other CPUs through this. */
    /* A page gets its first decoded block: other CPUs must see stores to it. May be NULL. */
    void (*code_page)(void *opaque, uint64_t page);
    void (*ptc_global)(void *opaque, struct cpu *from, uint64_t va, unsigned ps, uint32_t rid);
    /* A shared processor is wanted, from any thread: it may be asleep. May be NULL. */
    void (*kicked)(void *opaque, struct cpu *c);
};

struct cpu {
    /* --- hot: interpreter --- */
    uint64_t *gr_base[4]; /* [0] = gr, [1..3] = frame base - 32: GR n is gr_base[n >> 5][n] */
    uint8_t *nat_base[4]; /* the same for NaT bits */
    uint64_t pr;          /* physical predicates; bit 0 always 1 */
    int64_t budget;       /* instruction slots left before the run loop looks around */
    uint64_t ip;          /* bundle address; exact only outside a block or after a fault */
    uint64_t page_va;     /* virtual address of the page the running block is in */
    uint64_t psr;
    uint64_t key_context; /* what block_key() takes from psr: cpl, and it << 2 */
    struct cfm cfm;
    uint32_t frame_top;   /* 32 + sof: first GR out of the frame */
    uint32_t deny;        /* BLK_* conditions under which a block must be stepped instead */
    uint32_t mode;        /* 0: no rotation and no NaT anywhere, else 1 */
    bool nat_seen;        /* some register may hold a NaT */
    bool hints_set;       /* data access hints are in use: calls and returns must move them */
    bool always_gen;      /* nat_seen stays once set: only general handlers run (for tests) */
    struct softtlb *stlb; /* soft TLBs, see cpu/softtlb.h */
    uint64_t gr[32];      /* r0..r31; r16..r31 are the current bank */
    uint8_t nat[32];
    uint64_t br[8];
    uint64_t lc, ec;
    struct fpreg fr[128]; /* physical numbers for f32..f127 */
    uint64_t fd[128];     /* doubles of translated code, see cpu/fr_double.h */
    uint32_t mxcsr;       /* of translated code, like the next */
    bool flags_live;      /* MXCSR has flags for FPSR.sf0, in native code only: jit/host_flags.h */
    uint64_t scratch;
    uint64_t fr_dbl[2];  /* bit n: FR n is fd[n], and fr[n] is out of date */
    uint64_t fr_lazy[2]; /* bit n, if not in fr_dbl: FR n is left over from a division */
    struct fr_division {
        const struct uop *seq, *last; /* the instruction sequence */
        struct fpreg n, d;            /* its operands; doubles: memory format in .sig */
        bool doubles;
        uint64_t left[2]; /* the registers, where fr_lazy has them too */
    } division[FR_DIVISIONS];
    uint64_t fpsr, unat, ccv, csd, ssd;
    uint64_t kr[8];
    /* --- register stack: see cpu/rse.h --- */
    uint32_t bof;   /* index in stk of r32 */
    int32_t ndirty; /* registers below bof not yet stored (words without NaT collections) */
    int32_t nclean; /* registers below the dirty ones also present in memory */
    uint64_t bsp, bspstore, rnat, rsc, pfs;
    uint64_t rot[CPU_ROT_WORDS]; /* rotating registers in native code, see cpu/jit/ops_rot.c */
    /* Frames are used together with the fields at the beginning. Where addresses agree in their
     * lower 12 bits, the host takes a load for one of a recent store and waits: a third of a large
     * program's time. So frames, which begin in the middle of the array, stand where f32 and up
     * are. */
    uint64_t apart[CPU_APART_WORDS];
    uint64_t stk[CPU_STACK_SLOTS];
    uint8_t stk_nat[CPU_STACK_SLOTS];
    /* --- system --- */
    uint64_t bank_gr[16]; /* the other bank of r16..r31 */
    uint8_t bank_nat[16];
    uint64_t cr[128];
    struct tlb_regs tr; /* rr, pkr, pta; psr copied in before use */
    struct tlb *tlb;
    struct mem *mem;
    uint64_t dbr[CPU_DBR_COUNT], ibr[CPU_DBR_COUNT];
    uint64_t pmc[CPU_PMC_COUNT], pmd[CPU_PMD_COUNT];
    uint64_t cpuid[8];
    uint64_t ar_ia32[8]; /* fcr eflag cflg fsr fir fdr: kept, no function */
    struct alat_entry alat[CPU_ALAT_SIZE];
    uint32_t alat_used;     /* valid entries */
    uint64_t alat_granules; /* a filter: bit n set if some entry may cover granule n modulo 64 */
    /* --- local SAPIC, cpu/sapic.c --- */
    uint64_t irr[4], isr_bits[4]; /* requested and in service */
    uint64_t interrupts_taken;    /* vectors read from IVR since the start */
    bool init_pending;
    /* --- time --- */
    uint64_t icount;     /* retired slots at the last budget refill */
    int64_t budget_full; /* budget at that moment: now = icount + budget_full - budget */
    bool exit_request;   /* budget was cut to leave the current run */
    uint64_t itc_offset;
    uint64_t itc_hz;
    bool itm_armed;
    bool deterministic;
    /* --- control --- */
    bool step;                   /* debug PSR bits are set: one instruction at a time */
    bool halted;                 /* PAL_HALT_LIGHT: wait for an interrupt */
    bool stop;                   /* leave cpu_run */
    bool yield;                  /* leave cpu_run once: something the run loop must see */
    bool pausing;                /* because of many pauses */
    uint32_t pauses;             /* hint @pause seen since the last yield */
    bool branch_taken, rfi_done; /* what the last stepped instruction did */
    int64_t reserve;             /* a block is entered only with this much budget left */
    bool running;                /* started (SAL rendezvous over for APs) */
    unsigned id;                 /* vCPU number */
    enum cpu_model model;
    struct cpu_hooks hooks;
    uint64_t fw_lo, fw_hi; /* physical firmware range */
    struct blockcache *blocks;
    struct jump_entry *jump; /* part of blocks */
    struct jit *jit;         /* NULL: interpreter only */
    struct lockstep *lock;   /* NULL: not comparing, see cpu/lockstep.h */
    int32_t jit_hot;         /* entries after which a block is translated */
    /* Of each region: changes when cached virtual addresses of its code lose their meaning. */
    uint64_t code_gen[TLB_RR_COUNT];
    struct code_gens *gens; /* of region ids, see block.c */
    unsigned rr_dirty;      /* regions whose soft TLB entries are stale until the next srlz */
    int64_t stk_shift;      /* bof + stk_shift never jumps: names physical stacked registers */
    /* interruption delivered by the last cpu_step: for the vector runner and traces */
    int last_vector; /* -1 none */
    bool trap_stop;  /* stop on interruption instead of delivering (vector runner) */
    uint64_t iipa;   /* bundle of the last successfully executed instruction */
    /* --- performance monitors, cpu/pmu.c --- */
    bool pmu_active;     /* some counter may be counting */
    uint64_t pmu_icount; /* counters are up to date to this moment */
    uint64_t pmu_clock;
    struct dahs *dahs; /* cpu/dahr.c */
    /* --- debugger on the host, cpu/breakset.c --- */
    const struct breakset *breaks; /* NULL: no debugger */
    struct cpu_stop stop_at;       /* what the last run stopped at */
    uint64_t passed_ip;            /* the breakpoint reported last, and when: the processor */
    uint64_t passed_icount;        /* goes on from there */
    const struct tracer *tracer;   /* NULL: off, cpu/tracer.c */
    uint64_t traced_ip;            /* of the instruction being traced: bundle | slot */
    uint8_t traced_kind;           /* and TRACER_CALL, TRACER_RETURN or 0 */
    bool watch_held;               /* a watched access was put off, to be done before stopping */
    bool watch_pass;               /* accesses of the instruction being executed do not count */
    struct cpu_mail *mail;         /* NULL: alone on its thread, see cpu/mail.h */
    uint64_t left[LEFT_REASONS];
};

_Static_assert((offsetof(struct cpu, stk) - offsetof(struct cpu, fr) - 32 * sizeof(struct fpreg)) %
                       4096 <
                   256,
               "frames begin below f48, away from what else is hot: change CPU_APART_WORDS");

/* Creates a reset CPU: cpl 0, physical mode, ip 0, empty frame. NULL when out of memory. */
struct cpu *cpu_new(unsigned id, enum cpu_model model, struct mem *mem);
void cpu_free(struct cpu *c);
void cpu_reset(struct cpu *c);
void cpu_set_hooks(struct cpu *c, const struct cpu_hooks *hooks);
void cpu_set_firmware_range(struct cpu *c, uint64_t lo, uint64_t hi);

/* Translates hot code from now on. false: the host refuses executable memory. */
bool cpu_enable_jit(struct cpu *c);
/* For work on the translator, see jit.h; nothing without one. 0 or a negative errno. */
int cpu_jit_perf_map(struct cpu *c);
int cpu_jit_dump(struct cpu *c, uint64_t addr);
/* Compares translated code with the interpreter from now on; behind cpu_enable_jit. Memory must be
 * written by this processor only while it runs. false: out of memory. */
bool cpu_enable_lockstep(struct cpu *c);
/* A difference was found and logged: the processor does not run any further. */
bool cpu_lockstep_failed(const struct cpu *c);

/* Others run at the same time on threads of their own from now on. Such a processor makes no ALAT
 * entries: they may vanish at any time (SDM 1:4.4.5.3), and nothing watches stores of others. 0 or
 * -ENOMEM. */
int cpu_enable_shared(struct cpu *c);

/* Runs up to max_slots instruction slots, or until c->stop or halted. Returns slots retired. */
uint64_t cpu_run(struct cpu *c, uint64_t max_slots);
/* For a debugger: one instruction at c->ip, interrupts and breakpoints left aside. */
void cpu_step_one(struct cpu *c);
/* Checks these breakpoints from now on; NULL: none any more. What was decoded is forgotten. */
void cpu_set_breaks(struct cpu *c, const struct breakset *breaks);
/* Whether the last run ended because the processor pauses over and over; a shared one only. */
bool cpu_yielded(struct cpu *c);
/* Tells what it does from now on (tracer.h); NULL: no more. */
void cpu_set_tracer(struct cpu *c, const struct tracer *t);
/* Retired instruction slots since reset, exact at any time. */
uint64_t cpu_icount(const struct cpu *c);

/* Registers as software sees them (rotation and banking applied). n 0..127. */
uint64_t cpu_gr(const struct cpu *c, unsigned n);
void cpu_set_gr(struct cpu *c, unsigned n, uint64_t value); /* clears NaT; ignores r0 */
bool cpu_gr_nat(const struct cpu *c, unsigned n);
void cpu_set_gr_nat(struct cpu *c, unsigned n, bool nat);
struct fpreg cpu_fr(const struct cpu *c, unsigned n);
/* Brings all of fr[] up to date, for whoever looks at it directly. */
void cpu_settle_fr(struct cpu *c);
void cpu_set_fr(struct cpu *c, unsigned n, struct fpreg v);
bool cpu_pr(const struct cpu *c, unsigned n);
uint64_t cpu_pr_all(const struct cpu *c); /* as mov r=pr reads them */
void cpu_set_pr_all(struct cpu *c, uint64_t v);
uint64_t cpu_cfm(const struct cpu *c); /* packed */
void cpu_set_cfm(struct cpu *c, uint64_t v);
/* Application register n, 0..127; reserved ones read as 0. Setting: false when there is no such
 * register, it is read-only or the value has reserved bits. */
uint64_t cpu_ar(struct cpu *c, unsigned n);
bool cpu_set_ar(struct cpu *c, unsigned n, uint64_t v);
/* Sets PSR and everything derived from it. */
void cpu_set_psr(struct cpu *c, uint64_t psr);
static inline unsigned cpu_cpl(const struct cpu *c)
{
    return (unsigned)(c->psr >> PSR_CPL_SHIFT) & 3;
}

/* Ends a firmware call: continues at b0; pop_frame also does what br.ret does (stacked calls). */
void cpu_firmware_return(struct cpu *c, bool pop_frame);

/* Calls of guest code by firmware. push hides the current frame as cover does, stores all dirty
 * registers and makes a frame of n registers (at most 8) from args: what a called function finds.
 * pop discards every frame made since and brings the hidden one back. Both false: the backing store
 * is not there, and the register stack is in an undefined state. */
struct cpu_frame {
    uint64_t cfm, bsp, rnat;
};
bool cpu_frame_push(struct cpu *c, struct cpu_frame *f, const uint64_t *args, unsigned n);
bool cpu_frame_pop(struct cpu *c, const struct cpu_frame *f);

/* Continues an interrupted context whose registers were put back: what rfi does, without CRs. */
void cpu_resume(struct cpu *c, uint64_t ip, uint64_t psr, uint64_t cfm);

/* Guest virtual memory as the current context sees it, no side effects; for debugging and
 * firmware. 0 or -EFAULT. */
int cpu_virt_read(struct cpu *c, uint64_t va, void *buf, uint64_t len);
int cpu_virt_write(struct cpu *c, uint64_t va, const void *buf, uint64_t len);

/* The same for a debugger: whatever the rights, from anywhere the translation is known
 * (tlb_peek), RAM only; stacked registers that the register stack engine holds show, and are
 * changed, where the backing store has their place, the current frame's too, with the NaT
 * collections they would give. */
struct cpu_stack_view {
    uint64_t end; /* backing store address behind the current frame, were it stored */
    uint64_t nat; /* NaT bits of the current frame's registers by slot number, address bits 8:3 */
};
struct cpu_stack_view cpu_stack_view(const struct cpu *c);
int cpu_debug_read(struct cpu *c, uint64_t va, void *buf, uint64_t len);
int cpu_debug_write(struct cpu *c, uint64_t va, const void *buf, uint64_t len);

/* For shared processors, from any thread. kick: leaves guest code soon, and its thread wakes up.
 * purge, code_changed and watch_page do on the processor's thread what the functions below without
 * "mail" do at once; wait returns when purge number n has been done, or will be before the
 * processor executes anything; self is the caller's processor. inside(false): its thread is about
 * to wait for something else. */
void cpu_kick(struct cpu *c);
uint64_t cpu_mail_purge(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid);
void cpu_mail_code_changed(struct cpu *c, uint64_t page);
void cpu_mail_watch_page(struct cpu *c, uint64_t page);
void cpu_mail_wait(struct cpu *c, uint64_t n, struct cpu *self);
void cpu_mail_inside(struct cpu *c, bool inside);
/* What kick sets and cpu_run clears: a word to sleep on (futex(2)) while it is 0. */
uint32_t *cpu_attention_word(const struct cpu *c);

/* Local SAPIC: posts external interrupt `vector` (0 EXTINT, 2 NMI, 16..255), or INIT. */
void cpu_post_interrupt(struct cpu *c, unsigned vector);
void cpu_post_init(struct cpu *c);
/* Current ITC, and the slots (deterministic) or ns until ITM fires, UINT64_MAX if never. */
uint64_t cpu_itc(const struct cpu *c);
uint64_t cpu_timer_due_ns(const struct cpu *c);
uint64_t cpu_timer_due_ticks(const struct cpu *c);
/* Raises the timer interrupt if ITC reached ITM. */
void cpu_check_timer(struct cpu *c);
/* Looks at the timer; whether the processor executes: a halted one goes on when an interrupt is
 * deliverable, even one that came before, or INIT. */
bool cpu_ready(struct cpu *c);
/* A deliverable external interrupt is pending (regardless of psr.i). */
bool cpu_interrupt_pending(const struct cpu *c);

/* Other processors or devices may have stored to memory since this one ran: advanced loads must be
 * made again (SDM 1:4.4.5.3.1). */
void cpu_memory_written(struct cpu *c);
/* For the machine, cpu/host.c. Bytes of a page with decoded code were overwritten (mem.h's code
 * hook); another CPU decoded code in a page (cpu_hooks.code_page). Tell every CPU. */
void cpu_code_changed(struct cpu *c, uint64_t page);
void cpu_watch_page(struct cpu *c, uint64_t page);
/* Deterministic: time that passes while the CPU is halted. */
void cpu_skip_ticks(struct cpu *c, uint64_t ticks);
/* Stores to any page are seen by mem_watches() again (mem.h). */
void cpu_watch_writes(struct cpu *c);

/* Saves or restores everything software can see and what comes next depends on, between turns;
 * memory and hooks are not part of it. A restored processor has decoded nothing. Version 1. */
struct archive;
void cpu_state(struct cpu *c, struct archive *s);
/* A checksum of the registers, the same however instructions are executed; and the registers as
 * text, a line each. */
uint32_t cpu_digest(struct cpu *c);
void cpu_print_registers(struct cpu *c, FILE *out);
/* Counters of the translation and block caches, one line each. */
void cpu_print_stats(const struct cpu *c, FILE *out);
/* Registers but those of floating point; '*' marks a NaT. Between runs. */
void cpu_print_state(const struct cpu *c, FILE *out);

/* Another CPU's ptc.g. */
void cpu_remote_purge(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid);

#endif
